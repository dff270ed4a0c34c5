#!/usr/bin/env python3
"""What a query costs against the size of the index: the fast way, from ten thousand to five million mailboxes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click

from machine import describe_machine
from messages import write_messages
from nation.requests import encode_requests
from nation.world import make_country
from one_size import Opening, Round
from plots import plot_sizes
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors
from rounds import take_in_turn
from serving import AS_OF, Site, ended
from sites import check_named, find_site

_ONE_SIZE = Path(__file__).with_name("one_size.py")
_KIND, _BATCH, _HIT_RATE = "full_name", 1_000, 0.8
_MOST = 1.5
"""How many times the cost at the smallest size the largest may take."""
_MIB = 2**20
_FEWEST_MAILBOXES = 100
_EXISTING = click.Path(path_type=Path, exists=True)
_COLUMNS = (
    "mailboxes",
    "keys",
    "µs a query",
    "times the smallest",
    "of single rounds",
    "index bytes a mailbox",
    "opening, s",
    "checking all pages, s",
    "memory in no file, MiB",
)


@dataclass(slots=True)
class Holder:
    """A process that holds one size open.

    Attributes:
        process: it runs ``one_size.py``.
        opening: what it told once the snapshot was open.
        own_bytes: its memory in no file after the last round.
    """

    process: subprocess.Popen[str]
    opening: Opening
    own_bytes: int = 0

    def round(self) -> float:
        """Has all messages answered; gives the microseconds a query.

        Raises:
            ConfigurationError: the process ended.
        """
        assert self.process.stdin
        # Of a process that ended, listening tells.
        with suppress(BrokenPipeError):
            os.write(self.process.stdin.fileno(), b"\n")
        told = Round(**_listen(self.process))
        self.own_bytes = told.own_bytes
        return told.micros


class Sizes(click.ParamType[tuple[int, ...]]):
    """Numbers of mailboxes, with commas between them."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:  # noqa: ANN401 - as click has it
        """Reads the numbers; gives them in ascending order, each once."""
        words = str(value).split(",")
        if not all(word.isascii() and word.isdigit() and int(word) >= _FEWEST_MAILBOXES for word in words):
            self.fail(f"give numbers of mailboxes from {_FEWEST_MAILBOXES} on, such as 10000,100000", param, ctx)
        return tuple(sorted(set(map(int, words))))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--sizes", type=Sizes(), default="10000,50000,200000,1000000,5000000", show_default=True, help="Mailboxes."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What countries follow from.")
@click.option("--snapshot", type=_EXISTING, help="The largest country's snapshot, where there is one.")
@click.option("--keys", type=_EXISTING, help="The key file that it was built with.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Where what is made stays for later.")
@click.option("--messages", type=click.IntRange(min=1), default=200, show_default=True, help="Of 1,000 queries each.")
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True, help="The first is left out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="For the table; the plot comes beside it.")
@one_line_errors()
def main(
    *,
    sizes: Sequence[int],
    seed: int,
    snapshot: Path | None,
    keys: Path | None,
    keep: Path | None,
    messages: int,
    rounds: int,
    out: Path | None,
) -> None:
    """Measures FULL_NAME queries at several sizes, which are all open at the same time, in turn.

    \b
    Examples:
      bench/scale.py --keep build/countries --out bench/results/scale.md
      bench/scale.py --sizes 10000,5000000 --snapshot snapshot --keys index.key
    """
    # Before anything is built: the snapshot that is named is the last to be asked for.
    check_named(snapshot, keys)
    with ExitStack() as ends:
        folder = keep or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-")))
        holders = {}
        for size in sizes:
            existing = (snapshot, keys) if size == max(sizes) else (None, None)
            site = find_site(size, seed, folder, *existing)
            asked = _keep_messages(size, seed, messages, folder / f"country-{size}-{seed}")
            holders[size] = ends.enter_context(_holding(site, asked))
        taken = take_in_turn({size: holder.round for size, holder in holders.items()}, rounds - 1)
        text = "\n".join(_report(holders, taken, messages, rounds)) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
        costs = {size: median(each) for size, each in taken.items()}
        plot_sizes(out.with_suffix(".png"), "FULL_NAME, batches of 1,000", costs, _MOST)


def _keep_messages(mailboxes: int, seed: int, count: int, folder: Path) -> Path:
    """Writes messages to a file of the folder, unless they are there; they ask for people of the whole country."""
    file = folder / f"{_KIND}-{count}.messages"
    if not file.exists():
        made = encode_requests(
            make_country(mailboxes, seed), _KIND, batch=_BATCH, count=count, hit_rate=_HIT_RATE, seed=seed
        )
        being_made = file.with_suffix(".unfinished")
        write_messages(being_made, made)
        being_made.rename(file)
    return file


@contextmanager
def _holding(site: Site, messages: Path) -> Iterator[Holder]:
    """Has a process hold a snapshot open, and ends it when the block ends.

    Raises:
        ConfigurationError: the process can't; its own error stands above.
    """
    words: list[str | Path] = [sys.executable, _ONE_SIZE, "--snapshot", site.snapshot, "--keys", site.keys]
    words += ["--senders", site.senders, "--as-of", AS_OF, messages]
    piped = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    with ended(piped) as process:
        assert process.stdin
        assert process.stdout
        with process.stdin, process.stdout:
            yield Holder(process, Opening(**_listen(process)))


def _listen(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line that a process tells."""
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise ConfigurationError("bench/one_size.py failed; its error stands above")
    told: dict[str, Any] = json.loads(line)
    return told


def _report(
    holders: Mapping[int, Holder], taken: Mapping[int, Sequence[float]], messages: int, rounds: int
) -> Iterator[str]:
    yield "# Cost against size\n"
    yield (
        f"FULL_NAME with address fields, the fast way in process, one thread, batches of {_BATCH:,}, {_HIT_RATE:.0%} "
        f"hits, {messages * _BATCH:,} queries about people drawn from the whole country; every size is open at the "
        f"same time in a process of its own, and all are measured in turn. Processor time of the thread, medians of "
        f"{rounds - 1} rounds after a first, at a load average of {os.getloadavg()[0]:.1f}; {describe_machine()}.\n"
    )
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"|{' ---: |' * len(_COLUMNS)}"
    smallest = taken[min(taken)]
    yield from (_row(size, holders[size], each, smallest) for size, each in taken.items())
    yield (
        f"\nThe largest may cost {_MOST} times the smallest. *Opening* is from a file whose digest was checked to an "
        "index, its owners' flags of the day and a sender's policy. *Memory in no file* is that of the whole process "
        "after the last round, Python and libraries included, without the messages that it holds and without what it "
        "shares of the page cache. Beside the ratio of the medians stand the lowest and the highest of a single "
        "round.\n"
    )
    ids = ", ".join(f"{size:,} is {holder.opening.snapshot_id}" for size, holder in holders.items())
    yield f"Snapshots by mailboxes: {ids}."


def _row(size: int, holder: Holder, taken: Sequence[float], smallest: Sequence[float]) -> str:
    opening = holder.opening
    single = [one / other for one, other in zip(taken, smallest, strict=True)]
    cells = (
        f"{size:,}",
        f"{opening.keys:,}",
        f"{median(taken):.3f}",
        f"{median(taken) / median(smallest):.2f}",
        f"{min(single):.2f} to {max(single):.2f}",
        f"{opening.index_bytes / size:.0f}",
        f"{opening.open_seconds:.2f}",
        f"{opening.touch_seconds:.2f}",
        f"{holder.own_bytes / _MIB:.0f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
