#!/usr/bin/env python3
"""Calls on a real server: what a small one costs, what it feels of large ones, and what workers and stacks cost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from call_sections import KINDS, SECTIONS, Bench
from machine import describe_machine
from messages import write_messages
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from serving import Site
from sites import find_site

_HIT_RATE = 0.8
_SINGLES, _BATCH, _LARGE = 2_000, 1_000, 10_000
_EXISTING = click.Path(path_type=Path, exists=True)


@dataclass(frozen=True, slots=True)
class Asking:
    """A country, and how many queries about it are sent over and over."""

    mailboxes: int
    seed: int
    queries: int

    def bench(self, site: Site, folder: Path, rounds: int, seconds: float) -> Bench:
        """Makes the messages of all sections; the large ones lie in a folder."""
        country = make_country(self.mailboxes, self.seed)

        def encode(kind: str, batch: int, queries: int) -> list[bytes]:
            count = max(queries // batch, 1)
            return encode_requests(country, kind, batch=batch, count=count, hit_rate=_HIT_RATE, seed=self.seed)

        large = {}
        for kind in KINDS:
            large[kind] = folder / f"{kind}.messages"
            write_messages(large[kind], encode(kind, _LARGE, self.queries))
        batches = {kind: encode(kind, _BATCH, self.queries) for kind in KINDS}
        return Bench(site, encode("full_name", 1, _SINGLES), batches, large, rounds, seconds)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100), default=5_000_000, show_default=True, help="Of the country.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option(
    "--queries", type=click.IntRange(min=1), default=100_000, show_default=True, help="Of each kind, in turn."
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="How often all are measured.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Of each measurement.")
@click.option("--only", default=",".join(SECTIONS), show_default=True, help="Sections, by their letters.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the report, as Markdown.")
@one_line_errors()
def main(  # noqa: PLR0917 - every option is an argument
    mailboxes: int,
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    queries: int,
    rounds: int,
    seconds: float,
    only: str,
    out: Path | None,
) -> None:
    """Measures pairs in turn on servers of their own; figures are medians over rounds, after a first left out.

    \b
    Sections: a  a single-query unary call against an empty handler
              b  a small call beside large ones
              c  a batch of 1,000 at half load
              d  two workers against one
              e  the memory of workers
              f  gRPC's two stacks, and channel options

    \b
    Examples:
      bench/calls.py --out bench/results/calls.md
      bench/calls.py --mailboxes 20000 --rounds 1 --seconds 2 --only a,b
    """
    letters = choose_sections(only)
    with tempfile.TemporaryDirectory(prefix="calls-") as name:
        folder = Path(name)
        site = find_site(mailboxes, seed, folder, snapshot, keys)
        bench = Asking(mailboxes, seed, queries).bench(site, folder, rounds, seconds)
        text = "\n".join([*_heading(bench, mailboxes), *_sections(bench, letters)])
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def choose_sections(only: str) -> list[str]:
    """Reads the letters of sections, in the report's order.

    Raises:
        ConfigurationError: one is no section's.
    """
    wanted = {letter.strip() for letter in only.split(",")}
    if unknown := wanted - SECTIONS.keys():
        raise ConfigurationError(f"{', '.join(sorted(unknown))}: no section; name some of {', '.join(SECTIONS)}")
    return [letter for letter in SECTIONS if letter in wanted]


def _heading(bench: Bench, mailboxes: int) -> Iterator[str]:
    manifest = read_manifest(bench.site.snapshot)
    yield "# Calls\n"
    yield (
        f"{mailboxes:,} mailboxes with {manifest.counts['keys']:,} keys, snapshot {manifest.snapshot_id}; "
        f"{_HIT_RATE:.0%} hits; servers and clients on loopback, on the same processors; {bench.seconds:g} s a "
        f"measurement, each measured in turn, medians of {bench.rounds} rounds after a first; beside a ratio the "
        f"lowest and the highest of a single round. {describe_machine()}.\n"
    )


def _sections(bench: Bench, letters: Sequence[str]) -> Iterator[str]:
    for letter in letters:
        section = SECTIONS[letter]
        heading = (section.__doc__ or "").strip().removesuffix(".")
        yield f"## {heading}\n"
        yield from section(bench)


if __name__ == "__main__":
    main()
