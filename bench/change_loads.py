"""Changes sent to a real server: many at once, and one after the other.

What belongs here: what each of the two is measured by. How it is sent is ``registrars.py``'s.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import NamedTuple

from loading import run_on_loop
from processes import cpu_seconds
from registrars import Office, Taking, apply_over, connected, exchange, sequences_of
from rounds import compare, table, take_in_turn
from syncs import append_pages, overwrite_pages

_STREAMS, _IN_FLIGHT = 4, 2
"""Streams, and messages under way on each: more changes than the server writes together, so that it never waits."""
_MICROS = 1e6

_BULK_TARGET, _LEAST_OF_SYNCS = 20_000, 0.5
_OVERWRITTEN, _APPENDED = "a page overwritten, fdatasync", "a page appended, fsync"


class Server(NamedTuple):
    """How a server is started."""

    workers: int
    guarded: bool = False

    def __str__(self) -> str:
        words = "one worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{words}, guarded" if self.guarded else words


SERVERS = (Server(1), Server(2), Server(1, guarded=True))


class Bulk(NamedTuple):
    """What a measurement of changes in bulk came to.

    Attributes:
        per_second: changes that were taken, a second.
        server_us: microseconds of the server's processor time, of all its processes, for each change.
        client_us: the same of this program's.
        refused: how many were not taken.
    """

    per_second: float
    server_us: float
    client_us: float
    refused: int


class _Spent(NamedTuple):
    """Seconds: of the clock, of the processors by the server, and by this program."""

    clock: float
    server: float
    client: float


def take_bulk(office: Office, messages: Sequence[bytes], server: Server) -> Bulk:
    """Sends messages to a server that has taken no change before.

    Raises:
        ConfigurationError: not all were answered.
    """
    with office.taking(office.new_log(), workers=server.workers, guarded=server.guarded) as taking:
        spent, responses = run_on_loop(_send_all(taking, messages, _STREAMS // server.workers))
    sequences = [one for response in responses for one in sequences_of(response).values()]
    taken = sum(map(bool, sequences))
    server_us, client_us = (seconds / len(sequences) * _MICROS for seconds in (spent.server, spent.client))
    return Bulk(taken / spent.clock, server_us, client_us, len(sequences) - taken)


async def _send_all(taking: Taking, messages: Sequence[bytes], streams: int) -> tuple[_Spent, list[bytes]]:
    """Sends over so many streams to each worker; gives what was spent, and the responses."""
    following, responses = iter(messages), list[bytes]()
    async with connected(taking.running, streams) as channels:
        calls = [apply_over(channel, taking.registrar) for channel in itertools.chain(*channels)]
        # The client's own pauses would be taken for the server's.
        gc.collect()
        gc.freeze()
        before = _look(taking)
        await asyncio.gather(*(exchange(call, following, _IN_FLIGHT, responses.append) for call in calls))
        spent = _Spent(*(late - early for late, early in zip(_look(taking), before, strict=True)))
    return spent, responses


def _look(taking: Taking) -> _Spent:
    return _Spent(time.perf_counter(), cpu_seconds(taking.running.pid), time.process_time())


def take_one_by_one(taking: Taking, messages: Sequence[bytes]) -> float:
    """Sends messages of one change, each once the former one is acknowledged; gives changes taken a second.

    Raises:
        ConfigurationError: not all were answered.
    """
    seconds, responses = run_on_loop(_send_in_turn(taking, messages))
    return sum(map(any, map(dict.values, map(sequences_of, responses)))) / seconds


async def _send_in_turn(taking: Taking, messages: Sequence[bytes]) -> tuple[float, list[bytes]]:
    responses = list[bytes]()
    async with connected(taking.running, 1) as channels:
        call = apply_over(channels[0][0], taking.registrar)
        gc.collect()
        gc.freeze()
        started = time.perf_counter()
        await exchange(call, iter(messages), 1, responses.append)
        return time.perf_counter() - started, responses


def in_bulk(office: Office, messages: Sequence[bytes], rounds: int) -> Iterator[str]:
    """Measures changes in bulk; yields the lines of a report."""
    yield (
        f"Messages of up to 1,000 changes, encoded beforehand, over {_STREAMS} streams, each a connection of its own, "
        f"with {_IN_FLIGHT} messages under way on each; each time a server of its own on an empty log. The client "
        "shares the processors with it. In brackets the lowest and the highest of a single round.\n"
    )
    taken = take_in_turn({server: partial(take_bulk, office, messages, server) for server in SERVERS}, rounds)
    rows = [
        [
            str(server),
            _spread([one.per_second for one in each]),
            f"{_BULK_TARGET:,}",
            *(f"{median(getattr(one, name) for one in each):.0f} µs" for name in ("server_us", "client_us")),
            f"{each[0].refused:,}",
        ]
        for server, each in taken.items()
    ]
    head = ("", "changes/s", "target", "server CPU a change", "client CPU a change", "refused")
    yield from table(head, rows)


def one_by_one(office: Office, messages: Sequence[bytes], rounds: int) -> Iterator[str]:
    """Measures changes one at a time, beside the syncs of a page; yields the lines of a report."""
    count = len(messages) // (rounds + 1)
    yield (
        f"Messages of one change over one stream, each sent once the former is acknowledged, {count} of them a "
        "measurement; in turn with as many pages that are written and synced one by one, in a file beside the "
        "logs. In brackets single rounds.\n"
    )
    with ExitStack() as ends:
        measures: dict[str, Callable[[], float]] = {
            _OVERWRITTEN: partial(overwrite_pages, office.folder / "overwritten", count),
            _APPENDED: partial(append_pages, office.folder / "appended", count),
        }
        for server in SERVERS:
            taking = ends.enter_context(office.taking(office.new_log(), workers=server.workers, guarded=server.guarded))
            measures[f"a change, {server}"] = _taking_some(taking, messages, count)
        taken = take_in_turn(measures, rounds)
    yield from _closed_table(taken)


def _taking_some(taking: Taking, messages: Sequence[bytes], count: int) -> Callable[[], float]:
    """Sends the next so many messages whenever it is called."""
    firsts = itertools.count(0, count)

    def take() -> float:
        first = next(firsts)
        return take_one_by_one(taking, messages[first : first + count])

    return take


def _closed_table(taken: Mapping[str, Sequence[float]]) -> Iterator[str]:
    pages = {name: taken[name] for name in (_OVERWRITTEN, _APPENDED)}
    rows = []
    for name, each in taken.items():
        ratios = ["", ""] if name in pages else [str(compare(each, beside)) for beside in pages.values()]
        rows.append([name, _spread(each), *ratios, "" if name in pages else f"{_LEAST_OF_SYNCS}"])
    yield from table(("", "a second", "times pages overwritten", "times pages appended", "target"), rows)


def _spread(figures: Sequence[float]) -> str:
    return f"{median(figures):,.0f} ({min(figures):,.0f} to {max(figures):,.0f})"
