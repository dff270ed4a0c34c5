"""The keeper: the process beside a worker that writes its chain, ``python -m resolver_grpc.audit.keeper``.

What belongs here: that process. It does one thing after the other: takes records, writes and syncs them, and says so
to its worker, by the socket that is its standard input. What keeps a worker's event loop from its own work happens
here. It ends with its worker, however that ends, and with nobody else: signals that are meant for both it passes over.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from resolver_grpc.audit.chain import Chain, News
from resolver_grpc.audit.messages import (
    LONGEST,
    LONGEST_SETUP,
    Begun,
    Reply,
    Setup,
    Told,
    Wrote,
    decode_order,
    decode_setup,
    encode_reply,
)
from resolver_grpc.audit.naming import End
from resolver_grpc.audit.record import Record

SECONDS_BETWEEN_LOOKS: Final = 1.0
"""How long nothing may come before it is looked whether something is to be done all the same."""


def main() -> None:
    """Keeps the chain of the worker that started this process."""
    # A service is ended by a signal to all its processes, and the worker's last batches are still to be recorded.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # A worker that is no more wants no reply.
    with socket.socket(fileno=0) as asked, suppress(ConnectionError):
        if message := asked.recv(LONGEST_SETUP):
            keep(decode_setup(message), asked)


def keep(
    setup: Setup,
    asked: socket.socket,
    clock: Callable[[], float] = time.time,
) -> None:
    """Writes a chain until the worker says farewell or is no more.

    Args:
        setup: what the chain is.
        asked: where orders come from and replies go to.
        clock: tells the instant, in seconds of UTC.

    Raises:
        ConnectionError: the worker is no more.
    """

    def tell(news: News, end: End) -> None:
        # The chain is not to fail for a worker that is gone; the next reply to it finds out.
        with suppress(ConnectionError):
            asked.send(encode_reply(Told(news.value, *end)))

    try:
        chain = Chain(setup.folder, setup.keys, setup.worker, clock, tell)
    except OSError as error:
        asked.send(encode_reply(Begun(error.strerror or type(error).__name__)))
        return
    asked.send(encode_reply(Begun("")))
    keeper = Keeper(chain, asked)
    while keeper.is_asked:
        keeper.take_turn()
    if keeper.is_taken_leave_of:
        # The chain goes on from its last record, if it can't be said that nothing more comes.
        with suppress(OSError):
            chain.close()


class Keeper:
    """Writes what a worker asks for, a group at a time.

    Args:
        chain: what it writes to.
        asked: where orders come from and replies go to.

    Attributes:
        is_asked: whether more may come.
        is_taken_leave_of: whether the worker has said farewell.
    """

    def __init__(self, chain: Chain, asked: socket.socket) -> None:
        self.is_asked = True
        self.is_taken_leave_of = False
        self._chain = chain
        self._asked = asked
        self._is_well = True
        self._waiting = select.poll()
        self._waiting.register(asked, select.POLLIN)

    def take_turn(self) -> None:
        """Waits until something comes, and writes it with what has come by then.

        Raises:
            ConnectionError: the worker is no more.
        """
        if not self._waiting.poll(SECONDS_BETWEEN_LOOKS * 1000):
            self.look()
            return
        if group := self._take():
            self._write(group)

    def look(self) -> None:
        """Tries again what could not be written, and makes a checkpoint that is overdue.

        Raises:
            ConnectionError: the worker is no more.
        """
        if not self._is_well or self._chain.is_checkpoint_due:
            self._write([])

    def _take(self) -> list[Record]:
        """Takes all that has come."""
        group: list[Record] = []
        while self.is_asked:
            try:
                message = self._asked.recv(LONGEST, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            records = decode_order(message) if message else None
            if records is None:
                self.is_asked, self.is_taken_leave_of = False, bool(message)
            else:
                group += records
        return group

    def _write(self, records: list[Record]) -> None:
        fault, begun = "", time.perf_counter()
        try:
            self._chain.append(records)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are to be told
            fault = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        self._is_well = not fault
        reply: Reply = Wrote(len(records), time.perf_counter() - begun, fault)
        self._asked.send(encode_reply(reply))


if __name__ == "__main__":
    main()
