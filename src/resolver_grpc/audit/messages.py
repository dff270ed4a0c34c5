"""What a worker and the keeper of its audit say to each other, as bytes.

What belongs here: the messages, encode beside decode; none is told from another by its length. Each is one packet of a
socket that the two share from birth. One interpreter runs both ends, so that its own form will do, the cheapest there
is: there is a record for each batch.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from resolver_grpc.audit.record import Record
from resolver_grpc.audit.sealing import AuditKeys

LONGEST: Final = 65_536
"""Bytes that no message but the first reaches. A longer one is cut short and then is none: the keeper ends, and whoever
waits is refused. Room for more is taken from the system each time, which takes longer than all the rest."""
LONGEST_SETUP: Final = 262_144
"""Bytes that the first message doesn't reach; the system refuses to send one that does."""

_FORM: Final = 2
"""The last one of ``marshal`` that doesn't look for objects it has met before, which takes longer than the rest."""


class Setup(NamedTuple):
    """What a keeper is told first.

    Attributes:
        folder: the audit's folder.
        worker: the number of the worker.
        keys: what lines are sealed with, then what else former chains may have been sealed with. Shipments are hashed
            by the worker, so that their secrets stay there.
    """

    folder: Path
    worker: int
    keys: list[AuditKeys]


FAREWELL: Final = marshal.dumps(None, _FORM)
"""The last message to a keeper: nothing more comes, and the chain is to say so."""


class Begun(NamedTuple):
    """The first reply: whether there is a chain to write to.

    Attributes:
        fault: why there is none; empty where there is one.
    """

    fault: str


class Wrote(NamedTuple):
    """What became of a write.

    Attributes:
        records: how many of those that were sent it was to hold, in order; none for a mere checkpoint.
        seconds: how long it took.
        fault: why it failed; empty where all of it is on the disk.
    """

    records: int
    seconds: float
    fault: str


class Told(NamedTuple):
    """What the chain has to tell.

    Attributes:
        news: the value of a ``News``.
        file: the name of the file that it is about; with the next two where that ends.
        sequence: the number of its last line.
        seal: that line's seal, in hexadecimal.
    """

    news: str
    file: str
    sequence: int
    seal: str


Reply: TypeAlias = Begun | Wrote | Told
_REPLIES: Final[tuple[type[Reply], ...]] = (Begun, Wrote, Told)


def encode_setup(folder: Path, worker: int, keys: Iterable[AuditKeys]) -> bytes:
    """The first message to a keeper."""
    return marshal.dumps((str(folder), worker, [(one.key_id, one.lines) for one in keys]), _FORM)


def decode_setup(message: bytes) -> Setup:
    """What ``encode_setup`` made a message of."""
    folder, worker, keys = _loads(message)
    return Setup(Path(folder), worker, [AuditKeys(key_id, lines, b"") for key_id, lines in keys])


def encode_record(record: Record) -> bytes:
    """A record as a part of a message.

    Raises:
        ValueError: it holds something else than texts and whole numbers.
    """
    # Routes and reasons may be members of their enumerations, which ``marshal`` doesn't know.
    counts = [(int(route), int(reason), count) for (route, reason), count in record.counts.items()]
    return marshal.dumps((*record[:-1], counts), _FORM)


def decode_record(part: bytes) -> Record:
    """What ``encode_record`` made a part of."""
    *fields, counts = _loads(part)
    return Record._make((*fields, {(route, reason): count for route, reason, count in counts}))


def encode_order(records: Sequence[bytes]) -> bytes:
    """Records that are to be written, each as ``encode_record`` makes it, as a message."""
    return marshal.dumps(tuple(records), _FORM)


def decode_order(message: bytes) -> list[Record] | None:
    """The records that ``encode_order`` made a message of; None for ``FAREWELL``."""
    return None if message == FAREWELL else list(map(decode_record, _loads(message)))


def encode_reply(reply: Reply) -> bytes:
    """A reply as a message."""
    return marshal.dumps((_REPLIES.index(type(reply)), *reply), _FORM)


def decode_reply(message: bytes) -> Reply:
    """What ``encode_reply`` made a message of."""
    kind, *fields = _loads(message)
    reply: Reply = _REPLIES[kind](*fields)
    return reply


def _loads(message: bytes) -> tuple[Any, ...]:
    said: tuple[Any, ...] = marshal.loads(message)  # noqa: S302 - nobody else holds an end of the socket
    return said
