#!/usr/bin/env python3
"""What the log of changes costs, beside the syncing of a page, and what is left of it after kills and flipped bytes."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import click
from google.protobuf.timestamp_pb2 import Timestamp

from machine import describe_machine
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.keys import KeyRing, MasterKey
from resolver_grpc.program import one_line_errors
from resolver_grpc.v1 import change_pb2 as pb
from rounds import compare, take_in_turn
from syncs import append_pages, overwrite_pages

_RING = KeyRing(MasterKey(b"bench" + bytes(27)))
_GROUP = 1_000
_ONES = 200
_PERSON = pb.Person(
    status="01",
    full_name="Anne-Marie Elkjær Sørensen",
    municipality_code="0101",
    road_code="0728",
    short_street_name="Borgm Christiansensg",
    house_number="45B",
    floor="3",
    door="th",
    postal_code="2450",
)


def make_entry(number: int) -> Entry:
    """An entry of the usual mix: of ten changes two consents, two logins, three relations, two moves, a verification.

    Who consents, claims or moves has the keys of a number and of an address in two forms with the names, or of an
    e-mail address; the others have that of the number.
    """
    change = pb.Change(
        change_id=f"feed-{number:012}", number="0101801239", effective_time=Timestamp(seconds=1_793_534_400)
    )
    keys = 1
    match number % 10:
        case 0 | 1:
            consent = pb.AddressConsentGiven(person=_PERSON, evidence_reference=f"archive/{number}")
            change.address_consent_given.CopyFrom(consent)
            keys = 7
        case 2 | 3:
            change.logged_in.SetInParent()
        case 4 | 5 | 6:
            change.subscribed.sender_id = "nordkraft"
        case 7 | 8:
            change.moved.person.CopyFrom(_PERSON)
            keys = 7
        case _:
            change.email_verified.email_address = f"anne{number}@post.dk"
            keys = 2
    return Entry(change.change_id, change.SerializeToString(), tuple(os.urandom(16) for _ in range(keys)))


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--changes", type=click.IntRange(min=1), default=200_000, show_default=True, help="Appended in bulk.")
@click.option("--rounds", default=9, show_default=True, help="Of closed loops, each beside syncs of a page.")
@click.option("--kills", default=300, show_default=True)
@click.option("--flips", default=300, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Markdown file for the result.")
@click.option("--append-to", type=click.Path(path_type=Path), hidden=True)
@click.option("--first", default=0, hidden=True)
@one_line_errors()
def main(
    *, changes: int, rounds: int, kills: int, flips: int, out: Path | None, append_to: Path | None, first: int
) -> None:
    """Measures, kills and flips; or, as the process that is killed, appends."""
    if append_to:
        append_until_killed(append_to, first)
    lines = ["# The log of changes\n", f"{describe_machine()}.\n"]
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        lines += [f"- {line}" for line in _measure(folder, changes, rounds)]
        lines.append(f"- {_kill(folder, kills)}")
        lines.append(f"- {_flip(folder, flips)}")
    text = "\n".join(lines) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _measure(folder: Path, changes: int, rounds: int) -> Iterator[str]:
    path = folder / "bulk"
    with ChangeLog(path, _RING) as log:
        spent = 0.0
        for first in range(0, changes, _GROUP):
            group = [make_entry(number) for number in range(first, min(first + _GROUP, changes))]
            start = time.perf_counter()
            log.append(group)
            spent += time.perf_counter() - start
        size = path.stat().st_size
        yield f"in bulk, groups of {_GROUP:,}: {changes / spent:,.0f} changes/s; {size / changes:.0f} bytes each"
        start = time.perf_counter()
        read = sum(1 for _ in log.read_from(1))
        yield f"read and deciphered: {(time.perf_counter() - start) / read * 1e6:.1f} µs each"
        start = time.perf_counter()
        for _ in range(10_000):
            log.last_sequence()
        yield f"the last sequence: {(time.perf_counter() - start) / 10_000 * 1e6:.1f} µs"
        loops = take_in_turn(
            {
                "a page overwritten": partial(overwrite_pages, folder / "overwritten", _ONES),
                "a page appended": partial(append_pages, folder / "appended", _ONES),
                "a change": partial(_append_ones, log, itertools.count(changes)),
            },
            rounds,
        )
    start = time.perf_counter()
    ChangeLog(path, _RING).close()
    yield f"opened, with the walk through all of it: {time.perf_counter() - start:.2f} s"
    ones = loops.pop("a change")
    beside = " and ".join(
        f"{compare(ones, pages)} times the {median(pages):,.0f} of {name}" for name, pages in loops.items()
    )
    yield f"closed loop, one at a time, synced: {median(ones):,.0f} a second, {beside} in the same rounds"


def _append_ones(log: ChangeLog, numbers: Iterator[int]) -> float:
    entries = [make_entry(number) for number in itertools.islice(numbers, _ONES)]
    start = time.perf_counter()
    for entry in entries:
        log.append([entry])
    return _ONES / (time.perf_counter() - start)


def append_until_killed(path: Path, first: int) -> None:
    """Appends groups of one to seven, and tells the last number and sequence of each once it is acknowledged."""
    with ChangeLog(path, _RING) as log:
        number = first
        while True:
            numbers = range(number, number + 1 + number % 7)
            sequences = log.append([make_entry(one) for one in numbers])
            told = "".join(f"{one} {sequence}\n" for one, sequence in zip(numbers, sequences, strict=True))
            os.write(sys.stdout.fileno(), told.encode())
            number = numbers[-1] + 1


def _kill(folder: Path, kills: int) -> str:
    path, dice = folder / "killed", random.Random(26)  # noqa: S311 - a choice of instants
    told: dict[int, int] = {}
    for start in range(kills):
        words = [sys.executable, __file__, "--append-to", str(path), "--first", str(start * 1_000_000)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
            time.sleep(0.35 + dice.uniform(0, 0.4))
            writer.kill()
            lines = writer.communicate()[0].split(b"\n")[:-1]
        told |= {int(sequence): int(number) for number, sequence in (line.split() for line in lines)}
    with ChangeLog(path, _RING) as log:
        ids = {read.sequence: pb.Change.FromString(read.content).change_id for read in log.read_from(1)}
    lost = sum(ids.get(sequence) != f"feed-{number:012}" for sequence, number in told.items())
    return f"{kills} kills: {len(told):,} changes acknowledged, {lost} of them lost, {len(ids):,} kept"


def _flip(folder: Path, flips: int) -> str:
    path, dice = folder / "flipped", random.Random(27)  # noqa: S311 - a choice of places
    with ChangeLog(path, _RING) as log:
        for first in range(0, 400, 20):
            log.append([make_entry(number) for number in range(first, first + 20)])
        sound = list(log.read_from(1))
    whole, refused, wrong = path.read_bytes(), 0, 0
    for _ in range(flips):
        place = dice.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes((whole[place] ^ (1 << dice.randrange(8)),)) + whole[place + 1 :])
        try:
            with ChangeLog(path, _RING) as log:
                wrong += list(log.read_from(1)) != sound
        except ChangeLogError:
            refused += 1
    return f"{flips} flipped bits: {refused} refused, {flips - refused - wrong} without effect, {wrong} read wrongly"


if __name__ == "__main__":
    main()
