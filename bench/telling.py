#!/usr/bin/env python3
"""What the time of an answer tells intake: batches about people of one class each, as a distribution.

What belongs here: a register of classes of people whom intake must not tell apart, and how well the time of a batch
tells each from people whom nobody knows.
"""

from __future__ import annotations

import gc
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Final

import click

from machine import describe_machine
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.build.tables import TableMeta, write_table
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, Role, Sender, SenderClass
from resolver_grpc.program import one_line_errors
from resolver_grpc.server.served import Served, open_served
from resolver_grpc.times import parse_time
from resolver_grpc.v1.query_pb2 import Kind as Wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

_REGISTER_DATE: Final = "2026-11-01"
_NOON: Final = parse_time(f"{_REGISTER_DATE}T11:00:00Z")
_CHANGED: Final = f"{_REGISTER_DATE}T10:00:00Z"
"""An hour ago: who can't be reached since then is in the index all the same."""
_SENDER: Final = Sender("s", "S", "13585628", SenderClass.PRIVATE, kinds=frozenset(Kind))
_UNKNOWN: Final = "unknown"
_CLASSES: Final = (_UNKNOWN, "unknown, others", "no consent", "protected", "closed", "opted out", "not subscribed")
"""The second class is as the first: what it differs by is the measurement's own."""
_OF_KIND: Final = {Kind.FULL_NAME: _CLASSES[:6], Kind.CPR: (*_CLASSES[:2], *_CLASSES[4:])}
_STREETS: Final = 40

Row = dict[str, str]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--each", type=click.IntRange(1, 9000), default=2000, show_default=True, help="People of each class.")
@click.option("--batches", type=click.IntRange(min=2), default=300, show_default=True, help="Of each class.")
@click.option("--queries", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Of each batch.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="For the table.")
@one_line_errors()
def main(*, each: int, batches: int, queries: int, out: Path | None) -> None:
    """Measures what intake could learn from the time that a batch takes.

    \b
    Example:
      bench/telling.py --batches 300 --queries 200
    """
    with tempfile.TemporaryDirectory(prefix="telling-") as folder:
        served = _serve(Path(folder), each)
        try:
            text = "\n".join(_report(served, each, batches, queries)) + "\n"
        finally:
            served.snapshot.index.close()
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _serve(folder: Path, each: int) -> Served:
    """Builds the register of all classes, and opens it."""
    rows: dict[str, list[Row]] = {PERSONS.name: [], MAILBOXES.name: [], RELATIONS.name: [], ROADS.name: []}
    for of_class, person in enumerate(_CLASSES[2:], start=2):
        for number in range(each):
            _add(rows, person, _number(of_class, number), *_home(of_class, number))
    persons, mailboxes, relations, roads = paths = [folder / f"{name}.parquet" for name in rows]
    for path, table in zip(paths, (PERSONS, MAILBOXES, RELATIONS, ROADS), strict=True):
        with write_table(path, table, TableMeta(0, _REGISTER_DATE if table is PERSONS else "")) as writer:
            for row in rows[table.name]:
                writer.write(row)
    key = MasterKey(os.urandom(32))
    inputs = Inputs(persons, mailboxes, relations, roads)
    build_snapshot(inputs, folder / "snapshot", key, _NOON, lambda *_: nullcontext(lambda _amount: None))
    served = open_served(folder / "snapshot", key, {_SENDER.id: _SENDER}, _NOON)
    served.touch()
    return served


def _add(rows: Mapping[str, list[Row]], person: str, number: str, street: str, house: str) -> None:
    codes = {"municipality_code": "0751", "road_code": f"{int(street[3:]):04d}", "postal_code": "8000"}
    home = codes | {"short_street_name": street, "house_number": house}
    protected = {"protections": "2026-01-01/2027-01-01"} if person == "protected" else {}
    rows[PERSONS.name].append(home | {"number": number, "status": "01", "full_name": "Ann Bo"} | protected)
    changed = {"no consent": {"address_consent_withdrawn": _CHANGED}, "closed": {"closed": _CHANGED}}.get(person, {})
    rows[MAILBOXES.name].append(
        {"number": number, "opened": "2024-01-01", "address_consent_given": "2024-01-01"} | changed
    )
    for relation in ("OPTED_OUT",) if person == "opted out" else ():
        rows[RELATIONS.name].append(
            {"number": number, "sender_id": _SENDER.id, "relation": relation, "effective_time": "2026-01-01"}
        )


def _number(of_class: int, number: int) -> str:
    """A CPR number of its own for everybody, all of one day for each class."""
    return f"{of_class + 1:02d}0180{1000 + number:04d}"


def _home(of_class: int, number: int) -> tuple[str, str]:
    """A home of its own for everybody; streets and house numbers are those of all classes."""
    place = number * len(_CLASSES) + of_class
    return f"Vej{place % _STREETS + 10}", f"{place // _STREETS % 990 + 10}{'abcdefgh'[place // _STREETS // 990]}"


def _report(served: Served, each: int, batches: int, queries: int) -> Iterator[str]:
    yield "# What the time of an answer tells\n"
    yield (
        f"Intake asks about people of one class at a time, {each:,} of each, in batches of {queries:,} (the plain way: "
        f"a tenth): {batches:,} of each class in a drawn order, in process, by the processor's time of the thread, "
        "which tells more than a caller's clock would. *Chance* is how often a batch of the class takes longer than "
        "one about people whom nobody knows: 50 % where the time tells nothing. What the second class differs by "
        "from the first is the measurement's own. All answers are the same bytes. Load average "
        f"{os.getloadavg()[0]:.1f}; {describe_machine()}.\n"
    )
    ways: dict[str, Callable[..., bytes]] = {"fast": served.batches.answer, "plain": served.plain.answer}
    for name, answer in ways.items():
        for kind in _OF_KIND:
            of_way = queries if name == "fast" else max(1, queries // 10)
            taken = _measure(answer, kind, each, batches=batches, queries=of_way)
            yield f"## {name} way, {kind.name}, batches of {of_way:,}\n"
            yield "| class | µs a query | beside unknown | chance |"
            yield "| --- | ---: | ---: | ---: |"
            for of_class, times in taken.items():
                cost, known = (median(some) / of_way / 1000 for some in (times, taken[_UNKNOWN]))
                longer = _chance(times, taken[_UNKNOWN])
                yield f"| {of_class} | {cost:.3f} | {100 * (cost / known - 1):+.1f} % | {100 * longer:.0f} % |"
            yield ""


def _measure(
    answer: Callable[..., bytes], kind: Kind, each: int, *, batches: int, queries: int
) -> dict[str, list[int]]:
    """Times batches of every class in a drawn order; nanoseconds of each batch."""
    dice = random.Random(1)  # noqa: S311 - a choice of test data
    order = [of_class for of_class in _OF_KIND[kind] for _ in range(batches)]
    dice.shuffle(order)
    taken: dict[str, list[int]] = {of_class: [] for of_class in _OF_KIND[kind]}
    # All queries have one reference: answers that are the same have the same bytes.
    told = {answer(_request(dice, kind, one, each, queries), _NOON, role=Role.INTAKE) for one in order[:50]}
    assert len(told) == 1
    gc.collect()
    gc.disable()
    for of_class in order:
        request = _request(dice, kind, of_class, each, queries)
        started = time.thread_time_ns()
        answer(request, _NOON, role=Role.INTAKE)
        taken[of_class].append(time.thread_time_ns() - started)
    gc.enable()
    return taken


def _request(dice: random.Random, kind: Kind, of_class: str, each: int, queries: int) -> bytes:
    number = _CLASSES.index(of_class)
    people = [dice.randrange(each) for _ in range(queries)]
    return ResolveBatchRequest(
        sender_id=_SENDER.id, queries=[_query(kind, number, person) for person in people]
    ).SerializeToString()


def _query(kind: Kind, of_class: int, person: int) -> Query:
    if kind is Kind.CPR:
        return Query(reference="r", kind=Wire.KIND_CPR, number=_number(of_class, person))
    street, house = _home(of_class, person)
    return Query(
        reference="r",
        kind=Wire.KIND_FULL_NAME,
        full_name="Ann Bo",
        street_name=street,
        house_number=house,
        postal_code="8000",
    )


def _chance(times: Sequence[int], others: Sequence[int]) -> float:
    """How often one of the first is longer than one of the others."""
    return sum((one > other) + (one == other) / 2 for one in times for other in others) / len(times) / len(others)


if __name__ == "__main__":
    main()
