#!/usr/bin/env python3
"""The server beside a plain C++ one, the yardstick: in process and over gRPC, in turn, in one run."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from guards import make_guards
from loops import Plan
from machine import describe_machine
from messages import read_messages, write_messages
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from samples import take_sample
from serving import Running, Site, ended, make_site, serving, write_senders

_HERE = Path(__file__).resolve().parent
_BATCH, _HIT_RATE, _IN_FLIGHT, _IN_FLIGHT_GUARDED = 1_000, 0.8, 4, 8
_KINDS = {"full_name": "ours, FULL_NAME with address fields", "mix": "ours, a mix of all kinds"}
_YARDSTICK = "the yardstick, its one kind"
_GUARDED = "{}, guarded"
_SPEED = re.compile(r"^(?:inproc|grpc): [0-9.]+ us/query, ([0-9]+) queries/s", re.MULTILINE)
_EXISTING = click.Path(path_type=Path, exists=True)

Speeds = dict[str, list[float]]
"""Queries a second by who answered, one for each round; the yardstick's first."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The yardstick's program, and its data of so many persons."""

    program: Path
    data: Path
    persons: int

    def build(self) -> None:
        """Builds its data, once, if they aren't there."""
        if self.data.exists():
            return
        being_made = self.data.with_name(f".{self.data.name}")
        shutil.rmtree(being_made, ignore_errors=True)
        being_made.mkdir(parents=True)
        _run([self.program, "build", being_made, str(self.persons)])
        being_made.rename(self.data)

    def in_process(self) -> float:
        """Queries a second in process."""
        return _speed(_run([self.program, "inproc", self.data, str(self.persons)]))

    def over_grpc(self, port: str) -> float:
        """Queries a second of its server, by its own load program."""
        return _speed(_run([self.program, "load", str(self.persons), port]))

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Starts its server and tells the port.

        Raises:
            ConfigurationError: it did not start.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        words: list[str | Path] = [self.program, "serve", self.data, str(self.persons), port]
        with ended(subprocess.Popen(words, stdout=subprocess.PIPE, text=True)) as server:
            assert server.stdout
            with server.stdout as said:
                if said.readline().strip() != "serving":
                    raise ConfigurationError("the yardstick's server did not start; what it said stands above")
                yield port


class Ours(NamedTuple):
    """Our side: what is served, and the files of messages by their kind."""

    site: Site
    messages: dict[str, Path]

    def in_process(self, kind: str) -> float:
        """Queries a second in process."""
        site = self.site
        words: list[str | Path] = [
            sys.executable,
            _HERE / "inproc.py",
            "--snapshot",
            site.snapshot,
            "--keys",
            site.keys,
        ]
        return _speed(_run([*words, "--senders", site.senders, self.messages[kind]]))

    def over_grpc(self, kind: str, server: Running, seconds: float) -> float:
        """Queries a second over gRPC: one stream, so many batches in flight."""
        words: list[str | Path] = [sys.executable, _HERE / "load.py", "--server", server.address, "--json"]
        words += ["--messages", self.messages[kind], "--streams", "1", "--in-flight", str(_IN_FLIGHT)]
        figures = json.loads(_run([*words, "--seconds", str(seconds), "--warm-up", str(seconds / 4)]))
        if figures["errors"]:
            raise ConfigurationError("our server left messages unanswered; ask it with bench/load.py to see which")
        return float(figures["queries_per_second"])

    def guarded(self, kind: str, server: Running, seconds: float) -> float:
        """Queries a second over gRPC of a server with all its guards; more batches in flight, for each is recorded."""
        plan = Plan(1, _IN_FLIGHT_GUARDED, None, unary=False, seconds=seconds, warm_up=seconds / 4)
        return take_sample(server, read_messages(self.messages[kind]), plan).queries_per_second


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--yardstick", "program", type=_EXISTING, required=True, help="The yardstick's program.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="For data of both sides.")
@click.option("--mailboxes", type=click.IntRange(min=100), default=5_000_000, show_default=True, help="On both sides.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What our country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="How often all are measured.")
@click.option("--count", type=click.IntRange(min=1), default=200, show_default=True, help="Messages of ours.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=4.0, show_default=True, help="Of load on our server."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the table, as Markdown.")
@one_line_errors()
def main(  # noqa: PLR0917 - every option is an argument
    program: Path,
    data: Path,
    mailboxes: int,
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    rounds: int,
    count: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Measures both in turn: in process, then over gRPC with one worker; first rounds are left out.

    \b
    Example:
      bench/yardstick.py --yardstick build/yardstick --data build/yardstick-data --out bench/results/yardstick.md
    """
    data.mkdir(parents=True, exist_ok=True)
    yardstick = Yardstick(program.resolve(), data / f"yardstick-{mailboxes}", mailboxes)
    yardstick.build()
    ours = Ours(_site(data, mailboxes, seed, snapshot, keys), _write_messages(data, mailboxes, seed, count))
    in_process = _compare_in_process(yardstick, ours, rounds)
    over_grpc = _compare_over_grpc(yardstick, ours, rounds, seconds)
    text = "\n".join(_report(ours.site, mailboxes, rounds, in_process, over_grpc)) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _site(data: Path, mailboxes: int, seed: int, snapshot: Path | None, keys: Path | None) -> Site:
    if not snapshot:
        return make_site(mailboxes, seed, data / f"country-{mailboxes}-{seed}")
    if not keys:
        raise ConfigurationError("--snapshot wants --keys: the key file that it was built with")
    senders = data / "senders.toml"
    write_senders(senders)
    return Site(snapshot, keys, senders)


def _write_messages(data: Path, mailboxes: int, seed: int, count: int) -> dict[str, Path]:
    country = make_country(mailboxes, seed)
    files = {kind: data / f"{kind}.messages" for kind in _KINDS}
    for kind, file in files.items():
        made = encode_requests(country, kind, batch=_BATCH, count=count, hit_rate=_HIT_RATE, seed=seed)
        write_messages(file, made)
    return files


def _compare_in_process(yardstick: Yardstick, ours: Ours, rounds: int) -> Speeds:
    """Each process leaves its own first round out."""
    speeds: Speeds = {name: [] for name in (_YARDSTICK, *_KINDS.values())}
    for _ in range(rounds):
        speeds[_YARDSTICK].append(yardstick.in_process())
        for kind, name in _KINDS.items():
            speeds[name].append(ours.in_process(kind))
    return speeds


def _compare_over_grpc(yardstick: Yardstick, ours: Ours, rounds: int, seconds: float) -> Speeds:
    """All servers run all the while, all but one of them idle; the first round of all is left out."""
    guarded_names = map(_GUARDED.format, _KINDS.values())
    speeds: Speeds = {name: [] for name in (_YARDSTICK, *_KINDS.values(), *guarded_names)}
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="guards-")))
        port = ends.enter_context(yardstick.serving())
        server = ends.enter_context(serving(ours.site))
        guarded = ends.enter_context(serving(ours.site, guards=make_guards(folder)))
        for _ in range(1 + rounds):
            speeds[_YARDSTICK].append(yardstick.over_grpc(port))
            for kind, name in _KINDS.items():
                speeds[name].append(ours.over_grpc(kind, server, seconds))
                speeds[_GUARDED.format(name)].append(ours.guarded(kind, guarded, seconds))
    return {name: each[1:] for name, each in speeds.items()}


def _run(words: Sequence[str | Path]) -> str:
    """Runs a program to its end and gives what it printed."""
    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        program = " ".join(Path(word).name for word in words[:2])
        raise ConfigurationError(f"{program} failed; what it said stands above")
    return done.stdout


def _speed(printed: str) -> float:
    """The median queries a second of the rounds that a program printed, without the first."""
    speeds = [float(found) for found in _SPEED.findall(printed)][1:]
    if not speeds:
        raise ConfigurationError("a program printed no speed of a second round; name the yardstick's own program")
    return median(speeds)


def _report(site: Site, mailboxes: int, rounds: int, in_process: Speeds, over_grpc: Speeds) -> Iterator[str]:
    manifest = read_manifest(site.snapshot)
    yield "# Beside the yardstick\n"
    yield (
        f"{mailboxes:,} persons there, {mailboxes:,} mailboxes here with {manifest.counts['keys']:,} keys, snapshot "
        f"{manifest.snapshot_id}; batches of {_BATCH:,}, {_HIT_RATE:.0%} hits; one resolving thread, over gRPC one "
        f"stream with {_IN_FLIGHT} batches in flight, or {_IN_FLIGHT_GUARDED} where ours is guarded (TLS with "
        "certificates of both sides, known callers, an audit synced before an answer leaves, budgets, of which the "
        f"yardstick has none); each measured in turn, medians of {rounds} rounds after a first. "
        f"{describe_machine()}.\n"
    )
    yield from _table("in process, bytes in, bytes out", in_process)
    yield from _table("over gRPC", over_grpc)
    yield "The ratio is of queries a second; beside it the lowest and the highest of a single round."


def _table(title: str, speeds: Speeds) -> Iterator[str]:
    measure = speeds[_YARDSTICK]
    yield f"| {title} | µs a query | queries/s | times the yardstick's | of single rounds |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, each in speeds.items():
        middle = median(each)
        single = [one / other for one, other in zip(each, measure, strict=True)]
        yield (
            f"| {name} | {1e6 / middle:.2f} | {middle:,.0f} | {middle / median(measure):.2f} | "
            f"{min(single):.2f} to {max(single):.2f} |"
        )
    yield ""


if __name__ == "__main__":
    main()
