"""A column of e-mail addresses to canonical ones.

The library that judges an address takes a tenth of a millisecond and more. Of an ordinary address, whose local
part is made of plain ASCII words between dots, the local part needs no more than small letters, and the domain is
judged by the library once for all addresses of it. Every other address goes through the plain parser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_letters, digits
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from resolver_grpc.build.bulk.following import NOWHERE
from resolver_grpc.build.bulk.texts import (
    Column,
    Flags,
    Indices,
    Utf8,
    column_of,
    encode,
    read_chunks,
    slices,
    some_of,
    utf8,
)
from resolver_grpc.canonical.email import parse_domain, parse_email

_LOCAL_PART_BYTES = 64
_AT, _DOT = ord("@"), ord(".")
_STRANGE = np.ones(256, np.bool_)
_STRANGE[[ord(sign) for sign in ascii_letters + digits + "_+-.@"]] = False
_DOMAINS = 1 << 18


@dataclass(frozen=True, eq=False, slots=True)
class Addresses:
    """A column of e-mail addresses.

    Attributes:
        texts: a ``pyarrow`` array of distinct canonical addresses; the first is ``""``, for none.
        indices: for each row the place of its address.
        unreadable: which cells are neither blank nor an address.
    """

    texts: Any
    indices: Indices
    unreadable: Flags


def read_emails(column: Column, parse: Callable[[str], str] = parse_email) -> Addresses:
    """Reads a column as ``canonical.email.parse_email`` does.

    Args:
        column: the column.
        parse: what reads an address that is not ordinary.
    """
    found = list(read_chunks(column, lambda chunk: _read_chunk(chunk, parse)))
    empty = pa.array([""], pa.large_string())
    merged = pa.chunked_array([empty, *(canonical for canonical, _ in found)]).dictionary_encode().combine_chunks()
    unreadable = np.concatenate([np.zeros(0, np.bool_), *(bad for _, bad in found)])
    return Addresses(merged.dictionary, merged.indices.to_numpy().astype(np.uint32)[1:], unreadable)


def _read_chunk(chunk: Any, parse: Callable[[str], str]) -> tuple[Any, Flags]:  # noqa: ANN401 - pyarrow has no types
    text = utf8(chunk)
    at = _ats_after_ordinary(text)
    rows = np.flatnonzero(at != NOWHERE)
    domains = encode(pa.chunked_array([slices(text.data, at[rows] + 1, text.ends[rows])]))
    forms = [_domain_of(domain) for domain in domains.values]
    rest = text.lengths > 0
    rest[rows] = np.array([form is None for form in forms], np.bool_)[domains.indices]
    # A column of its own: of one that was cast from a slice pyarrow 26 mistakes where the first text begins.
    canonical = pc.ascii_lower(column_of(text))
    # Most domains need no more than small letters either; the form of the others is put behind the local part.
    respelled = _respelled(domains.values, forms)[domains.indices]
    if respelled.any():
        rows = rows[respelled]
        locals_of = pc.ascii_lower(slices(text.data, text.starts[rows], at[rows] + 1))
        written = pa.array(forms, pa.large_string()).take(pa.array(domains.indices[respelled]))
        joined = pc.binary_join_element_wise(locals_of, written, pa.scalar("", pa.large_string()))
        canonical = _put(canonical, rows, joined)
    return _with_others(chunk, canonical, np.flatnonzero(rest), parse)


def _respelled(domains: Sequence[str], forms: Sequence[str | None]) -> Flags:
    """Of which domains the canonical form is known, and more than what Arrow makes of them in small letters."""
    pairs = zip(domains, forms, strict=True)
    return np.array(
        [bool(form) and not (written.isascii() and written.lower() == form) for written, form in pairs], np.bool_
    )


def _ats_after_ordinary(text: Utf8) -> npt.NDArray[np.int64]:
    """Finds in each row the only ``@`` behind an ordinary local part, ``NOWHERE`` where there is none."""
    ats = text.data == _AT
    found = np.flatnonzero(ats)
    row_of = np.searchsorted(text.ends, found, side="right")
    at = np.full(len(text.starts), NOWHERE, np.int64)
    at[row_of] = found
    at[np.bincount(row_of, minlength=len(at)) != 1] = NOWHERE
    strange = _STRANGE[text.data]
    # A dot stands between two words: not before another dot or the @, nor at the beginning.
    dots = text.data == _DOT
    strange[:-1] |= dots[:-1] & (dots[1:] | ats[1:])
    starts = text.starts[text.lengths > 0]
    strange[starts] |= dots[starts] | ats[starts]
    places = np.flatnonzero(strange)
    row_of = np.searchsorted(text.ends, places, side="right")
    at[row_of[places <= at[row_of]]] = NOWHERE
    at[at - text.starts > _LOCAL_PART_BYTES] = NOWHERE
    return at


@lru_cache(_DOMAINS)
def _domain_of(written: str) -> str | None:
    """The canonical form of a domain; None where its address is to be read by the plain parser."""
    try:
        return parse_domain(written)
    except ValueError:
        return None


def _with_others(
    chunk: Any,  # noqa: ANN401 - pyarrow has no types
    canonical: Any,  # noqa: ANN401 - pyarrow has no types
    rest: npt.NDArray[np.intp],
    parse: Callable[[str], str],
) -> tuple[Any, Flags]:
    """Puts the addresses that are not ordinary into their places; tells which can't be read."""
    unreadable = np.zeros(len(chunk), np.bool_)
    if not len(rest):
        return canonical, unreadable
    others = encode(some_of(chunk, rest))
    read = [_canonical(text, parse) for text in others.values]
    unreadable[rest] = np.array([address is None for address in read])[others.indices]
    texts = pa.array([address or "" for address in read], pa.large_string()).take(pa.array(others.indices))
    return _put(canonical, rest, texts), unreadable


def _put(column: Any, rows: npt.NDArray[np.intp], texts: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Replaces the texts of some rows, ascending."""
    mask = np.zeros(len(column), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), texts)


def _canonical(text: str, parse: Callable[[str], str]) -> str | None:
    """The canonical address, ``""`` for a blank cell, None where it can't be read."""
    if not text.strip():
        return ""
    try:
        return parse(text)
    except ValueError:
        return None
