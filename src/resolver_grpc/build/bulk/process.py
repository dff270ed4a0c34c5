"""Work in another process, beside this one's: for what holds the interpreter's lock too often for a thread.

What belongs here: the one way in which the builder uses a second process. It is spawned, reads and computes, writes
nothing, and ends with this one, whatever ends it.
"""

from __future__ import annotations

import errno
import gc
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")
Work = Callable[[Any, Callable[[int], None]], Result]
"""Takes what it works on, and a function that it tells how much it has done."""


class OtherProcess:
    """A piece of work that is under way in another process.

    Args:
        work: a function of a module, since it is sent by its name.
        item: what it works on; it and the result are pickled.
        advance: is told of progress, in a thread of its own.
    """

    def __init__(self, work: Work[Any], item: object, advance: Callable[[int], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._advance = advance
        self._answer: Any = None
        self._process = context.Process(target=_run, args=(work, item, sender), daemon=True)
        self._process.start()
        sender.close()
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def result(self) -> Any:  # noqa: ANN401 - whatever the work gives
        """Waits for the result.

        Raises:
            Exception: what the work raised.
            OSError: the process ended without an answer; something killed it.
        """
        self._listening.join()
        self._process.join()
        if self._answer is None:
            raise OSError(errno.ECHILD, "a process of the builder was killed, perhaps for want of memory; build again")
        holds, value = self._answer
        if not holds:
            raise value
        return value

    def _listen(self) -> None:
        try:
            while isinstance(told := self._receiver.recv(), int):
                self._advance(told)
            self._answer = told
        except EOFError:
            pass

    def end(self) -> None:
        """Ends the process, finished or not."""
        self._process.terminate()
        self._process.join()
        self._receiver.close()


@contextmanager
def in_another_process(work: Work[Any], item: object, advance: Callable[[int], None]) -> Iterator[OtherProcess]:
    """Starts a piece of work in another process, which is ended with the block; arguments as for ``OtherProcess``."""
    under_way = OtherProcess(work, item, advance)
    try:
        yield under_way
    finally:
        under_way.end()


@contextmanager
def without_cycles() -> Iterator[None]:
    """Keeps the collector of cycles from walking over millions of small objects, none of which is in one."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _run(work: Work[Any], item: object, sender: Connection) -> None:
    try:
        with without_cycles():
            answer = True, work(item, sender.send)
    except Exception as error:  # noqa: BLE001 - it is raised again where the result is waited for
        answer = False, error
    sender.send(answer)
