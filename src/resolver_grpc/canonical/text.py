"""The folding that all text goes through first, and what can't be read.

Source of the rules: domain rules, section 4, "Text".
"""

from __future__ import annotations

from unicodedata import category, combining, normalize

_RING, _DIAERESIS = "\u030a", "\u0308"
_WITH_MARK = {("a", _RING): "aa", ("a", _DIAERESIS): "ae", ("o", _DIAERESIS): "oe"}
_LETTERS = {"æ": "ae", "ø": "oe"}
_MINUS = "\N{MINUS SIGN}"


class UnreadableError(ValueError):
    """A text that is not what it should be; never holds the text."""


def fold_text(text: str) -> str:
    """Folds case, accents, Danish letters, dashes and white space.

    NFKC, casefold, decompose; å to ``aa``, æ and ä to ``ae``, ø and ö to ``oe`` (with further accents too);
    other accents stripped; every dash to ``-``; white space collapsed and trimmed.

    Args:
        text: any text.

    Returns:
        The folded text: no white space but single blanks, and no combining accents. Idempotent.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    # Casefolding may compose and compatibility may bring capitals back: a second round settles both.
    folded = normalize("NFKC", normalize("NFKC", text).casefold()).casefold()
    return " ".join("".join(_fold_marks(normalize("NFD", folded))).split())


def _fold_marks(decomposed: str) -> list[str]:
    letters: list[str] = []
    for char in decomposed:
        if combining(char):
            if letters:
                letters[-1] = _WITH_MARK.get((letters[-1], char), letters[-1])
        elif category(char) == "Pd" or char == _MINUS:
            letters.append("-")
        else:
            letters.append(_LETTERS.get(char, char))
    return letters
