"""Tables of a configuration file, read strictly: an unknown key is a mistake, never a thing to pass over.

What belongs here: what keys hold, whatever they mean. Every fault is a ``ValueError`` that names the key and quotes no
value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

Parsed = TypeVar("Parsed")
Choice = TypeVar("Choice")


def read_tables(
    document: Mapping[str, object], name: str, parse: Callable[[Mapping[str, object]], Parsed]
) -> Iterator[Parsed]:
    """Reads each of a list of tables; every one has a ``name`` of its own.

    Args:
        document: the whole file.
        name: the list's, in the plural; none counts as an empty one.
        parse: reads one table.

    Raises:
        ValueError: as ``parse`` says, with the table's place and name; or a name that stands twice.
    """
    tables = document.get(name, [])
    if not isinstance(tables, list):
        raise ValueError(f"`{name}` is no list of tables [[{name}]]")  # noqa: TRY004 - a file's fault, not a caller's
    names: set[object] = set()
    for place, table in enumerate(tables, start=1):
        where = f"{name.removesuffix('s')} {place}"
        if not isinstance(table, Mapping):
            raise ValueError(f"{where}: is no table of keys and values")  # noqa: TRY004 - likewise
        own = table.get("name")
        try:
            parsed = parse(table)
        except ValueError as error:
            named = isinstance(own, str) and own.isprintable()
            raise ValueError(f"{where} ({own}): {error}" if named else f"{where}: {error}") from None
        if own in names:
            raise ValueError(f"{where} ({own}): its `name` stands twice")
        names.add(own)
        yield parsed


def check_keys(table: Mapping[str, object], required: Sequence[str], known: Collection[str]) -> None:
    """Checks that a table has what it must have, and nothing that it can't have.

    Raises:
        ValueError: a key is unknown or missing.
    """
    for key in table:
        if key not in known:
            # An error is one line, and does nothing to the terminal that shows it.
            shown = key if key.isprintable() else ascii(key)
            raise ValueError(f"`{shown}` is not known; known are {', '.join(sorted(known))}")
    for key in required:
        if key not in table:
            raise ValueError(f"`{key}` is missing")


def read_text(table: Mapping[str, object], key: str) -> str:
    """A text of one line that says something.

    Raises:
        ValueError: it is none.
    """
    value = table[key]
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"`{key}` is not a text")
    return value


def read_texts(table: Mapping[str, object], key: str) -> list[str]:
    """A list of texts of one line, empty where the key is not there.

    Raises:
        ValueError: it is none.
    """
    values = table.get(key, [])
    if not isinstance(values, list) or not all(
        isinstance(value, str) and value and value.isprintable() for value in values
    ):
        raise ValueError(f"`{key}` is not a list of texts")
    return values


def read_choice(table: Mapping[str, object], key: str, choices: Mapping[str, Choice]) -> Choice:
    """One of several choices by its name.

    Raises:
        ValueError: it is none of them.
    """
    value = table[key]
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"`{key}` is none of {', '.join(choices)}")
    return choices[value]
