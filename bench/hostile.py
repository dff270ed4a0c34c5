#!/usr/bin/env python3
"""A server under hostile clients: what it holds before, during and after each attack, and how long others wait."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import grpc

from attacks import CLOSED, MADE, REFUSED, attacks
from callers import write_access
from latency import MEDIAN, P99, percentile
from machine import describe_machine
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.program import one_line_errors
from rounds import table
from serving import Running, Site, serving
from sites import find_site
from vitals import Vitals, add_up, read_vitals, workers_of

_MIB, _MILLI, _BATCH = 2**20, 1e3, 1_000
_SECONDS_BETWEEN_CALLS, _SECONDS_BETWEEN_LOOKS = 0.005, 0.25
_SHARE_OF_CALM, _SECONDS_TO_SETTLE = 0.5, 1.0
_HEADINGS = (
    *("attack", "memory before, MiB", "during", "after", "open files during", "p50 before, ms", "during"),
    *("p99 before, ms", "during", "ratio", "others failed", "what the server did"),
)
_CALLERS = ("hostile", "other")
_METHOD = "/resolver_grpc.v1.ResolverService/ResolveBatch"
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
_EXISTING = click.Path(path_type=Path, exists=True)


class Waited(NamedTuple):
    """How long somebody else's calls of one query took, in seconds, ascending; and how many were not answered."""

    seconds: list[float]
    failed: int


class Suffered(NamedTuple):
    """What an attack came to: what the server held before, at most and after, how others fared, what was told."""

    name: str
    held: tuple[Vitals, Vitals, Vitals]
    before: Waited
    during: Waited
    told: dict[str, int]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(min=0.1), default=4.0, show_default=True, help="Of each attack.")
@click.option("--mailboxes", type=click.IntRange(min=100), default=20_000, show_default=True, help="Of the country.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="For the report.")
@one_line_errors()
def main(  # noqa: PLR0917 - every option is an argument
    seconds: float, mailboxes: int, seed: int, snapshot: Path | None, keys: Path | None, out: Path | None
) -> None:
    """Attacks a fresh server in every way in turn, while somebody else goes on asking.

    \b
    Example:
      bench/hostile.py --mailboxes 20000 --out bench/results/hostile.md
    """
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        site = find_site(mailboxes, seed, folder, snapshot, keys)
        single, batch = (
            encode_requests(make_country(mailboxes, seed), "mix", batch=size, count=1, hit_rate=0.8, seed=seed)[0]
            for size in (1, _BATCH)
        )
        (folder / "batch").write_bytes(batch)
        write_access(folder, dict.fromkeys(_CALLERS, "delivery"))
        suffered = [_suffer(site, attack, seconds, single, folder) for attack in attacks(batch)]
    text = "\n".join(_report(mailboxes, seconds, suffered))
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _suffer(site: Site, attack: str, seconds: float, single: bytes, folder: Path) -> Suffered:
    program = str(Path(__file__).with_name("attacks.py"))
    hostile, other = ((folder / name).read_text() for name in _CALLERS)
    with (
        serving(site, ("--access", str(folder / "access.toml"))) as server,
        grpc.insecure_channel(server.address, _OPTIONS) as channel,
    ):
        before, calm = _ask(channel, single, other, seconds * _SHARE_OF_CALM, server)
        words = [sys.executable, program, attack, server.address, str(seconds), str(folder / "batch"), hostile]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as attacker:
            during, waited = _ask(channel, single, other, seconds, server)
            said, _ = attacker.communicate()
        time.sleep(_SECONDS_TO_SETTLE)
        after = _look(server)
    return Suffered(attack, (before, during, after), calm, waited, json.loads(said))


def _ask(channel: grpc.Channel, single: bytes, token: str, seconds: float, server: Running) -> tuple[Vitals, Waited]:
    """Asks one query after the other for a while; tells how that went, and the most that the server held."""
    method: Any = channel.unary_unary(_METHOD)  # type: ignore[call-arg]  # bytes are bytes
    proof = (("authorization", f"Bearer {token}"),)
    method(single, wait_for_ready=True, metadata=proof)
    took, failed, most = list[float](), 0, _look(server)
    end = looked = time.monotonic()
    end += seconds
    while (begun := time.monotonic()) < end:
        try:
            method(single, timeout=seconds, metadata=proof)
        except grpc.RpcError:
            failed += 1
        took.append(time.monotonic() - begun)
        if begun - looked > _SECONDS_BETWEEN_LOOKS:
            most, looked = max(most, _look(server)), begun
        time.sleep(_SECONDS_BETWEEN_CALLS)
    return most, Waited(sorted(took), failed)


def _look(server: Running) -> Vitals:
    return add_up(map(read_vitals, workers_of(server.pid)))


def _report(mailboxes: int, seconds: float, suffered: Sequence[Suffered]) -> Iterator[str]:
    yield "# Hostile clients\n"
    yield (
        f"Each attack for {seconds:g} s on a server of its own, one worker, {mailboxes:,} mailboxes, in the clear, "
        "callers known by tokens; meanwhile another caller asks one query after the other. Attacker and client share "
        "the processors with the server. "
        f"{describe_machine()}.\n"
    )
    yield from table(_HEADINGS, [_row(one) for one in suffered])
    yield (
        "Memory is what stands in no file. The allocator keeps much of what was freed, for the next calls; a second "
        "attack takes it up again.\n"
    )


def _row(one: Suffered) -> list[str]:
    memory = [f"{held.anonymous / _MIB:,.0f}" for held in one.held]
    times = [[percentile(waited.seconds, share) for waited in (one.before, one.during)] for share in (MEDIAN, P99)]
    shown = [f"{seconds * _MILLI:.1f}" for pair in times for seconds in pair]
    did = ", ".join(f"{one.told.get(what, 0):,} {what}" for what in (MADE, CLOSED, REFUSED) if one.told.get(what))
    failed = f"{one.during.failed} of {len(one.during.seconds):,}"
    return [one.name, *memory, f"{one.held[1].descriptors:,}", *shown, f"{times[1][1] / times[1][0]:.1f}", failed, did]


if __name__ == "__main__":
    main()
