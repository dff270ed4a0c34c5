#!/usr/bin/env python3
"""Load against a running server: queries a second, latencies, and what they cost the server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from loading import Figures, run_load, run_sweep, table
from loops import Plan
from machine import describe_machine
from messages import count_queries, read_messages, write_messages
from nation.requests import KINDS, encode_requests
from nation.world import make_country
from plots import plot_latency
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors
from serving import Running, Site, serving, write_senders

_FILE = click.Path(path_type=Path, dir_okay=False)
_EXISTING = click.Path(path_type=Path, exists=True)

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Asking:
    """What to ask: the options that say which messages are sent."""

    messages: Path | None
    mailboxes: int
    seed: int
    kind: str
    batch: int
    count: int
    hit_rate: float
    keep_messages: Path | None

    def read(self) -> list[bytes]:
        """Reads the messages or makes them, and keeps them where that is asked for."""
        if self.messages:
            return read_messages(self.messages)
        country = make_country(self.mailboxes, self.seed)
        made = encode_requests(
            country, self.kind, batch=self.batch, count=self.count, hit_rate=self.hit_rate, seed=self.seed
        )
        if self.keep_messages:
            write_messages(self.keep_messages, made)
        return made

    def __str__(self) -> str:
        if self.messages:
            return f"messages {self.messages.name}"
        return f"kind {self.kind}, {self.hit_rate:.0%} hits, country of {self.mailboxes:,} mailboxes, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask: the options that name a server that runs, or what to start one with."""

    server: str | None
    pid: int | None
    snapshot: Path | None
    keys: Path | None
    senders: Path | None
    workers: int | None

    def start(self, ends: ExitStack) -> Running:
        """The server, which is ended with the stack if it was started here.

        Raises:
            ConfigurationError: neither is named whole, or the server did not start.
        """
        if self.server:
            return Running(self.server, self.pid or 0)
        if not self.snapshot or not self.keys:
            raise ConfigurationError("name a server with --server, or what to start one with: --snapshot and --keys")
        senders = self.senders
        if not senders:
            senders = Path(ends.enter_context(tempfile.TemporaryDirectory()), "senders.toml")
            write_senders(senders)
        options = ("--workers", str(self.workers)) if self.workers else ()
        return ends.enter_context(serving(Site(self.snapshot, self.keys, senders), options))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", help="A server that runs, HOST:PORT; without it one is started.")
@click.option("--pid", type=click.IntRange(min=1), help="The process of that server, to tell what it costs.")
@click.option("--snapshot", type=_EXISTING, help="What to start a server with: a snapshot's directory,")
@click.option("--keys", type=_EXISTING, help="the key file it was built with,")
@click.option("--senders", type=_EXISTING, help="and the senders; by default the one of the messages.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes of the server that is started.")
@click.option("--messages", type=_EXISTING, help="Messages that were kept; else the next six options make them.")
@click.option("--mailboxes", type=click.IntRange(min=100), default=5_000_000, show_default=True, help="Their country.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--kind", type=click.Choice(KINDS), default="full_name", show_default=True, help="What to ask by.")
@click.option("--hit-rate", type=click.FloatRange(0, 1), default=0.8, show_default=True, help="Share that is found.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Queries in a message.")
@click.option("--count", type=click.IntRange(min=1), default=200, show_default=True, help="How many messages.")
@click.option("--keep-messages", type=_FILE, help="Keep the messages in a file, for later runs.")
@click.option("--streams", type=click.IntRange(min=1), default=1, show_default=True, help="Connections.")
@click.option("--in-flight", type=click.IntRange(min=1), default=4, show_default=True, help="Messages on each.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Queries a second: an open loop.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="How long to measure.")
@click.option("--warm-up", type=click.FloatRange(min=0), default=2.0, show_default=True, help="Seconds before that.")
@click.option("--sweep", is_flag=True, help="A closed loop, then open ones at shares of what it answered.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each run.")
@click.option("--out", type=_FILE, help="Where to write the table, as Markdown; a sweep's plot comes beside it.")
@one_line_errors()
def main(*, sweep: bool, as_json: bool, out: Path | None, **options: Any) -> None:  # noqa: ANN401 - click checks them
    """Sends messages that were encoded beforehand, in a closed loop or, with --rate, in an open one.

    Messages of one query are unary calls; larger ones go over streams. In an open loop messages are due at even
    intervals and latencies count from then, also where the server, or this program, was not ready.

    \b
    Examples:
      bench/load.py --snapshot snapshot --keys index.key --mailboxes 50000 --kind mix
      bench/load.py --server 127.0.0.1:50051 --pid 4711 --messages single.messages --rate 2000
      bench/load.py --snapshot snapshot --keys index.key --sweep --out bench/results/load.md
    """
    if sweep and not out:
        raise ConfigurationError("--sweep draws a plot beside the table: say with --out where")
    asking = _pick(Asking, options)
    messages = asking.read()
    plan = _pick(Plan, options | {"unary": count_queries(messages[0]) == 1})
    with ExitStack() as ends:
        server = _pick(Asked, options).start(ends)
        runs = list(run_sweep(server, messages, plan) if sweep else [run_load(server, messages, plan)])
    text = _report(str(asking), messages, plan, runs)
    print("\n".join(json.dumps(asdict(one)) for one in runs) if as_json else text)
    if out:
        out.write_text(text, encoding="utf-8")
        if sweep:
            _plot(str(asking), runs[1:], out.with_suffix(".png"))


def _pick(options_type: type[Options], given: dict[str, Any]) -> Options:
    """The options that are of one type's."""
    return options_type(**{field.name: given[field.name] for field in fields(options_type)})  # type: ignore[arg-type]


def _report(asking: str, messages: Sequence[bytes], plan: Plan, runs: list[Figures]) -> str:
    way = "unary calls" if plan.unary else f"batches of {count_queries(messages[0]):,} over streams"
    heading = (
        "# Load\n\n"
        f"{asking}; {len(messages):,} messages over and over, {way}; connections: {plan.streams}, in closed loops "
        f"with {plan.in_flight} messages under way on each; {plan.seconds:g} s after {plan.warm_up:g} s of warm-up. "
        f"{describe_machine()}.\n"
    )
    return "\n".join([heading, *table(runs)]) + "\n"


def _plot(title: str, runs: Sequence[Figures], path: Path) -> None:
    lines = {
        "p50": [one.p50_ms for one in runs],
        "p99": [one.p99_ms for one in runs],
        "p99.9": [one.p999_ms for one in runs],
    }
    plot_latency(path, title, [one.queries_per_second for one in runs], lines)


if __name__ == "__main__":
    main()
