"""What a table says of itself: the change sequence it was exported at, and the register's day.

What belongs here: reading and writing those few words of JSON, nothing of files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver_grpc.errors import TableError
from resolver_grpc.times import parse_day

if TYPE_CHECKING:
    from resolver_grpc.build.schema import Table

_MAX_SEQUENCE = 2**64 - 1
_KEYS = {"change_sequence", "register_date"}


@dataclass(frozen=True, slots=True)
class TableMeta:
    """What a table says of itself.

    Attributes:
        change_sequence: the sequence of the last change that the table holds (domain rules, section 10).
        register_date: the register's day as ``YYYY-MM-DD``; ``""`` for tables that state none.
    """

    change_sequence: int = 0
    register_date: str = ""


def meta_example(table: Table) -> str:
    """Metadata as a table's file would state it, for documentation and errors."""
    if table.states_register_date:
        return encode_meta(TableMeta(register_date="2026-11-01")).decode()
    return encode_meta(TableMeta()).decode()


def encode_meta(meta: TableMeta) -> bytes:
    """The metadata as JSON; an absent register date is left out."""
    content: dict[str, int | str] = {"change_sequence": meta.change_sequence}
    if meta.register_date:
        content["register_date"] = meta.register_date
    return json.dumps(content).encode()


def parse_meta(raw: bytes, where: str, table: Table) -> TableMeta:
    """Reads a table's metadata.

    Args:
        raw: JSON.
        where: where it stands, for errors.
        table: the table that it belongs to; one that states a register date must have it.

    Raises:
        TableError: when it isn't JSON, has unknown, doubled or missing keys, or values that can't be.
    """
    try:
        pairs = json.loads(raw, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise TableError(f"{where} is no JSON: write it like {meta_example(table)}") from None
    content = dict(pairs) if isinstance(pairs, tuple) else {}
    if "change_sequence" not in content or len(content) != len(pairs) or not content.keys() <= _KEYS:
        raise TableError(f"{where} must hold change_sequence, once, and nothing unknown: {meta_example(table)}")
    sequence, day = content["change_sequence"], content.get("register_date", "")
    if type(sequence) is not int or not 0 <= sequence <= _MAX_SEQUENCE:
        raise TableError(f"{where}: change_sequence must be a whole number from 0 on")
    if (table.states_register_date or day != "") and not _is_day(day):
        raise TableError(f"{where}: register_date must be a day: {meta_example(table)}")
    return TableMeta(sequence, day)


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_day(value))
    except ValueError:
        return False
