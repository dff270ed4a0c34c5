#!/usr/bin/env python3
"""What a query costs in process: bytes of a request in, bytes of the response out, by way of asking and by stage."""

from __future__ import annotations

import gc
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from contest import Contender, check_equal
from machine import describe_machine
from messages import check_answer
from nation.requests import KINDS, encode_requests
from nation.world import make_country
from plots import plot_stages
from resolver_grpc.program import one_line_errors
from rounds import medians, micros, take_in_turn
from sites import Opened, find_site, opening
from stages import STAGES, Passes, Staging, count_left, stages_of

_BATCH, _HIT_RATE = 1_000, 0.8
_ALONE_FOR_EACH_MESSAGE, _ALONE_PLAINLY = 100, 1_000
_STAGED = ("full_name", "mix")
_STAGE_ROUNDS = 2
"""So many times the rounds: a stage is a difference of passes, and small beside them."""
_FAST, _FAST_ALONE, _FIRST = "fast way", "fast way, alone", "fast way, words never seen"
_PLAIN, _PLAIN_ALONE = "plain way", "plain way, alone"
_COLUMNS = (_FAST, _FAST_ALONE, _FIRST, _PLAIN, _PLAIN_ALONE)
_EXISTING = click.Path(path_type=Path, exists=True)


class Asked(NamedTuple):
    """Messages of one way of asking: of 1,000 queries each, and of one each."""

    batches: Sequence[bytes]
    alone: Sequence[bytes]


class Measured(NamedTuple):
    """What came out, in microseconds a query.

    Attributes:
        costs: by way of asking and column.
        left: by way of asking, the share of queries that the kernel left to the plain way.
        stages: by way of asking and stage.
    """

    costs: dict[tuple[str, str], float]
    left: dict[str, float]
    stages: dict[str, dict[str, float]]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100, max=20_000_000), default=200_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--messages", type=click.IntRange(min=1), default=40, show_default=True, help="Of 1,000 queries each.")
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True, help="The first is left out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="For the tables; the plot comes beside.")
@one_line_errors()
def main(
    *,
    mailboxes: int,
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    messages: int,
    rounds: int,
    out: Path | None,
) -> None:
    """Measures each way of asking, the fast way and the plain way, and the fast way's stages.

    \b
    Examples:
      bench/resolve.py --out bench/results/resolve.md
      bench/resolve.py --mailboxes 5000000 --snapshot snapshot --keys index.key
    """
    with tempfile.TemporaryDirectory(prefix="bench-resolve-") as folder:
        site = find_site(mailboxes, seed, Path(folder), snapshot, keys)
        with opening(site) as opened:
            asked = _ask(mailboxes, seed, messages)
            measured = _measure(opened, asked, rounds)
            text = "\n".join(_report(opened, mailboxes, messages, rounds, measured)) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
        plot_stages(out.with_suffix(".png"), f"Cost by stage, {mailboxes:,} mailboxes", measured.stages)


def _ask(mailboxes: int, seed: int, messages: int) -> dict[str, Asked]:
    country = make_country(mailboxes, seed)
    encode = partial(encode_requests, country, hit_rate=_HIT_RATE, seed=seed)
    return {
        kind: Asked(
            encode(kind, batch=_BATCH, count=messages),
            encode(kind, batch=1, count=messages * _ALONE_FOR_EACH_MESSAGE),
        )
        for kind in KINDS
    }


def _measure(opened: Opened, asked: Mapping[str, Asked], rounds: int) -> Measured:
    fast = opened.fast
    staging = Staging(opened.kernel, opened.served.snapshot.index, opened.keys, opened.judge(fast.way))
    for one in asked.values():
        _check(opened, one.batches[0])
    left = {kind: _share_left(opened, staging, one.batches) for kind, one in asked.items()}
    gc.collect()
    gc.freeze()
    works = {(kind, column): work for kind, one in asked.items() for column, work in _works(opened, one).items()}
    passes = {
        (kind, name): work
        for kind in _STAGED
        for name, work in staging.works(fast, asked[kind].batches, opened.instant).items()
    }
    taken = medians(take_in_turn(passes, _STAGE_ROUNDS * rounds - 1))
    stages = {kind: stages_of(Passes(**{name: taken[kind, name] for name in Passes._fields})) for kind in _STAGED}
    return Measured(medians(take_in_turn(works, rounds - 1)), left, stages)


def _works(opened: Opened, asked: Asked) -> Mapping[str, Callable[[], float]]:
    fast = partial(opened.fast.answer, instant=opened.instant)
    plain = partial(opened.fast.plain.answer, instant=opened.instant)
    unmet = itertools.cycle(asked.batches)
    return {
        _FAST: partial(_micros, fast, asked.batches, _BATCH),
        _FAST_ALONE: partial(_micros, fast, asked.alone, 1),
        _FIRST: lambda: _micros(partial(opened.fresh().answer, instant=opened.instant), [next(unmet)], _BATCH),
        _PLAIN: partial(_micros, plain, asked.batches[:1], _BATCH),
        _PLAIN_ALONE: partial(_micros, plain, asked.alone[:_ALONE_PLAINLY], 1),
    }


def _micros(answer: Callable[[bytes], bytes], messages: Sequence[bytes], size: int) -> float:
    """Microseconds a query, of messages of so many each."""

    def work() -> None:
        for message in messages:
            answer(message)

    return micros(work, len(messages) * size)


def _check(opened: Opened, message: bytes) -> None:
    """Holds the fast way's answer against the plain way's, and both against what is known of the country.

    Raises:
        MismatchedResponseError: they differ, or the snapshot is another country's.
    """
    contenders = [
        Contender(_FAST, partial(opened.fast.answer, instant=opened.instant)),
        Contender(_PLAIN, partial(opened.fast.plain.answer, instant=opened.instant)),
    ]
    (response,) = check_equal(contenders, [message])
    check_answer(message, response)


def _share_left(opened: Opened, staging: Staging, messages: Sequence[bytes]) -> float:
    """What share of queries is left to the plain way once their posting lists are known."""
    lefts = [[count_left(opened.fast.way, staging.judge, message) for message in messages] for _ in range(2)]
    return sum(lefts[-1]) / (len(messages) * _BATCH)


def _report(opened: Opened, mailboxes: int, messages: int, rounds: int, measured: Measured) -> Iterator[str]:
    manifest = opened.served.snapshot.manifest
    yield "# What a query costs, in process\n"
    yield (
        f"Bytes in, bytes out, one thread. {mailboxes:,} mailboxes, {manifest.counts['keys']:,} keys, snapshot "
        f"{manifest.snapshot_id}; {_HIT_RATE:.0%} of each way of asking are hits. Processor time of the thread, "
        f"medians of {rounds - 1} rounds after a first, of the stages {_STAGE_ROUNDS * rounds - 1}, all measured in "
        f"turn, at a load average of {os.getloadavg()[0]:.1f}; {describe_machine()}.\n"
    )
    yield "## By way of asking\n"
    yield f"| µs a query | {' | '.join(_COLUMNS)} | plain way, times the fast way | left to the plain way |"
    yield f"| --- |{' ---: |' * (len(_COLUMNS) + 2)}"
    for kind in KINDS:
        costs = [measured.costs[kind, column] for column in _COLUMNS]
        ratio = measured.costs[kind, _PLAIN] / measured.costs[kind, _FAST]
        row = [*(f"{cost:.2f}" for cost in costs), f"{ratio:.0f}", f"{measured.left[kind]:.1%}"]
        yield f"| {kind} | {' | '.join(row)} |"
    yield (
        f"\nBatches of {_BATCH:,}, {messages:,} different ones the fast way, one the plain way; *alone*: batches of "
        f"one, {messages * _ALONE_FOR_EACH_MESSAGE:,} and at most {_ALONE_PLAINLY:,} of them. *Words never seen*: one "
        "batch by a kernel whose memories are empty. What is *left to the plain way* once a query was asked before "
        "takes it within a batch of the fast way; of one-line addresses that is all.\n"
    )
    yield from _report_stages(measured.stages)


def _report_stages(stages: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "## By stage, the fast way in batches\n"
    yield f"| stage, µs a query | {' | '.join(stages)} | what it is |"
    yield f"| --- |{' ---: |' * len(stages)} --- |"
    for stage, about in STAGES.items():
        yield f"| {stage} | {' | '.join(f'{costs[stage]:.3f}' for costs in stages.values())} | {about} |"
    wholes = " | ".join(f"{sum(costs.values()):.3f}" for costs in stages.values())
    yield f"| all | {wholes} | bytes in, bytes out |"
    yield (
        "\nEach stage is the difference of two passes over the same messages, of which one stops sooner, and so all "
        "add up to the whole. A pass that stops before the pages finds nobody; what a hit costs more than a miss "
        "before it is written stands with the pages.\n"
    )


if __name__ == "__main__":
    main()
