"""Picks a sample of the tables' numbers, or takes some, and picks out of the tables all rows that bear on them.

What belongs here: which rows are needed for the plain way, given these alone, to come to the same owners and keys
for these numbers as given all rows. Rather a row too many than one too few: a cell is compared by a form that cells of
one meaning share, and what a cell means is left to the plain way. Nothing of the bulk way is used, for that is
what a sample is to find out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple, TypeAlias
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from resolver_grpc.build.parquet_tables import texts_of
from resolver_grpc.build.report import Progress
from resolver_grpc.build.roads import Roads
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.sources import Sources, readable
from resolver_grpc.build.tables import OpenTable
from resolver_grpc.canonical.email import parse_email
from resolver_grpc.canonical.numbers import CPR_DIGITS
from resolver_grpc.rows.cells import BadRowError, Row, parse_owner_number
from resolver_grpc.rows.persons import parse_road_of_home

Codes: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
_Taker: TypeAlias = Callable[[OpenTable, Flags, Callable[[int, Row], None], Progress], None]
"""Reads the chosen rows of a table, and has them taken."""
Column: TypeAlias = Any
"""A ``pyarrow.ChunkedArray``, which has no types of its own."""

_NO_CODE = -1
_CPR_CODES = 10**CPR_DIGITS
_STREETS = ("street_name", "short_street_name")
_ROAD_COLUMNS = ("municipality_code", "road_code", *_STREETS, "supplementary_town", "postal_code")


class Sample(NamedTuple):
    """How many numbers of the tables are looked up, and the seed that picks them."""

    size: int
    seed: int


class Picked(NamedTuple):
    """A sample with all that the tables say about it.

    Attributes:
        numbers: the sampled numbers, each of which a row of persons or mailboxes is about.
        sources: the rows that bear on them, under their own row numbers, and what all rows say of roads.
        rows: by table, how many rows there are in all.
    """

    numbers: list[str]
    sources: Sources
    rows: dict[str, int]


class _Persons(NamedTuple):
    """What the persons table says that concerns more than one number."""

    codes: Codes
    mentions: dict[int, set[int]]
    """By row, the numbers that it speaks of as old or current ones."""


def pick_rows(tables: list[OpenTable], sample: Sample, progress: Progress) -> Picked:
    """Picks a sample of the numbers, and the rows that bear on it.

    These are the rows of a sampled number and of all that old and current numbers link with it; the rows that claim
    an e-mail address which one of those claims; and the rows of whoever these claimants are linked with, for a
    claimant that is out contests otherwise. Which numbers are picked does not depend on the order of the rows.

    Args:
        tables: the tables, of which persons, mailboxes and relations are there.
        sample: how many numbers, and the seed.
        progress: shows how far the reading is.

    Raises:
        TableError: a table can't be read.
    """
    sources = Sources()
    by_name = {table.table.name: table for table in tables}
    with progress(0, "looking for roads"), by_name[PERSONS.name].columns() as columns:
        _add_roads(columns.column, sources.roads)
    picked = _pick(tables, lambda codes: _draw(codes, sample), (), (sources, _take), progress)
    if ROADS.name in by_name:
        _take(by_name[ROADS.name], None, sources.add_road, progress)
        picked.rows[ROADS.name] = sources.rows_read[ROADS.name]
    return picked


def pick_rows_of(
    tables: list[OpenTable], numbers: Iterable[str], addresses: Collection[str], sources: Sources, progress: Progress
) -> Picked:
    """Picks the rows that bear on some numbers, and on whoever claims one of some e-mail addresses.

    What rows say of roads is left out, and only the rows that are picked are read, as columns: a country has millions.

    Args:
        tables: as for a sample.
        numbers: CPR and CVR numbers, canonical; no row need be about them.
        addresses: canonical e-mail addresses.
        sources: takes the rows.
        progress: shows how far the reading is.

    Raises:
        TableError: a table can't be read.
    """
    codes = sorted({_code_of(number) for number in numbers})
    return _pick(tables, lambda _: codes, addresses, (sources, _take_columns), progress)


def find_numbers(tables: list[OpenTable], is_sought: Callable[[Codes], Flags], progress: Progress) -> dict[str, Flags]:
    """Finds all rows of some numbers, and of the numbers that are linked with them.

    Args:
        tables: as for a sample.
        is_sought: tells which of some numbers, as integers of ``bulk.numbers``, these are.
        progress: shows how far the reading is.

    Returns:
        By table, which of its rows these are.

    Raises:
        TableError: a table can't be read.
    """
    by_name = {table.table.name: table for table in tables}
    codes: dict[str, Codes] = {}
    for name in (PERSONS.name, MAILBOXES.name, RELATIONS.name):
        with progress(0, f"looking through {name}"), by_name[name].columns() as columns:
            if name == PERSONS.name:
                persons = _read_persons(columns.column)
                codes[name] = persons.codes
            else:
                codes[name] = _codes_of(columns.column("number"))
    mentioned = np.fromiter({code for some in persons.mentions.values() for code in some}, np.int64)
    met = np.unique(np.concatenate([*codes.values(), mentioned]))
    met = met[met != _NO_CODE]
    # Here CPR numbers lie past the CVR numbers, there before them.
    found = met[is_sought(np.where(met >= _CPR_CODES, met - _CPR_CODES, met + _CPR_CODES))]
    linked = _linked(set(found.tolist()), persons.mentions)
    rows = {name: _among(some, linked) for name, some in codes.items()}
    rows[PERSONS.name][[row for row, some in persons.mentions.items() if not some.isdisjoint(linked)]] = True
    return rows


def _pick(
    tables: list[OpenTable],
    choose: Callable[[Codes], list[int]],
    addresses: Collection[str],
    into: tuple[Sources, _Taker],
    progress: Progress,
) -> Picked:
    sources, take = into
    by_name = {table.table.name: table for table in tables}
    rows = {}
    with progress(0, "looking through persons"), by_name[PERSONS.name].columns() as columns:
        rows[PERSONS.name] = columns.rows
        persons = _read_persons(columns.column)
    with progress(0, "looking through mailboxes"), by_name[MAILBOXES.name].columns() as columns:
        rows[MAILBOXES.name] = columns.rows
        codes = _codes_of(columns.column("number"))
        sampled = choose(np.concatenate([persons.codes, codes]))
        wanted, chosen_mailboxes = _follow_claims(codes, columns.column("email_address"), persons, sampled, addresses)
    with progress(0, "looking through relations"), by_name[RELATIONS.name].columns() as columns:
        rows[RELATIONS.name] = columns.rows
        chosen_relations = _among(_codes_of(columns.column("number")), wanted)
    mentioning = [row for row, mentioned in persons.mentions.items() if not mentioned.isdisjoint(wanted)]
    chosen_persons = _among(persons.codes, wanted)
    chosen_persons[mentioning] = True
    take(by_name[PERSONS.name], chosen_persons, sources.add_person, progress)
    take(by_name[MAILBOXES.name], chosen_mailboxes, sources.add_mailbox, progress)
    take(by_name[RELATIONS.name], chosen_relations, sources.add_relation, progress)
    return Picked([_number_of(code) for code in sampled], sources, rows)


def _draw(codes: Codes, sample: Sample) -> list[int]:
    """Draws from the distinct numbers in their order, so that the order of the rows does not matter."""
    codes = np.sort(codes[codes != _NO_CODE])  # and not np.unique, which hashes: ten times slower here
    distinct = codes[np.diff(codes, prepend=_NO_CODE) != 0]
    places = Random(sample.seed).sample(range(len(distinct)), min(sample.size, len(distinct)))  # noqa: S311 - no secret
    return [int(code) for code in distinct[places]]


def _follow_claims(
    codes: Codes, emails: Column, persons: _Persons, sampled: list[int], addresses: Collection[str]
) -> tuple[set[int], Flags]:
    """Finds all numbers whose rows are needed, and their rows of the mailboxes table and the claimants'."""
    linked = _linked(set(sampled), persons.mentions)
    own = np.flatnonzero(_among(codes, linked))
    claiming = _claiming(emails, own, addresses)
    claimants = {int(code) for code in codes[claiming] if code != _NO_CODE}
    wanted = _linked(linked | claimants, persons.mentions)
    return wanted, _among(codes, wanted) | claiming


def _linked(codes: set[int], mentions: dict[int, set[int]]) -> set[int]:
    """The numbers, and all that one row speaks of together with one of them, however many rows away."""
    rows_of: defaultdict[int, list[int]] = defaultdict(list)
    for row, mentioned in mentions.items():
        for code in mentioned:
            rows_of[code].append(row)
    found, waiting = set(codes), list(codes)
    while waiting:
        more = {code for row in rows_of.get(waiting.pop(), ()) for code in mentions[row]} - found
        found |= more
        waiting.extend(more)
    return found


def _read_persons(column: Callable[[str], Column]) -> _Persons:
    codes = _codes_of(column("number"))
    mentions: defaultdict[int, set[int]] = defaultdict(set)
    for name in ("current_number", "old_numbers"):
        for row, text in _filled(column(name)):
            mentions[row].update(_code_of(part) for part in text.split(";"))
    for row, mentioned in mentions.items():
        mentioned.add(int(codes[row]))
        mentioned.discard(_NO_CODE)
    return _Persons(codes, dict(mentions))


def _filled(column: Column) -> Iterator[tuple[int, str]]:
    """The cells that are not empty, each with the place of its row."""
    full = pc.greater(pc.binary_length(column.cast(pa.string())), 0).fill_null(False)  # noqa: FBT003 - Arrow's own
    rows = np.flatnonzero(full.to_numpy())
    return zip(rows.tolist(), column.take(rows).to_pylist(), strict=True)


def _codes_of(column: Column) -> Codes:
    """Numbers as integers that tell eight digits from ten; a cell that holds no number has ``_NO_CODE``.

    Digits alone are taken as they are, real number or not; how else a number may be written, its parser says.
    """
    column = column.cast(pa.string())
    plain = pc.match_substring_regex(column, r"\A(?:[0-9]{8}|[0-9]{10})\z").fill_null(False)  # noqa: FBT003 - Arrow's
    is_plain = plain.to_numpy()
    digits = column.filter(plain)
    codes = np.full(len(column), _NO_CODE, np.int64)
    codes[is_plain] = digits.cast(pa.int64()).to_numpy()
    codes[is_plain] += np.where(pc.binary_length(digits).to_numpy() == CPR_DIGITS, _CPR_CODES, 0)
    odd = np.flatnonzero(~is_plain)
    codes[odd] = [_code_of(text or "") for text in column.take(odd).to_pylist()]
    return codes


def _code_of(text: str) -> int:
    for number in readable(text, parse_owner_number):
        return int(number) + (_CPR_CODES if len(number) == CPR_DIGITS else 0)
    return _NO_CODE


def _number_of(code: int) -> str:
    return f"{code - _CPR_CODES:010d}" if code >= _CPR_CODES else f"{code:08d}"


def _among(codes: Codes, wanted: set[int]) -> Flags:
    return np.isin(codes, np.fromiter(wanted, np.int64, len(wanted)))


def _claiming(emails: Column, own: npt.NDArray[np.intp], addresses: Collection[str]) -> Flags:
    """Which rows claim an e-mail address that one of these rows claims, or one of some others."""
    emails = emails.cast(pa.string())
    claimed = {email_form(text) for text in emails.take(own).to_pylist() if text} - {""}
    claimed.update(map(email_form, addresses))
    locals_claimed = {_local_part(form) for form in claimed}
    plain = pc.match_substring_regex(emails, r"\A[!-~]+\z").fill_null(False)  # noqa: FBT003 - Arrow's own
    found: Flags = pc.is_in(pc.ascii_lower(emails), pa.array(sorted(claimed), pa.string())).to_numpy()
    odd = np.flatnonzero(~plain.to_numpy())
    # The parser is slow, and asked only about those whose local part it would write alike.
    found[odd] = [
        bool(text) and _local_part(text) in locals_claimed and email_form(text) in claimed
        for text in emails.take(odd).to_pylist()
    ]
    return found


def email_form(text: str) -> str:
    """A form that all spellings of one e-mail address share; ``""`` for some that are none.

    Of ASCII the parser changes nothing but the case and what stands around it.
    """
    return text.strip().lower() if text.isascii() else "".join(readable(text, parse_email))


def _local_part(text: str) -> str:
    """What stands before the ``@``, as the parser writes it."""
    return normalize("NFC", normalize("NFC", text.strip()).rpartition("@")[0].lower())


def _add_roads(column: Callable[[str], Column], roads: Roads) -> None:
    """Notes what the persons' rows say of roads, accepted or not; each way of saying it once."""
    homes = pa.table({name: column(name) for name in _ROAD_COLUMNS}).unify_dictionaries()
    for home in homes.group_by(list(_ROAD_COLUMNS)).aggregate([]).to_pylist():
        cells = {name: cell or "" for name, cell in home.items()}
        for row in _by_street(cells):
            with suppress(BadRowError):
                roads.add(parse_road_of_home(row))


def _by_street(row: Row) -> Iterable[Row]:
    """A row's road with one of its two spellings at a time: one that can't be read hides the other from nobody."""
    blank = dict.fromkeys(_STREETS, "")
    return [{**row, **blank, street: row[street]} for street in _STREETS]


def _take(table: OpenTable, chosen: Flags | None, take: Callable[[int, Row], None], progress: Progress) -> None:
    """Reads a table row by row, and takes the chosen ones; all, where none are chosen."""
    with progress(table.expected_rows, f"reading {table.table.name}") as advance:
        # A row's number is its place in the file, of which edits may leave rows out.
        for place, (row_number, row) in enumerate(table.rows()):
            if chosen is None or chosen[place]:
                take(row_number, row)
            advance(1)


def _take_columns(table: OpenTable, chosen: Flags, take: Callable[[int, Row], None], progress: Progress) -> None:
    """Reads the chosen rows of a table alone, column by column, and takes them."""
    places, names = np.flatnonzero(chosen), table.table.column_names
    with progress(len(places), f"reading {table.table.name}") as advance:
        with table.columns() as columns:
            cells = [texts_of(columns.column(name).take(places)) for name in names]
        for place, *texts in zip(places.tolist(), *cells, strict=True):
            take(table.edits.row_number(place + 1), dict(zip(names, texts, strict=True)))
            advance(1)
