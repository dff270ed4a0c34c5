"""CPR and CVR numbers.

Source of the rules: domain rules, section 4; the century rule and the CVR check are python-stdnum's
(https://arthurdejong.org/python-stdnum/doc/2.0/stdnum.dk.cpr). Modulus 11 is not required of CPR numbers:
the register has issued numbers without it since 2007.
"""

from __future__ import annotations

import re
from functools import lru_cache

from stdnum.dk import cpr, cvr
from stdnum.exceptions import ValidationError

from resolver_grpc.canonical.text import UnreadableError

_CPR = re.compile(r"([0-9]{6})-?([0-9]{4})")
_CVR = re.compile(r"[0-9]{8}")
CPR_DIGITS = 10
_MEMORY = 1 << 17


def parse_cpr(text: str) -> str:
    """Reads ten digits, with or without a dash after the sixth, whose first six are a real date.

    Raises:
        UnreadableError: it is something else; substitute numbers (day 61-91) have no real date.
    """
    found = _CPR.fullmatch(text.strip())
    if not found:
        raise UnreadableError("not a CPR number")
    if not _has_real_date(found[1] + _OF_ONE_CENTURY[found[2][0]]):
        raise UnreadableError("not a CPR number")
    return found[1] + found[2]


_OF_ONE_CENTURY = dict(zip("0123456789", "0000455554", strict=True))
"""By the seventh digit, the first that tells the same century of any year, so that fewer dates are to be remembered."""


@lru_cache(_MEMORY)
def _has_real_date(first_seven: str) -> bool:
    """Asks for the date rule only, for `validate` would also compare the date with today's.

    The seventh digit tells the century and the other three say nothing of the date; a country's birthdays
    fit the memory.
    """
    try:
        cpr.get_birth_date(first_seven + "000")
    except ValidationError:
        return False
    return True


def parse_cvr(text: str) -> str:
    """Reads eight digits whose check digit is right (modulus 11).

    Raises:
        UnreadableError: it is something else.
    """
    number = text.strip()
    if not _CVR.fullmatch(number) or not cvr.is_valid(number):
        raise UnreadableError("not a CVR number")
    return number
