#!/usr/bin/env python3
"""A server under clients that misbehave, for a long time: whether its memory, files and threads stay what they are."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple

import click

from machine import describe_machine
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from rounds import table
from serving import Running, Site, serving
from sites import find_site
from soaking import WRONG, Soak
from trend import Trend, after_warm_up, find_trend
from vitals import Vitals, add_up, read_vitals, workers_of

_KIB, _MIB, _MINUTE = 2**10, 2**20, 60.0
_HIT_RATE, _SINGLES, _BATCH, _BATCHES = 0.8, 2_000, 1_000, 100
_SECONDS_TO_SETTLE = 3.0
_EXISTING = click.Path(path_type=Path, exists=True)


class Seen(NamedTuple):
    """What the server held, so many seconds after the load began."""

    seconds: float
    vitals: Vitals


class Soaked(NamedTuple):
    """What came of a run.

    Attributes:
        before: what the server held before it.
        during: the same again and again.
        after: once all clients were gone.
        outcomes: what became of the calls.
        complaints: warnings and errors that the server logged.
    """

    before: Vitals
    during: list[Seen]
    after: Vitals
    outcomes: Counter[str]
    complaints: Sequence[str]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True, help="Of load."
)
@click.option("--every", type=click.FloatRange(min=0.02), default=5.0, show_default=True, help="Seconds between looks.")
@click.option("--mailboxes", type=click.IntRange(min=100), default=5_000_000, show_default=True, help="Of the country.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What country and chance follow from."
)
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that serve.")
@click.option("--callers", type=click.IntRange(min=1), default=4, show_default=True, help="Connections, of each sort.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="For the report; its plot comes beside it."
)
@one_line_errors()
def main(  # noqa: PLR0917 - every option is an argument
    minutes: float,
    every: float,
    mailboxes: int,
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    workers: int,
    callers: int,
    out: Path | None,
) -> None:
    """Sends calls of which a share is cancelled, left half-read or cut off, and looks at the server meanwhile.

    Ends with exit code 2 where an answer was wrong.

    \b
    Examples:
      bench/soak.py --out bench/results/soak.md
      bench/soak.py --mailboxes 20000 --minutes 1 --every 1
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        site = find_site(mailboxes, seed, Path(name), snapshot, keys)
        soak = _make_soak(mailboxes, seed, minutes * _MINUTE, callers)
        with ExitStack() as ends:
            server = ends.enter_context(serving(site, ("--workers", str(workers))))
            soaked = _run(server, soak, every)
        text = "\n".join(_report(site, mailboxes, workers, soak, soaked))
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
        _plot(soaked.during, out.with_suffix(".png"))
    if wrong := soaked.outcomes[WRONG]:
        raise MismatchedResponseError(
            f"{wrong} answers were wrong; serve the snapshot of the country that is asked for"
        )


def _make_soak(mailboxes: int, seed: int, seconds: float, callers: int) -> Soak:
    country = make_country(mailboxes, seed)
    singles, batches = (
        encode_requests(country, "mix_with_lines", batch=batch, count=count, hit_rate=_HIT_RATE, seed=seed)
        for batch, count in ((1, _SINGLES), (_BATCH, _BATCHES))
    )
    return Soak(singles, batches, seconds, callers, Random(seed))  # noqa: S311 - chance, not secrecy


def _run(server: Running, soak: Soak, every: float) -> Soaked:
    during: list[Seen] = []
    begun = time.monotonic()

    async def watch() -> None:
        while True:
            await asyncio.sleep(every)
            during.append(Seen(time.monotonic() - begun, _look(server.pid)))

    before = _look(server.pid)
    gc.collect()
    gc.freeze()
    asyncio.run(soak.run(server.address, watch))
    # What the last clients left behind is to be gone by then.
    time.sleep(min(_SECONDS_TO_SETTLE, soak.seconds))
    return Soaked(before, during, _look(server.pid), soak.outcomes, tuple(server.complaints))


def _look(pid: int) -> Vitals:
    return add_up(map(read_vitals, workers_of(pid)))


def _report(site: Site, mailboxes: int, workers: int, soak: Soak, soaked: Soaked) -> Iterator[str]:
    manifest = read_manifest(site.snapshot)
    yield "# Soak\n"
    yield (
        f"{soak.seconds / _MINUTE:g} minutes on {mailboxes:,} mailboxes, snapshot {manifest.snapshot_id}; workers: "
        f"{workers}, their figures added up; {soak.callers} connections with unary calls, {soak.callers} with streams, "
        f"messages of one query and of {_BATCH:,}, all kinds, {_HIT_RATE:.0%} hits. {describe_machine()}.\n"
    )
    yield from table(("", *_FIGURES), list(_rows(soaked, soak.seconds)))
    yield "Medians of the first and of the last fifth, after a first tenth of warm-up.\n"
    yield from table(
        ("what became of them", "count"), [[name, f"{count:,}"] for name, count in sorted(soaked.outcomes.items())]
    )
    yield f"\nWarnings and errors in the server's log: {len(soaked.complaints) or 'none'}.\n"
    yield from (f"- `{complaint}`" for complaint in soaked.complaints)


_FIGURES = ("memory in no file, MiB", "memory that nobody else has, MiB", "open files", "threads")


def _rows(soaked: Soaked, seconds: float) -> Iterator[list[str]]:
    instants = [seen.seconds for seen in soaked.during]
    counted = soaked.during[after_warm_up(instants, seconds) :]
    minutes = [seen.seconds / _MINUTE for seen in counted]
    trends = [find_trend(minutes, each) for each in zip(*(_shown(seen.vitals) for seen in counted), strict=True)]
    yield ["before", *_format(_shown(soaked.before))]
    yield ["first fifth", *_format([trend.first for trend in trends])]
    yield ["last fifth", *_format([trend.last for trend in trends])]
    yield ["after, clients gone", *_format(_shown(soaked.after))]
    yield ["slope a minute", *_slopes(trends)]


def _shown(vitals: Vitals) -> tuple[float, float, float, float]:
    return (vitals.anonymous / _MIB, vitals.private / _MIB, vitals.descriptors, vitals.threads)


def _format(figures: Sequence[float]) -> list[str]:
    return [f"{figure:,.1f}" for figure in figures[:2]] + [f"{figure:g}" for figure in figures[2:]]


def _slopes(trends: Sequence[Trend]) -> list[str]:
    kib = [f"{trend.slope * _MIB / _KIB:+,.1f} KiB" for trend in trends[:2]]
    return kib + [f"{trend.slope:+.2f}" for trend in trends[2:]]


def _plot(during: Sequence[Seen], path: Path) -> None:
    """Draws memory, open files and threads over time.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow to load, and no part of an installation
    except ModuleNotFoundError:
        raise ConfigurationError("plots want matplotlib: pip install matplotlib, or leave out --out") from None
    figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
    memory, counts = figure.subplots(2, sharex=True)
    minutes = [seen.seconds / _MINUTE for seen in during]
    for axes, places, unit in ((memory, (0, 1), "MiB"), (counts, (2, 3), "number")):
        for place in places:
            axes.plot(minutes, [_shown(seen.vitals)[place] for seen in during], label=_FIGURES[place])
        axes.set_ylim(bottom=0)
        axes.set_ylabel(unit)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    counts.set_xlabel("minutes under load")
    figure.savefig(path)


if __name__ == "__main__":
    main()
