"""Holds an open index to the tables that it was built from, for a sample of their numbers.

What belongs here: what each sampled number must come to in the index. The tables are read by the plain way,
whatever built the snapshot; owners and their keys come from the same rules, the finding from the index. No
finding names anybody: it tells a table and a row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import chain
from random import Random
from typing import NamedTuple

from resolver_grpc.build.cells import Row, Span, is_cpr
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import Owner, join_owners
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS, Table
from resolver_grpc.build.snapshot import Inputs, Progress
from resolver_grpc.build.sources import Sources
from resolver_grpc.build.tables import OpenTable, open_table
from resolver_grpc.errors import SnapshotError, TableError
from resolver_grpc.index.reader import Index
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.snapshot.store import Snapshot
from resolver_grpc.snapshot.verify import Check
from resolver_grpc.times import register_window


class Sample(NamedTuple):
    """How many numbers of the tables are looked up, and the seed that picks them."""

    size: int
    seed: int


class _Expected(NamedTuple):
    """What the tables say of the snapshot: the owners by each of their numbers, and what makes their keys."""

    owners: dict[str, Owner]
    entries: Entries
    keys: IndexKeys
    window: Span


def verify_rows(inputs: Inputs, snapshot: Snapshot, keys: IndexKeys, sample: Sample, progress: Progress) -> list[Check]:
    """Looks a sample of the tables' numbers up.

    A number with an owner must lead to that one alone, under every key that the tables give it, with the facts
    that the tables state within the horizon; whoever can't be reached by address or e-mail must not be found that
    way; a number without an owner must lead nowhere.

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
    sources = _read(inputs, manifest, progress)
    owners = {number: owner for owner in join_owners(sources) for number in (owner.number, *owner.old_numbers)}
    _check_rejects(sources, manifest)
    window = Span(*register_window(date.fromisoformat(manifest.register_date)))
    expected = _Expected(owners, Entries(keys, sources.roads, window), keys, window)
    rows = _rows_by_number(sources)
    numbers = Random(sample.seed).sample(sorted(rows), min(sample.size, len(rows)))  # noqa: S311 - no secret
    found = 0
    for number in numbers:
        fault = _fault(number, expected, snapshot.index)
        if fault:
            raise SnapshotError(f"The owner of {rows[number]} {fault}; build the snapshot again.")
        found += number in owners
    return [
        Check("source tables", len(manifest.sources), "tables", "digests, rows and rejected rows as stated"),
        Check("rows with an owner", found, "sampled", "found under their keys, with their facts, and no others"),
        Check("rows without one", len(numbers) - found, "sampled", "not found"),
    ]


def _read(inputs: Inputs, manifest: Manifest, progress: Progress) -> Sources:
    """Reads the tables, all of which must be those of the manifest."""
    sources = Sources()
    takers: list[tuple[Table, Callable[[int, Row], None]]] = [
        (PERSONS, sources.add_person),
        (MAILBOXES, sources.add_mailbox),
        (RELATIONS, sources.add_relation),
        (ROADS, sources.add_road),
    ]
    paths = {"persons": inputs.persons, "mailboxes": inputs.mailboxes, "relations": inputs.relations}
    paths |= {"roads": inputs.roads} if inputs.roads else {}
    if paths.keys() != {source.table for source in manifest.sources}:
        raise TableError("The snapshot was built with a roads table or without one; pass the same tables.")
    opened = [(open_table(paths[table.name], table), take) for table, take in takers if table.name in paths]
    for opened_table, _ in opened:
        _check_digest(opened_table, manifest)
    for opened_table, take in opened:
        with progress(opened_table.expected_rows, f"reading {opened_table.table.name}") as advance:
            for row_number, row in opened_table.rows():
                take(row_number, row)
                advance(1)
    return sources


def _check_digest(table: OpenTable, manifest: Manifest) -> None:
    stated = {source.table: source.digest for source in manifest.sources}
    if table.digest != stated[table.table.name]:
        raise TableError(f"{table.path} is not the table that the snapshot was built from; pass that one.")


def _check_rejects(sources: Sources, manifest: Manifest) -> None:
    for source in manifest.sources:
        counted = sources.rows_read[source.table], sources.rejects.count(source.table)
        if counted != (source.rows, source.rejected):
            raise SnapshotError(
                f"The manifest states {source.rows:,} rows of {source.table} and {source.rejected:,} rejected, "
                f"the table comes to {counted[0]:,} and {counted[1]:,}; build the snapshot again."
            )


def _rows_by_number(sources: Sources) -> dict[str, str]:
    """Tells for each number that a row is about which row that is; rejected rows don't tell theirs."""
    rows = dict.fromkeys(sources.bad_persons | sources.bad_owners, "a rejected row")
    rows |= {mailbox.number: f"row {row_number} of mailboxes" for row_number, mailbox in sources.mailboxes}
    return rows | {number: f"row {row_number} of persons" for number, (row_number, _) in sources.persons.items()}


def _fault(number: str, expected: _Expected, index: Index) -> str:
    """Tells what the index says otherwise than the tables; empty where they agree."""
    kind = KeyKind.CPR if is_cpr(number) else KeyKind.CVR
    (found,) = index.find([expected.keys.key(kind, number)])
    owner = expected.owners.get(number)
    if owner is None:
        return "is found, although the tables know none" if len(found) else ""
    if len(found) != 1:
        return "is not found under the number"
    (ordinal,) = found
    if index.number(ordinal) != owner.number or index.forwarding_address(ordinal) != owner.forwarding_address:
        return "has another number or forwarding address"
    return _fault_of_keys(owner, ordinal, expected, index) or _fault_of_facts(owner, ordinal, expected.window, index)


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
    return ""


def _fault_of_facts(owner: Owner, ordinal: int, window: Span, index: Index) -> str:
    """Compares at both ends of the horizon, and wherever the tables have a fact of the owner change within it."""
    edges = {edge for span in chain(*owner.facts.values()) for edge in span if window.start < edge < window.end}
    for instant in sorted({window.start, window.end - 1, *edges}):
        facts = index.facts_at(instant)
        held = {
            str(name) for name, spans in owner.facts.items() if any(one.start <= instant < one.end for one in spans)
        }
        if held != {name for name in facts.names if ordinal in facts[name]}:
            return "has other facts"
    return ""
