"""Holds an open index to the tables that it was built from, for a sample of their numbers.

What belongs here: what each sampled number must come to in the index. The rows that bear on the sample are read by
the plain way, whatever built the snapshot; owners and their keys come from the same rules, the finding from the
index. No finding names anybody: it tells a table and a row.

What is held to the whole tables is their digests and how many rows they have. How many of them were rejected is
not counted again, for that takes a plain reading of every row: the manifest may state no fewer than were met, and
whoever's rows were rejected within the sample must not be found.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import chain
from typing import NamedTuple

from resolver_grpc.build.entries import Entries
from resolver_grpc.build.fold.later import Folded, with_facts
from resolver_grpc.build.owners import Owner, join_owners
from resolver_grpc.build.report import Progress, Stages
from resolver_grpc.build.sampling import Picked, Sample, pick_rows
from resolver_grpc.build.schema import TABLES
from resolver_grpc.build.snapshot import Inputs, fold, window_of
from resolver_grpc.build.sources import Sources
from resolver_grpc.build.tables import OpenTable, open_table
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.errors import SnapshotError, TableError
from resolver_grpc.index.reader import Index
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.rows.cells import Span, is_cpr
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.snapshot.store import Snapshot
from resolver_grpc.snapshot.verify import Check
from resolver_grpc.times import register_window


class _Expected(NamedTuple):
    """What the tables say of the snapshot: the owners by number and by e-mail address, and what makes their keys."""

    owners: dict[str, Owner]
    claimants: dict[str, list[Owner]]
    entries: Entries
    keys: IndexKeys
    window: Span


def verify_rows(inputs: Inputs, snapshot: Snapshot, keys: IndexKeys, sample: Sample, progress: Progress) -> list[Check]:
    """Looks a sample of the tables' numbers up.

    A number with an owner must lead to that one alone, who must be found under every key that the tables give them,
    with the facts that the tables state within the horizon, by KVHX together with nobody who lives elsewhere, and by
    e-mail with nobody but the others who claim it; whoever can't be reached by address or e-mail must not be found
    that way; a number without an owner must lead nowhere.

    Args:
        inputs: the tables that the snapshot was built from.
        snapshot: the snapshot, open.
        keys: makes the keys of the index.
        sample: how many, and which.
        progress: shows how far the reading is.

    Raises:
        TableError: a table can't be read, or is not the one that the snapshot was built from.
        SnapshotError: a sampled row is not what the tables say.
    """
    manifest = snapshot.manifest
    tables = _open_tables(inputs, manifest)
    folded = fold(inputs, tables, window_of(tables), Stages(progress))
    picked = pick_rows(folded.tables, sample, progress)
    expected = _expect(picked.sources, folded, keys, manifest)
    _check_rows(picked, folded.tables, manifest)
    _check_numbers(picked, expected, snapshot.index, progress)
    found = sum(number in expected.owners for number in picked.numbers)
    return [
        Check("source tables", len(manifest.sources), "tables", "digests and rows as stated"),
        Check("rows with an owner", found, "sampled", "found under their keys, with their facts, and no others"),
        Check("rows without one", len(picked.numbers) - found, "sampled", "not found"),
    ]


def _open_tables(inputs: Inputs, manifest: Manifest) -> list[OpenTable]:
    """Opens the tables, all of which must be those of the manifest."""
    paths = {"persons": inputs.persons, "mailboxes": inputs.mailboxes, "relations": inputs.relations}
    paths |= {"roads": inputs.roads} if inputs.roads else {}
    stated = {source.table: source.digest for source in manifest.sources}
    if paths.keys() != stated.keys():
        raise TableError("The snapshot was built with a roads table or without one; pass the same tables.")
    tables = [open_table(paths[table.name], table) for table in TABLES if table.name in paths]
    for table in tables:
        if table.digest != stated[table.table.name]:
            raise TableError(f"{table.path} is not the table that the snapshot was built from; pass that one.")
    return tables


def _expect(sources: Sources, folded: Folded, keys: IndexKeys, manifest: Manifest) -> _Expected:
    owners: dict[str, Owner] = {}
    claimants: defaultdict[str, list[Owner]] = defaultdict(list)
    for joined in join_owners(sources):
        owner = with_facts(joined, folded.facts)
        owners.update(dict.fromkeys((owner.number, *owner.old_numbers), owner))
        claimants[owner.email_address].append(owner)
    window = Span(*register_window(date.fromisoformat(manifest.register_date)))
    return _Expected(owners, claimants, Entries(keys, sources.roads, window), keys, window)


def _check_rows(picked: Picked, tables: list[OpenTable], manifest: Manifest) -> None:
    edits = {table.table.name: table.edits for table in tables}
    for source in manifest.sources:
        rows = edits[source.table].rows_in_file(picked.rows[source.table])
        rejected = picked.sources.rejects.count(source.table)
        if rows != source.rows or rejected > source.rejected:
            raise SnapshotError(
                f"The manifest states {source.rows:,} rows of {source.table} and {source.rejected:,} rejected, "
                f"the table has {rows:,} and no fewer than {rejected:,}; build the snapshot again."
            )


def _check_numbers(picked: Picked, expected: _Expected, index: Index, progress: Progress) -> None:
    """Looks each number up, and then the facts of those found, instant by instant.

    Raises:
        SnapshotError: the first fault.
    """
    rows = _rows_by_number(picked.sources)
    owners: dict[int, tuple[str, Owner]] = {}
    with progress(len(picked.numbers), "looking numbers up") as advance:
        for number in picked.numbers:
            where, owner = rows.get(number, "a rejected row"), expected.owners.get(number)
            fault, found = _look_up(number, owner, expected, index)
            _refuse(where, fault)
            owners.update((ordinal, (where, owner)) for ordinal in found if owner)
            advance(1)
    instants = _instants(owners, expected.window)
    with progress(len(instants), "comparing facts") as advance:
        # In order of time, for carrying a country's facts from one instant to the next is what costs here.
        for instant, ordinals in sorted(instants.items()):
            for ordinal in ordinals:
                where, owner = owners[ordinal]
                _refuse(where, _fault_of_facts(owner, ordinal, instant, index))
            advance(1)


def _refuse(where: str, fault: str) -> None:
    if fault:
        raise SnapshotError(f"The owner of {where} {fault}; build the snapshot again.")


def _rows_by_number(sources: Sources) -> dict[str, str]:
    """Tells for each number that an accepted row is about which row that is; rejected rows don't tell theirs."""
    rows = {mailbox.number: f"row {row_number} of mailboxes" for row_number, mailbox in sources.mailboxes}
    return rows | {number: f"row {row_number} of persons" for number, (row_number, _) in sources.persons.items()}


def _look_up(number: str, owner: Owner | None, expected: _Expected, index: Index) -> tuple[str, tuple[int, ...]]:
    """Tells what the index finds otherwise than the tables, empty where they agree; and the ordinal that it finds."""
    kind = KeyKind.CPR if is_cpr(number) else KeyKind.CVR
    (found,) = index.find([expected.keys.key(kind, number)])
    if owner is None:
        return "is found, although the tables know none" if len(found) else "", ()
    if len(found) != 1:
        return "is not found under the number", ()
    (ordinal,) = found
    if index.number(ordinal) != owner.number or index.forwarding_address(ordinal) != owner.forwarding_address:
        return "has another number or forwarding address", ()
    return _fault_of_keys(owner, ordinal, expected, index), (ordinal,)


def _fault_of_keys(owner: Owner, ordinal: int, expected: _Expected, index: Index) -> str:
    has_address = expected.entries.address_key(owner) is not None
    wanted = set(expected.entries.keys_of(owner, has_address=has_address))
    others = {*expected.entries.keys_of(owner, has_address=True), expected.keys.key(KeyKind.EMAIL, owner.email_address)}
    if any(ordinal not in found for found in index.find(sorted(wanted))):
        return "is not found under a key"
    if any(ordinal in found for found in index.find(sorted(others - wanted))):
        return "is found by an address, although they can't be reached by it"
    if bool(index.address_number(ordinal)) != has_address:
        return "has an address number without an address, or none with one"
    return _fault_of_strangers(owner, ordinal, expected, index)


def _fault_of_strangers(owner: Owner, ordinal: int, expected: _Expected, index: Index) -> str:
    """Looks for others under an owner's keys, as far as the rows that bear on the owner tell who they may be."""
    kind = KeyKind.CPR if is_cpr(owner.number) else KeyKind.CVR
    numbers = [expected.keys.key(kind, number) for number in (owner.number, *owner.old_numbers)]
    if any(len(found) > 1 for found in index.find(numbers)):
        return "shares a number with somebody else"
    here = index.address_number(ordinal)
    if any(index.address_number(one) != here for found in index.find(_home_keys(owner, expected)) for one in found):
        return "is found at home together with somebody who lives elsewhere"
    email = expected.keys.key(KeyKind.EMAIL, owner.email_address)
    claimants = expected.claimants[owner.email_address] if owner.email_address else []
    numbers_there = {one.number for one in claimants if email in expected.entries.keys_of(one, has_address=False)}
    if {index.number(one) for (found,) in [index.find([email])] for one in found} != numbers_there:
        return "shares an e-mail address with others than those who claim it"
    return ""


def _home_keys(owner: Owner, expected: _Expected) -> list[bytes]:
    """The keys of an owner's KVHX, which lead to those who live there and to nobody else; a text may lead further."""
    if expected.entries.address_key(owner) is None or not owner.person or not owner.person.home.has_road:
        return []
    home, names = owner.person.home, owner.person.names
    place = Kvhx(*home.road, home.house_number, home.floor, home.door)
    return [expected.keys.place(place, *names[:known]) for known in range(len(names) + 1)]


def _instants(owners: dict[int, tuple[str, Owner]], window: Span) -> dict[int, list[int]]:
    """When to compare whom: at both ends of the horizon, and wherever the tables have a fact change within it."""
    instants: defaultdict[int, list[int]] = defaultdict(list)
    for ordinal, (_, owner) in owners.items():
        edges = {edge for span in chain(*owner.facts.values()) for edge in span if window.start < edge < window.end}
        for instant in edges | {window.start, window.end - 1}:
            instants[instant].append(ordinal)
    return instants


def _fault_of_facts(owner: Owner, ordinal: int, instant: int, index: Index) -> str:
    facts = index.facts_at(instant)
    held = {str(name) for name, spans in owner.facts.items() if any(one.start <= instant < one.end for one in spans)}
    return "has other facts" if held != {name for name in facts.names if ordinal in facts[name]} else ""
