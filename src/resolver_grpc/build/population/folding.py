"""The slow reading of section 4's folds: text, the words of a name, a street.

What belongs here: what text, names and streets look like once spelling variants have met. Written from the
domain rules alone and sharing nothing with ``resolver_grpc.canonical``, so that the two can be held against
each other.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

RING = "\N{COMBINING RING ABOVE}"
DIAERESIS = "\N{COMBINING DIAERESIS}"
MINUS = "\N{MINUS SIGN}"
MARKED_LETTERS = {("a", RING): "aa", ("a", DIAERESIS): "ae", ("o", DIAERESIS): "oe"}
NAME_SIGNS = "[.',\N{RIGHT SINGLE QUOTATION MARK}]"
DANISH_LETTERS = {"æ": "ae", "ø": "oe"}
ABBREVIATIONS = {
    "gl": "gammel",
    "skt": "sankt",
    "sct": "sankt",
    "ndr": "nordre",
    "sdr": "soendre",
    "kgs": "kongens",
    "blvd": "boulevard",
    "boulev": "boulevard",
    "kpt": "kaptajn",
    "borgm": "borgmester",
}


def _fold_once(text: str) -> str:
    letters: list[str] = []
    for char in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold()):
        category = unicodedata.category(char)
        if unicodedata.combining(char):
            marked = MARKED_LETTERS.get((letters[-1], char)) if letters else None
            if marked:
                letters[-1] = marked
        elif category == "Pd" or char == MINUS:
            letters.append("-")
        else:
            letters.append(DANISH_LETTERS.get(char, char))
    return " ".join("".join(letters).split())


@lru_cache(maxsize=100_000)
def fold_text(text: str) -> str:
    """Fold a text so that its spelling variants meet; folding again changes nothing.

    Source: domain rules, section 4, *Text*.
    """
    folded = _fold_once(text)
    return folded if folded == text else fold_text(folded)


def name_words(text: str) -> list[str]:
    """Return the folded words of a name, without those that fold to nothing (section 4, *Name word*)."""
    words = (re.sub(NAME_SIGNS, "", word) for word in fold_text(text).split())
    return [word for word in words if word]


@lru_cache(maxsize=100_000)
def fold_street(text: str) -> str:
    """Fold a street's name: abbreviations spelled out, words joined; "" if nothing is left (*Street*)."""
    spaced = "".join(char if char.isalnum() else " " for char in fold_text(text))
    words = spaced.split()
    if len(words) > 1:
        words = [ABBREVIATIONS.get(word, word) for word in words]
    return "".join(words)
