"""What the project's programs share: errors of one line, progress.

What belongs here: what every command-line program does alike towards the person or the job that runs it.
"""

from __future__ import annotations

import errno
import sys
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from resolver_grpc.errors import ResolverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EXIT_CODE = 2
_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns an error into ``error: <sentence>`` on stderr and exit code 2; also a decorator.

    Typed errors say their own sentence, which holds no personal data; errors of the operating system (a full
    disk, a missing permission) say theirs and the file's name. A closed pipe is left to click.

    Raises:
        SystemExit: with exit code 2, in place of the error.
    """
    try:
        yield
    except ResolverError as error:
        _fail(error.message)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        sentence = error.strerror or "the operating system refused"
        _fail(f"{sentence}: {error.filename}" if error.filename else sentence)


@contextmanager
def progress(
    total: int, description: str, *, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int], None]]:
    """Shows how far a long work is: a bar on a terminal, else a plain line every ten seconds, on stderr.

    Either tells how much is done, how fast it goes and, where the total is known, how long it will yet take.

    Args:
        total: how much there is to do, in the caller's own unit; 0 where it is not known.
        description: what is being done; no personal data.
        console: where to show it; stderr by default.
        clock: seconds that only grow.

    Yields:
        A function that takes how much was done since its last call.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(total, description, console, clock)
        return
    with Progress(*_columns(total), console=console, transient=True) as bar:
        task = bar.add_task(description, total=total or None)
        yield lambda amount: bar.advance(task, amount)


def _columns(total: int) -> list[ProgressColumn]:
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
    if total:
        columns += [TaskProgressColumn(), TextColumn("{task.completed:,} of {task.total:,}"), TimeRemainingColumn()]
    return [*columns, TimeElapsedColumn(), _RateColumn()]


class _RateColumn(ProgressColumn):
    """How much is done in a second."""

    def render(self, task: Task) -> Text:
        """Writes the rate, if there is one."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def _plain_progress(
    total: int, description: str, console: Console, clock: Callable[[], float]
) -> Callable[[int], None]:
    done = 0
    begun = told = clock()
    # Several threads may tell of their work.
    one_at_a_time = Lock()

    def advance(amount: int) -> None:
        nonlocal done, told
        with one_at_a_time:
            done += amount
            now = clock()
            if now - told < _SECONDS_BETWEEN_LINES:
                return
            told = now
            console.print(f"{description}: {_standing(done, total, now - begun)}", highlight=False, markup=False)

    return advance


def _standing(done: int, total: int, seconds: float) -> str:
    """Says how far a work is, how fast it goes and how long it will yet take."""
    rate = done / seconds
    if not total:
        return f"{done:,}, {rate:,.0f} a second"
    left = f", {max(0, total - done) / rate:,.0f} s left" if done else ""
    return f"{100 * done // total} %, {done:,} of {total:,}, {rate:,.0f} a second{left}"


def _fail(sentence: str) -> None:
    click.echo("error: " + " ".join(sentence.split()), err=True)
    sys.exit(_EXIT_CODE)
