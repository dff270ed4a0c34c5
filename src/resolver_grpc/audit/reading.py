"""Chain files and heads as anybody who has the key reads them.

What belongs here: finding lines in bytes that may have been tampered with, and believing those alone that hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from resolver_grpc.audit.naming import End, chain_of_head
from resolver_grpc.audit.record import Body
from resolver_grpc.audit.sealing import MAX_LINE, NO_SEAL, AuditKeys, Line, read_line

Keyring = Mapping[str, AuditKeys]
"""The secrets of every master key that a folder's files may have been written under, by its id."""


class Opening(NamedTuple):
    """What a chain file's first line says.

    Attributes:
        keys: the secrets that it was written under.
        line: the first line.
    """

    keys: AuditKeys
    line: Line

    @property
    def continues(self) -> list[End]:
        """The ends of the files that it goes on from."""
        ends = self.line.body["continues"]
        assert isinstance(ends, list)
        return [End(*end) for end in ends]


def raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file with their line feeds; the last one may have none, and nor does one that is over-long."""
    while line := file.readline(MAX_LINE):
        yield line


def read_opening(line: bytes, name: str, keyring: Keyring) -> Opening | None:
    """Reads the first line of a chain file; None where it is none, or not of this file.

    Args:
        line: with its line feed.
        name: the file's name.
        keyring: the keys that may have sealed it.
    """
    keys = keyring.get(stated_key(line))
    sealed = read_line(keys.lines, NO_SEAL, line) if keys else None
    if not keys or not sealed or (sealed.body["type"], sealed.body.get("file")) != ("open", name):
        return None
    return Opening(keys, sealed)


def stated_key(line: bytes) -> str:
    """The id of the key that a first line says it was sealed under; empty where it says none."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    key_id = body.get("key") if isinstance(body, dict) else None
    return key_id if isinstance(key_id, str) else ""


def read_head(path: Path, keyring: Keyring) -> End | None:
    """Reads the head of a chain file; None where it holds nothing to believe.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        line = file.read(MAX_LINE)
    for keys in keyring.values():
        sealed = read_line(keys.lines, NO_SEAL, line)
        if sealed and (sealed.body["type"], sealed.body.get("file")) == ("head", chain_of_head(path.name)):
            return _end_of(sealed.body)
    return None


def _end_of(body: Body) -> End:
    file, sequence, seal = body["file"], body["sequence"], body["line_seal"]
    assert isinstance(file, str)
    assert isinstance(sequence, int)
    assert isinstance(seal, str)
    return End(file, sequence, seal)
