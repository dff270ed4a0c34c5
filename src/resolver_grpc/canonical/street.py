"""Street names and supplementary towns.

Source of the rules: domain rules, section 4, "Street". The list of abbreviations is extended only with
evidence, and with a new canonical version: ``dr`` (doktor, dronning), ``nr`` (nordre, nørre) and ``st``
(store, sten, sankt) are ambiguous and stay as they stand.
"""

from __future__ import annotations

from resolver_grpc.canonical.text import UnreadableError, fold_text

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


def canonical_street(name: str) -> str:
    """The canonical form of a street's name, or ``""`` where nothing of it can be read.

    Punctuation separates words; abbreviations are spelled out beside another word; the words are joined,
    so that "Vester Gade", "vestergade" and "Vester-gade" meet.
    """
    folded = fold_text(name)
    words = folded.split() if folded.isalnum() else "".join(c if c.isalnum() else " " for c in folded).split()
    if len(words) > 1:
        words = [ABBREVIATIONS.get(word, word) for word in words]
    return "".join(words)


def parse_street(text: str) -> str:
    """Reads a street's name into its canonical form.

    Raises:
        UnreadableError: nothing of it can be read.
    """
    street = canonical_street(text)
    if not street:
        raise UnreadableError("no street")
    return street


def canonical_town(name: str) -> str:
    """The canonical form of a supplementary town's name: folded as a street's is."""
    return canonical_street(name)
