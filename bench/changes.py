#!/usr/bin/env python3
"""What changes cost between two snapshots: taken, followed, kept, read again at a start; and resolving after them."""

from __future__ import annotations

import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import click

from change_mix import Persons, draw_changes
from machine import describe_machine
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.changes.compiled import afters_in
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry, Read, read_entry
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.refusing import refusal
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.keys import KeyRing, MasterKey
from resolver_grpc.program import one_line_errors
from resolver_grpc.resolve import Resolver
from resolver_grpc.rows.cells import Span
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.fast_batches import FastBatches
from resolver_grpc.server.judging import Draft, judge_group, read_sent
from resolver_grpc.server.overlaid import Overlaid
from resolver_grpc.v1 import change_pb2 as pb
from rounds import compare, micros, table, take_in_turn
from serving import Site
from sites import Opened, find_site, opening
from vitals import read_vitals

_BATCH, _HIT_RATE, _GROUP = 1_000, 0.8, 1_000
_MILLION = 1_000_000
_MICROS = 1e6
_RING = KeyRing(MasterKey(b"bench" + bytes(27)))
_NONE, _CHANGED, _CHANGING = "no changes", "all changes", "all changes, and one more before each batch"
_EXISTING = click.Path(path_type=Path, exists=True)


class Costs(NamedTuple):
    """What changes cost.

    Attributes:
        judged: microseconds a change of reading, judging and working out what it comes to, by who takes it.
        read: microseconds a change of reading it from the log and deciphering it.
        followed: microseconds a change of laying it over the snapshot, by who follows the log.
        worked_out: the share that who follows had to work out, for they may touch others.
        start: microseconds a change of reading and laying all over the snapshot before anything was asked.
        size: bytes of memory a change, after that.
        whole: the same of a worker that takes changes, too.
        refused: how many were refused.
        taken: how many were taken.
    """

    judged: float
    read: float
    followed: float
    worked_out: float
    start: float
    size: float
    whole: float
    refused: int
    taken: int


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100, max=20_000_000), default=20_000, show_default=True)
@click.option("--changes", type=click.IntRange(min=20), help="How many; a fifth of the mailboxes where not said.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--messages", type=click.IntRange(min=1), default=20, show_default=True, help="Of 1,000 queries each.")
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True, help="The first is left out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="For the tables.")
@one_line_errors()
def main(
    *,
    mailboxes: int,
    changes: int | None,
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    messages: int,
    rounds: int,
    out: Path | None,
) -> None:
    """Measures what the usual mix of changes costs over a country's snapshot.

    \b
    Examples:
      bench/changes.py --mailboxes 200000
      bench/changes.py --mailboxes 5000000 --changes 1000000 --snapshot snapshot --keys index.key
    """
    count = changes or mailboxes // 5
    with tempfile.TemporaryDirectory(prefix="bench-changes-", dir=".") as folder:
        site = find_site(mailboxes, seed, Path(folder), snapshot, keys)
        path = Path(folder, "changes.log")
        # In a process of its own: what it leaves in memory is not to be counted.
        with ProcessPoolExecutor(1, get_context("spawn")) as another:
            judged, refused = another.submit(append_changes, site, path, count, seed).result()
        with opening(site) as opened, ChangeLog(path, _RING) as log:
            overlay, costs = follow_log(opened, log, judged, refused)
            asked = encode_requests(
                make_country(mailboxes, seed), "mix", batch=_BATCH, count=messages, hit_rate=_HIT_RATE, seed=seed
            )
            taken = resolve_in_turn(opened, overlay, asked, rounds)
            text = "\n".join(_report(mailboxes, costs, taken)) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def new_overlay(opened: Opened) -> Overlay:
    """An overlay without changes."""
    served = opened.served
    window = Span(served.valid_from, served.horizon)
    return Overlay(served.snapshot.index, opened.keys, window, bytes.fromhex(served.snapshot.manifest.snapshot_id))


def asked_overlay(opened: Opened) -> Overlay:
    """The same, once something was asked."""
    overlay = new_overlay(opened)
    OverlaidIndex(overlay).facts_at(opened.instant)
    return overlay


def append_changes(site: Site, path: Path, count: int, seed: int) -> tuple[float, int]:
    """Takes changes and writes them to a log; gives the microseconds of judging each, and how many were refused."""
    with opening(site) as opened, ChangeLog(path, _RING) as log:
        served, spent, refused = opened.served, 0.0, 0
        overlaid = Overlaid(log, served.snapshot, opened.keys, Span(served.valid_from, served.horizon))
        overlaid.index.facts_at(opened.instant)
        changes = draw_changes(Persons(served.snapshot.index), count, opened.instant, seed)
        while messages := list(itertools.islice(changes, _GROUP)):
            started = time.thread_time()
            sent = [read_sent(message, opened.instant) for message in messages]
            judged = judge_group(sent, [None] * len(sent), Draft(overlaid))
            entries = [one for one in judged if isinstance(one, Entry)]
            spent += time.thread_time() - started
            refused += len(messages) - len(entries)
            log.append(entries)
            overlaid.replay()
    return spent / count * _MICROS, refused


def judge(overlay: Overlay, opened: Opened, message: pb.Change) -> Entry | None:
    """Takes a change by itself; None of one that is refused."""
    change = parse_change(message)
    before = overlay.state(change.number)
    if refusal(before, change):
        return None
    state = apply_change(before, change)
    keys = keys_of(state, opened.keys)
    entry = Entry(change.change_id, message.SerializeToString(), keys, overlay.after(change, state, keys))
    follow(overlay, Read(0, entry.content, entry.keys, entry.after))
    return entry


def follow(overlay: Overlay, read: Read) -> bool:
    """Lays a change over the snapshot; tells whether it had to be worked out."""
    if overlay.follow(read.after):
        return False
    overlay.take(parse_change(pb.Change.FromString(read.content)), read.keys)
    return True


def follow_log(opened: Opened, log: ChangeLog, judged: float, refused: int) -> tuple[Overlay, Costs]:
    """Starts with a whole log, as a server does; then follows it, as one does that answers meanwhile."""
    gc.collect()
    before = read_vitals(os.getpid()).anonymous
    overlay = new_overlay(opened)
    started = time.thread_time()
    for plains in _opened(log):
        follow_many(overlay, plains)
    OverlaidIndex(overlay).facts_at(opened.instant)
    start = time.thread_time() - started
    gc.collect()
    size = read_vitals(os.getpid()).anonymous - before
    # The order of the snapshot's own facts, which is made when a change is to be judged.
    opened.served.snapshot.index.spans_of(0)
    gc.collect()
    whole = read_vitals(os.getpid()).anonymous - before
    taken = overlay.version
    reading, following, worked_out = _follow(log, asked_overlay(opened))
    costs = [seconds / taken * _MICROS for seconds in (reading, following, start)]
    return overlay, Costs(
        judged, costs[0], costs[1], worked_out / taken, costs[2], size / taken, whole / taken, refused, taken
    )


def follow_many(overlay: Overlay, plains: list[bytes]) -> int:
    """Lays changes over the snapshot as a worker does; tells how many had to be worked out."""
    afters, place, worked_out = afters_in(plains), 0, 0
    while place < len(plains):
        place += overlay.follow_many(afters, place)
        if place < len(plains):
            worked_out += follow(overlay, read_entry(0, plains[place]))
            place += 1
    return worked_out


def _opened(log: ChangeLog) -> Iterator[list[bytes]]:
    """Deciphers a whole log."""
    sequence = 1
    while plains := log.open_some(sequence, _GROUP):
        yield plains
        sequence += len(plains)


def _follow(log: ChangeLog, overlay: Overlay) -> tuple[float, float, int]:
    """The seconds of reading and of following a whole log, and how many changes had to be worked out."""
    opened, reading, following, worked_out = _opened(log), 0.0, 0.0, 0
    while True:
        started = time.thread_time()
        some = next(opened, None)
        read = time.thread_time()
        if not some:
            return reading, following, worked_out
        worked_out += follow_many(overlay, some)
        reading, following = reading + read - started, following + time.thread_time() - read


def resolve_in_turn(opened: Opened, overlay: Overlay, asked: Sequence[bytes], rounds: int) -> dict[str, list[float]]:
    """Microseconds a query, round by round, without changes and with them."""
    changed = answering(opened, overlay)
    more = draw_changes(Persons(opened.served.snapshot.index), len(asked) * (rounds + 1), opened.instant, seed=9)

    def one_more() -> None:
        judge(overlay, opened, next(more))

    measures = {
        _NONE: partial(_micros, opened.fast, asked, opened.instant, lambda: None),
        _CHANGED: partial(_micros, changed, asked, opened.instant, lambda: None),
        _CHANGING: partial(_micros, changed, asked, opened.instant, one_more),
    }
    return take_in_turn(measures, rounds)


def answering(opened: Opened, overlay: Overlay) -> FastBatches:
    """The fast way over the snapshot with changes laid over it."""
    served, overlaid, handles = opened.served, OverlaidIndex(overlay), opened.fast.way.handles
    resolver = Resolver(overlaid, opened.keys, served.valid_from, handles)
    plain = Batches(resolver, served.snapshot.manifest, opened.fast.senders, served.horizon, opened.instant)
    return FastBatches(plain, FastWay(opened.kernel, served.snapshot.index, opened.keys, handles, overlaid))


def _micros(fast: FastBatches, asked: Sequence[bytes], instant: int, before: Callable[[], None]) -> float:
    """Microseconds a query, of messages of so many each; what comes before each of them is not counted."""
    spent = 0.0
    for message in asked:
        before()
        spent += micros(partial(fast.answer, message, instant), _BATCH)
    return spent / len(asked)


def _report(mailboxes: int, costs: Costs, taken: dict[str, list[float]]) -> Iterator[str]:
    yield "# What changes cost between two snapshots\n"
    yield (
        f"{mailboxes:,} mailboxes, {costs.taken:,} changes of the usual mix, nearly each its owner's first; "
        f"{costs.refused:,} more were refused, for they need the register's record. Processor time of one thread, at a "
        f"load average of {os.getloadavg()[0]:.1f}; {describe_machine()}.\n"
    )
    yield from table(
        ["of each change", "", "target"],
        [
            ["read, judged and worked out, by who takes it", f"{costs.judged:.0f} µs", ""],
            ["read from the log and deciphered", f"{costs.read:.1f} µs", ""],
            ["laid over the snapshot, by who follows", f"{costs.followed:.1f} µs", ""],
            ["both: in a worker that follows the log", f"{costs.read + costs.followed:.1f} µs", "50 µs"],
            ["at a start, both, and the first sets", f"{costs.start:.1f} µs", ""],
            ["at this rate, a start with a million", f"{costs.start * _MILLION / _MICROS:.0f} s", "10 s"],
            ["memory of a worker that follows", f"{costs.size:.0f} bytes", "400 bytes"],
            ["memory of one that takes changes, too", f"{costs.whole:.0f} bytes", "400 bytes"],
        ],
    )
    yield f"Of {costs.worked_out:.0%} who follows worked out what they come to: they may touch others.\n"
    none = taken[_NONE]
    rows = [
        [name, f"{sorted(each)[len(each) // 2]:.2f}", "" if name == _NONE else str(compare(each, none))]
        for name, each in taken.items()
    ]
    yield from table(["resolving, batches of a mix", "µs a query", "times that without changes"], rows)
    yield f"Medians of {len(none)} rounds after a first, in turn; in brackets single rounds. The target is 1.25."


if __name__ == "__main__":
    main()
