"""Tables as columns: each is read when it is asked for, so that no two need be in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resolver_grpc.build.bulk.problems import Problems
from resolver_grpc.build.bulk.texts import Column, Encoded, Flags, encode

Parse = Callable[[str], Any]


def read_each(column: Column, parse: Parse) -> tuple[Encoded[Any], Flags]:
    """Parses the distinct texts of a column.

    Returns:
        What the parser gives, None where it refuses; and which rows it refuses.
    """
    texts = encode(column)
    values = Encoded([_parsed(text, parse) for text in texts.values], texts.indices)
    return values, values.flags(lambda value: value is None)


def read_noting(column: Column, parse: Parse, problems: Problems, name: str) -> Encoded[Any]:
    """Parses the distinct texts of a column, and notes the rows whose cell can't be read."""
    values, unreadable = read_each(column, parse)
    problems.note_unreadable(unreadable, name)
    return values


def _parsed(text: str, parse: Parse) -> Any:  # noqa: ANN401 - whatever the parser gives
    try:
        return parse(text)
    except ValueError:
        return None
