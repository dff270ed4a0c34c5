#!/usr/bin/env python3
"""Takes every defence out, one after the other, and writes down what its tests say: ``make defences``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import click
from defence_page import page_of, said_on, shortened
from defence_table import PAGE, Defence, read_defences, read_threats
from taking_out import Copy, UnnoticedError

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors, progress


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, help="Only defences whose threat, words, file or tests hold this text.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 8), help="How many at a time.")
@one_line_errors()
def main(only: tuple[str, ...], jobs: int) -> None:
    r"""Takes the defences of tests/defences/*.toml out of copies of the repository, and runs their tests.

    Writes docs/defences.md, where defences that --only leaves out keep what it has of them; with --only what the tests
    say goes to standard output, too. Ends with exit code 2 and one line where a removal goes unnoticed, and leaves that
    defence out of the page.

    \b
    Examples:
      tests/defences/take_out.py
      tests/defences/take_out.py --only handles.py --jobs 1
    """
    listed = read_defences()
    defences = [one for one in listed if not only or any(text in _words(one) for text in only)]
    said, faults = take_all_out(defences, jobs)
    if only:
        for one, texts in said.items():
            click.echo(f"{one.defence}\n" + "".join(f"  {shortened(text)}\n" for text in texts), nl=False)
    kept = said_on(PAGE.read_text(encoding="utf-8"), [one for one in listed if one not in defences])
    PAGE.write_text(page_of(listed, kept | said, read_threats()), encoding="utf-8")
    if faults:
        raise ConfigurationError(f"{len(faults)} of {len(defences)} defences are not shown: {'; '.join(faults)}")


def take_all_out(defences: list[Defence], jobs: int) -> tuple[dict[Defence, list[str]], list[str]]:
    """Takes defences out, some at a time, each in a copy that nobody else uses.

    Returns:
        What the tests of each said, and what is wrong with the others.
    """
    free: SimpleQueue[Copy] = SimpleQueue()
    said: dict[Defence, list[str]] = {}
    faults: list[str] = []

    def in_a_copy(work: Callable[[Copy], None]) -> None:
        copy = free.get()
        try:
            work(copy)
        except (UnnoticedError, ValueError) as error:
            faults.append(shortened_fault(error))
            # It may yet take half an hour until the end says so.
            click.echo(f"not shown: {faults[-1]}", err=True)
        finally:
            free.put(copy)
            advance(1)

    def take_out(defence: Defence) -> None:
        in_a_copy(lambda copy: said.update({defence: copy.take_out(defence)}))

    tests = list(dict.fromkeys(test for one in defences for test in one.tests))
    with (
        tempfile.TemporaryDirectory(prefix="defences-") as folder,
        ThreadPoolExecutor(jobs) as pool,
        progress(len(defences) + jobs, "taking defences out") as advance,
    ):
        for number in range(jobs):
            free.put(Copy(Path(folder) / str(number)))
        parts = [tests[number::jobs] for number in range(jobs)]
        list(pool.map(lambda part: in_a_copy(lambda copy: copy.check(part)), [part for part in parts if part]))
        list(pool.map(take_out, defences))
    return said, faults


def shortened_fault(error: Exception) -> str:
    """What is wrong, in a line."""
    return " ".join(str(error).split())[:600]


def _words(defence: Defence) -> str:
    return " ".join((defence.threat, defence.defence, defence.file, *defence.tests))


if __name__ == "__main__":
    main()
