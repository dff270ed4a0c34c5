"""The slow reading of section 4's numbers and e-mail addresses.

What belongs here: CPR, CVR and e-mail text to its one canonical form, or None where it can't be read.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_CPR = re.compile(r"[0-9]{6}-?[0-9]{4}")
_CVR = re.compile(r"[1-9][0-9]{7}")
_CVR_WEIGHTS = (2, 7, 6, 5, 4, 3, 2, 1)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LOCAL_SIGNS = set("!#$%&'*+-/=?^_`{|}~.")
_LOCAL_LENGTH = 64
_LABEL_LENGTH = 63
_ADDRESS_LENGTH = 254
CPR_LENGTH = 10


def century(seventh: int, year: int) -> int:
    """Return the century that a CPR number's seventh digit and two-digit year mean (the CPR office's table)."""
    if seventh in {0, 1, 2, 3}:
        return 1900
    if seventh in {4, 9}:
        return 2000 if year in range(37) else 1900
    return 2000 if year in range(58) else 1800


def read_cpr(text: str) -> str | None:
    """Read a CPR number: ten digits, a dash allowed after the sixth, a real date; None if it can't be read."""
    stripped = text.strip()
    if not _CPR.fullmatch(stripped):
        return None
    digits = stripped.replace("-", "")
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    try:
        date(century(int(digits[6]), year) + year, month, day)
    except ValueError:
        return None
    return digits


def read_cvr(text: str) -> str | None:
    """Read a CVR number: eight digits that satisfy modulus 11; None if it can't be read."""
    digits = text.strip()
    if not _CVR.fullmatch(digits):
        return None
    total = sum(weight * int(digit) for weight, digit in zip(_CVR_WEIGHTS, digits, strict=True))
    return digits if total % 11 == 0 else None


def read_owner_number(text: str) -> str | None:
    """Read a CPR or a CVR number; None if it is neither."""
    return read_cpr(text) or read_cvr(text)


def _read_label(label: str) -> str | None:
    if not label.isascii():
        if not all(unicodedata.category(char)[0] in "LMN" or char == "-" for char in label):
            return None
        label = "xn--" + label.encode("punycode").decode("ascii")
    return label if _LABEL.fullmatch(label) and len(label) <= _LABEL_LENGTH else None


def _read_local_part(local: str) -> str | None:
    dots_are_within = all(local.split("."))
    signs_are_known = all(char in _LOCAL_SIGNS or char.isalnum() for char in local)
    return local.lower() if dots_are_within and signs_are_known and len(local) <= _LOCAL_LENGTH else None


def read_email(text: str) -> str | None:
    """Read an e-mail address into its exact canonical form; None if it can't be read.

    NFC, trimmed, the local part in lower case, the domain's labels in the ASCII form of IDNA 2008.
    """
    local, at, domain = unicodedata.normalize("NFC", text.strip()).rpartition("@")
    readable_local = _read_local_part(local) if at else None
    labels = [_read_label(unicodedata.normalize("NFC", label)) for label in domain.lower().split(".")]
    if not readable_local or len(labels) == 1 or None in labels:
        return None
    address = f"{readable_local}@{'.'.join(label for label in labels if label)}"
    return address if len(address) <= _ADDRESS_LENGTH else None
