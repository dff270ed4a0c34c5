#!/usr/bin/env python3
"""What it costs that nobody gets in: the server with all its guards beside the same one in the clear, in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from guards import make_guards
from loops import Plan
from machine import describe_machine
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from rounds import compare, table, take_in_turn
from samples import Sample, figures, middle, take_sample
from serving import Running, Site, serving
from sites import find_site

_BATCH, _COUNT, _SINGLES, _HIT_RATE = 1_000, 200, 2_000, 0.8
_IN_FLIGHT = 8
"""Messages: enough that there is work to do while a record is synced, which takes as long as a few batches."""
_LEAST = 0.85
"""The share of the throughput in the clear that the guards are to leave."""
_CLEAR, _BUDGETS, _AUDIT, _GUARDED = "in the clear", "with budgets alone", "with an audit alone", "guarded"
_EXISTING = click.Path(path_type=Path, exists=True)
_COLUMNS = ("", "queries/s", "p50, ms", "p99, ms", "server CPU, µs a query", "throughput, times in the clear")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100), default=5_000_000, show_default=True, help="Of the country.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="A first one is left out.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=4.0, show_default=True, help="Of each measurement.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the table, as Markdown.")
@one_line_errors()
def main(  # noqa: PLR0917 - every option is an argument
    mailboxes: int, seed: int, snapshot: Path | None, keys: Path | None, rounds: int, seconds: float, out: Path | None
) -> None:
    """Asks servers with one worker each: with TLS both ways, known callers, audit and budgets; with parts; without.

    \b
    Examples:
      bench/guarded.py --out bench/results/guarded.md
      bench/guarded.py --mailboxes 20000 --rounds 2 --seconds 1
    """
    with tempfile.TemporaryDirectory(prefix="guarded-") as name:
        site = find_site(mailboxes, seed, Path(name), snapshot, keys)
        messages = _make_messages(mailboxes, seed)
        text = "\n".join(_report(site, mailboxes, _take(site, Path(name), messages, rounds, seconds))) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _make_messages(mailboxes: int, seed: int) -> dict[str, Sequence[bytes]]:
    country = make_country(mailboxes, seed)
    encode = partial(encode_requests, country, hit_rate=_HIT_RATE, seed=seed)
    batches = {f"FULL_NAME, batches of {_BATCH:,}": ("full_name", _BATCH, _COUNT)}
    batches[f"all kinds, batches of {_BATCH:,}"] = ("mix", _BATCH, _COUNT)
    batches["FULL_NAME, single calls"] = ("full_name", 1, _SINGLES)
    return {name: encode(kind, batch=size, count=count) for name, (kind, size, count) in batches.items()}


def _take(
    site: Site, folder: Path, messages: dict[str, Sequence[bytes]], rounds: int, seconds: float
) -> dict[tuple[str, str], list[Sample]]:
    """All servers run all the while, all but one of them idle."""
    guarded, audit = folder / "guards", folder / "audit"
    guarded.mkdir()
    audit.mkdir(0o700)
    alone = {_CLEAR: (), _BUDGETS: ("--budgets", str(folder / "budgets")), _AUDIT: ("--audit", str(audit))}
    with ExitStack() as ends:
        servers: dict[str, Running] = {how: ends.enter_context(serving(site, more)) for how, more in alone.items()}
        servers[_GUARDED] = ends.enter_context(serving(site, guards=make_guards(guarded)))
        measures: dict[tuple[str, str], Callable[[], Sample]] = {
            (what, how): partial(take_sample, server, some, _plan(what, seconds))
            for what, some in messages.items()
            for how, server in servers.items()
        }
        return take_in_turn(measures, rounds)


def _plan(what: str, seconds: float) -> Plan:
    return Plan(1, _IN_FLIGHT, None, "single" in what, seconds, seconds / 4)


def _report(site: Site, mailboxes: int, taken: dict[tuple[str, str], list[Sample]]) -> Iterator[str]:
    yield "# Guarded\n"
    yield (
        f"{mailboxes:,} mailboxes, snapshot {read_manifest(site.snapshot).snapshot_id}, {_HIT_RATE:.0%} hits, one "
        f"worker, one connection, closed loops with {_IN_FLIGHT} messages in flight; medians over rounds, in brackets "
        "single rounds. "
        "Guarded means TLS with certificates of both sides, the access file's callers, an audit that is synced before "
        f"an answer leaves, and budgets that count misses and addresses. {describe_machine()}.\n"
    )
    rows = []
    for (what, how), samples in taken.items():
        beside = figures(taken[what, _CLEAR], "queries_per_second")
        ratio = "1" if how == _CLEAR else str(compare(figures(samples, "queries_per_second"), beside))
        times = [f"{middle(samples, figure):.2f}" for figure in ("p50_ms", "p99_ms", "cpu_us")]
        rows.append([f"{what}, {how}", f"{middle(samples, 'queries_per_second'):,.0f}", *times, ratio])
    yield from table(_COLUMNS, rows)
    yield f"The guards are to leave {_LEAST} of a batch's throughput."


if __name__ == "__main__":
    main()
