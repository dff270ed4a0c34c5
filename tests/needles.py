"""What must stand in no file: all that names somebody of a register, in every shape that a program might give it.

A *needle* is some bytes with what they are, which is all that a test may tell of a find. Numbers are looked for as
digits, packed, and under plain hashes; words as they are written, folded and in capitals; all text in four encodings.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict

import numpy as np

from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.keys import KeyKind

ENCODINGS = ("utf-16-le", "utf-16-be", "latin-1", "utf-8")
NUMBERS = ("number", "current_number", "old_numbers")
ADDRESSES = ("email_address", "forwarding_address")
STREETS = ("street_name", "short_street_name")
SHORTEST_WORD = 6
"""Letters of a name or a street: shorter ones stand in any file by chance, or in words of its format."""
ENOUGH_BYTES = 6
"""Bytes beside zeros of a needle that stands in no file by chance; of those with fewer a tenth may."""
_WORD = 4
_HASHES = {
    "BLAKE2b-128": lambda data: hashlib.blake2b(data, digest_size=16),
    "BLAKE2b": hashlib.blake2b,
    "SHA-256": hashlib.sha256,
    "SHA-1": hashlib.sha1,
    "MD5": hashlib.md5,
}


def _texts(what, text):
    """The spellings of a text in all encodings."""
    for spelling in {text, text.lower(), text.upper(), text.title()}:
        for encoding in ENCODINGS:
            data = spelling.encode(encoding, "ignore")
            if not is_weak(data):
                yield f"{what} in {encoding}", data


def is_weak(data):
    """Whether a needle is so short that it may stand in a file by chance."""
    return len(data) - data.count(0) < ENOUGH_BYTES


def _packed(digits):
    """A number's digits as whole numbers and as half bytes."""
    value = int(digits)
    for order in ("little", "big"):
        yield f"number in 64 bits, {order} endian", value.to_bytes(8, order)
        if len(digits) == 10:
            day, serial = int(digits[:6]), int(digits[6:])
            yield f"number as 6 + 4 digits, {order} endian", day.to_bytes(4, order) + serial.to_bytes(4, order)
            yield f"number as 6 + 4 digits, short, {order} endian", day.to_bytes(4, order) + serial.to_bytes(2, order)
        else:
            yield f"number in 32 bits, {order} endian", value.to_bytes(4, order)
    yield "number in half bytes", bytes.fromhex(digits)


def _hashed(what, text, *kinds):
    """What anybody could make of a text and compare; half a hash is enough to know it by."""
    for data in (text.encode(), *(bytes((kind,)) + text.encode() for kind in kinds)):
        for name, make in _HASHES.items():
            digest = make(data).digest()
            yield f"{what} under plain {name}", digest[:8]
            yield f"{what} under plain {name}, in hexadecimal", digest.hex()[:16].encode()


def _number(digits):
    yield from _texts("number", digits)
    if len(digits) == 10:
        yield from _texts("number", f"{digits[:6]}-{digits[6:]}")
    yield from _packed(digits)
    yield from _hashed("number", digits, KeyKind.CPR, KeyKind.CVR, KeyKind.OWNER)


def _needles_of(row):
    for column in NUMBERS:
        for digits in row.get(column, "").replace("-", "").split(";"):
            if digits.isdecimal() and len(digits) in {8, 10} and int(digits):
                yield from _number(digits)
    name = row.get("full_name", "")
    yield from _words("name", {*name.split(), *canonical_name_words(name)})
    streets = [row.get(column, "") for column in STREETS]
    yield from _words("street", {*streets, *map(canonical_street, streets)})
    for column in ADDRESSES:
        if "@" in (address := row.get(column, "")):
            yield from _texts("address of mail", address)
            yield from _hashed("address of mail", address.lower(), KeyKind.EMAIL)


def _words(what, words):
    for word in words:
        if len(word) >= SHORTEST_WORD:
            yield from _texts(what, word)


class Needles:
    """The needles of some tables, found in any bytes at once.

    Args:
        rows: the tables' rows, cells by column.
    """

    def __init__(self, rows):
        self.what = {data: what for row in rows for what, data in _needles_of(row)}
        self._weak = Counter(what for data, what in self.what.items() if is_weak(data))
        # Each is looked for by its four bytes that are the fewest zeros, of which files are full.
        self._by_word = defaultdict(list)
        for data in self.what:
            at = min((0, len(data) - _WORD), key=lambda at, data=data: data.count(0, at, at + _WORD))
            self._by_word[int.from_bytes(data[at : at + _WORD], "little")].append((at, data))
        self._words = np.array(sorted(self._by_word), np.uint32)

    @classmethod
    def of_tables(cls, *paths):
        """The needles of tables in CSV."""
        rows = []
        for path in paths:
            with path.open(encoding="utf-8", newline="") as file:
                rows += csv.DictReader(file)
        return cls(rows)

    def found_in(self, data):
        """How many needles stand in some bytes, by what they are; nothing of what may stand there by chance."""
        found = {needle for word, place in self._places(data) for needle in self._at(data, word, place)}
        strong, weak = (Counter(self.what[one] for one in found if is_weak(one) is weak) for weak in (False, True))
        return strong + Counter({what: count for what, count in weak.items() if count > self._weak[what] / 10})

    def _places(self, data):
        """Where four bytes of a needle stand."""
        for shift in range(_WORD):
            until = len(data) - (len(data) - shift) % _WORD
            words = np.frombuffer(data[shift:until], "<u4")
            at = np.searchsorted(self._words, words).clip(max=len(self._words) - 1)
            for place in np.flatnonzero(self._words[at] == words).tolist():
                yield int(words[place]), place * _WORD + shift

    def _at(self, data, word, place):
        return [needle for at, needle in self._by_word[word] if data.startswith(needle, max(0, place - at))]
