"""Records that wait for those of others who are under way with them, and whoever waits for each.

What belongs here: from records to messages, and letting those go on who wait. When they are sent, and what came of
that, is the writer's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from resolver_grpc.audit.messages import LONGEST, encode_order, encode_record
from resolver_grpc.audit.record import Record
from resolver_grpc.errors import AuditError

FULL: Final = LONGEST // 2
"""Bytes that the records of a message don't exceed, unless one does so by itself."""

_SENTENCE: Final = "the audit can't be written, so nothing is resolved until it can be; try again later"

MakeRecord: TypeAlias = Callable[[], Record]
Written: TypeAlias = "asyncio.Future[None]"


class Order(NamedTuple):
    """A message, and who waits for its records.

    Attributes:
        message: as ``encode_order`` makes it.
        waiting: what to settle once it is written, in order.
    """

    message: bytes
    waiting: list[Written]


class Gathering:
    """Records that were not sent yet."""

    def __init__(self) -> None:
        self._gathered: list[tuple[MakeRecord, Written]] = []

    def __len__(self) -> int:
        return len(self._gathered)

    def add(self, make: MakeRecord, written: Written) -> None:
        """Adds a record, which is made when it is sent, and what to settle once it is written."""
        self._gathered.append((make, written))

    def take(self) -> Iterator[Order]:
        """Takes all that were gathered; a batch whose record can't be made is refused alone."""
        gathered, self._gathered = self._gathered, []
        parts, waiting, size = list[bytes](), list[Written](), 0
        for make, written in gathered:
            try:
                part = encode_record(make())
            except Exception as error:  # noqa: BLE001 - whatever it is, this batch alone is refused for it
                _refuse(written, error)
                continue
            if parts and size + len(part) > FULL:
                yield Order(encode_order(parts), waiting)
                parts, waiting, size = [], [], 0
            parts.append(part)
            waiting.append(written)
            size += len(part)
        if parts:
            yield Order(encode_order(parts), waiting)

    def give_up(self) -> list[Written]:
        """Forgets all that were gathered, and gives what is to be settled for them."""
        gathered, self._gathered = self._gathered, []
        return [written for _, written in gathered]


def settle(written: Written, *, is_written: bool) -> None:
    """Lets whoever waits for a record go on: it is on the disk, or can't be written."""
    if not is_written:
        _refuse(written, cannot_write())
    elif not written.done():
        written.set_result(None)


def cannot_write() -> AuditError:
    """What a batch is refused with that can't be recorded."""
    return AuditError(_SENTENCE)


def _refuse(written: Written, error: Exception) -> None:
    # Whoever waited may have gone.
    if not written.done():
        written.set_exception(error)
        # Nor is asyncio to write to the log that nobody asked.
        written.exception()
