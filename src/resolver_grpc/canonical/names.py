"""Names of persons: the words that count.

Source of the rules: domain rules, section 3 (first word, last word) and section 4 ("Name word").
"""

from __future__ import annotations

from resolver_grpc.canonical.text import fold_text

_DROPPED = str.maketrans("", "", ".'\N{RIGHT SINGLE QUOTATION MARK},")


def canonical_name_words(name: str) -> list[str]:
    """The words of a name: folded, without full stops, commas and apostrophes (' and U+2019).

    A hyphenated name is one word. Words that fold to nothing are no words, so that the list may be empty.
    """
    return fold_text(name).translate(_DROPPED).split()
