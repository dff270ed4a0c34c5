#!/usr/bin/env python3
"""Changes through a real server: how many a second, how soon they are seen, and whether kills lose any."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from change_kills import outlived_kills
from change_loads import in_bulk, one_by_one
from change_mix import Persons, draw_changes
from change_sights import seen_at_once
from machine import describe_machine
from registrars import Office, encode_changes
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from serving import Site
from sites import find_site, opening

_BATCH, _SMALL_BATCH, _MOST_SEEN = 1_000, 100, 1_000
_EXISTING = click.Path(path_type=Path, exists=True)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is sent.

    Attributes:
        instant: the servers' now.
        numbers: of persons of the snapshot, as many as are needed.
        bulk: messages of 1,000 changes.
        seen: numbers of other persons, whose changes are looked for.
        beside: messages of 100 changes of nobody of these.
        ones: messages of one change.
    """

    instant: int
    numbers: list[str]
    bulk: list[bytes]
    seen: list[str]
    beside: list[bytes]
    ones: list[bytes]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100), default=5_000_000, show_default=True, help="Of the country.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--snapshot", type=_EXISTING, help="That country's snapshot, where there is one; else it is built.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--changes", type=click.IntRange(min=20), default=50_000, show_default=True, help="In bulk, at most.")
@click.option("--ones", type=click.IntRange(min=1), default=300, show_default=True, help="Of each closed loop.")
@click.option(
    "--sights", type=click.IntRange(min=1), default=600, show_default=True, help="Changes that are looked for."
)
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="A first one is left out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the report, as Markdown.")
@one_line_errors()
def main(  # noqa: PLR0917 - every option is an argument
    mailboxes: int,
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    changes: int,
    ones: int,
    sights: int,
    kills: int,
    rounds: int,
    out: Path | None,
) -> None:
    """Sends the usual mix of changes to servers on loopback, each with a log of its own.

    \b
    Examples:
      bench/change_calls.py --out bench/results/change_calls.md
      bench/change_calls.py --mailboxes 20000 --changes 2000 --rounds 1 --kills 3
    """
    # Beside the working tree, as a disk's syncs are to be measured: a folder for temporary files may be in memory.
    with tempfile.TemporaryDirectory(prefix="bench-changes-", dir=".") as name:
        folder = Path(name).resolve()
        site = find_site(mailboxes, seed, folder, snapshot, keys)
        sent = draw(site, changes, ones * (rounds + 1), seed)
        office = Office.at(site, folder)
        sections = {
            "In bulk": in_bulk(office, sent.bulk, rounds),
            "One at a time": one_by_one(office, sent.ones, rounds),
            "Seen at once": seen_at_once(office, sent.seen, sent.beside, sights, sent.instant),
            "Killed": outlived_kills(office, sent.numbers, sent.instant, kills),
        }
        told = []
        for line in itertools.chain(_heading(site, mailboxes, len(sent.numbers)), _in_sections(sections)):
            # At once: what ends it with an error stands in the table before.
            print(line, flush=True)
            told.append(line)
    if out:
        out.write_text("\n".join(told), encoding="utf-8")


def draw(site: Site, count: int, ones: int, seed: int) -> Changes:
    """Draws what is sent: changes of persons of the snapshot, nearly each its owner's first.

    Args:
        site: the snapshot.
        count: how many in bulk, no more than there are persons.
        ones: how many one by one.
        seed: what the draw follows from.
    """
    with opening(site) as opened:
        persons, instant = Persons(opened.served.snapshot.index), opened.instant

        def encode(numbers: Sequence[str], most: int, size: int) -> list[bytes]:
            return list(encode_changes(draw_changes(numbers, most, instant, seed), size))

        count = min(count, len(persons))
        seen = persons[: min(_MOST_SEEN, len(persons) // 2)]
        others = persons[len(seen) : len(seen) + count]
        return Changes(
            instant=instant,
            numbers=persons[:count],
            bulk=encode(persons, count, _BATCH),
            seen=seen,
            beside=encode(others, len(others), _SMALL_BATCH),
            ones=encode(persons, ones, 1),
        )


def _in_sections(sections: Mapping[str, Iterator[str]]) -> Iterator[str]:
    for heading, lines in sections.items():
        yield f"## {heading}\n"
        yield from lines


def _heading(site: Site, mailboxes: int, count: int) -> Iterator[str]:
    manifest = read_manifest(site.snapshot)
    yield "# Changes through the server\n"
    yield (
        f"{mailboxes:,} mailboxes, snapshot {manifest.snapshot_id}; {count:,} changes of the usual mix in bulk, nearly "
        "each its owner's first; servers and clients on loopback, on the same processors, logs and pages on the same "
        f"file system; medians of rounds in turn, after a first. {describe_machine()}.\n"
    )


if __name__ == "__main__":
    main()
