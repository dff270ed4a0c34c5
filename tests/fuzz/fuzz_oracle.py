"""What is held of every target: what a hostile input may be told, whatever it is.

A refusal is one printable line. No word of it with four letters or more stands in the input, unless it is one of the
project's own: what it says of any input. So nothing of an input can be in it, whoever's name that was.
"""

from __future__ import annotations

import ast
import errno
import os
import re
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import resolver_grpc
from resolver_grpc.build.schema import TABLES
from resolver_grpc.errors import ResolverError

_WORD = re.compile(r"\w{4,}")
_NOT_TOLD = ("population", "v1")
"""Folders of the package whose texts stand in no refusal: made-up persons, and what was generated."""
_FEWEST_DIGITS = 6
"""Shorter numbers in a refusal count lines, cells and bytes; CPR and CVR numbers are longer."""


def words_of(text):
    """The words of four letters or more, folded, that could tell something."""
    words = (word.casefold() for word in _WORD.findall(text))
    return {word for word in words if not word.isdecimal() or len(word) >= _FEWEST_DIGITS}


def check_told(told, data, allowed=frozenset()):
    """Holds what is told of an input against the input.

    Args:
        told: the sentence.
        data: the input, bytes or text.
        allowed: words of it that may be told, such as the names of its columns.
    """
    assert told.isprintable(), f"not one printable line: {told!r}"
    texts = [data] if isinstance(data, str) else [data.decode(errors="replace"), data.decode("iso-8859-1")]
    known = own_words() | allowed
    leaked = {word for word in words_of(told) - known if any(word in text.casefold() for text in texts)}
    assert not leaked, f"told of the input: {leaked} in {told!r}"


@contextmanager
def refusing(data, place="", allowed=frozenset(), kind=ResolverError):
    """Lets an input be refused, in a sentence that tells nothing of it; any other exception goes through.

    Args:
        data: the input.
        place: the path of its file, which the sentence may name.
        allowed: words of it that may be told.
        kind: the class of a proper refusal.
    """
    try:
        yield
    except kind as error:
        told = [str(error), *getattr(error, "metadata", {}).values(), *getattr(error, "__notes__", ())]
        for text in told:
            check_told(text.replace(str(place), "") if str(place) else text, data, allowed)


@cache
def own_words():
    """The words of the project's texts, but for its docstrings, and those of the operating system's errors."""
    words = set()
    examples = {column.example for table in TABLES for column in table.columns}
    for path in Path(resolver_grpc.__file__).parent.rglob("*.py"):
        if path.parent.name in _NOT_TOLD:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                words |= words_of(node.value) if node.value not in examples else set()
            elif isinstance(node, ast.ClassDef):
                # Names of reasons, routes and the like, and of the classes themselves.
                words |= words_of(f"{node.name} " + " ".join(_names_in(node)))
    words = {word for word in words if not word.isdecimal()}
    return words | {word for number in errno.errorcode for word in words_of(os.strerror(number))}


def _names_in(node):
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
