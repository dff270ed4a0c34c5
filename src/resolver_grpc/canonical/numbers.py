"""CPR and CVR numbers.

Source of the rules: domain rules, section 4; the century rule and the CVR check are python-stdnum's
(https://arthurdejong.org/python-stdnum/doc/2.0/stdnum.dk.cpr). Modulus 11 is not required of CPR numbers:
the register has issued numbers without it since 2007.
"""

from __future__ import annotations

import re

from stdnum.dk import cpr, cvr
from stdnum.exceptions import ValidationError

from resolver_grpc.canonical.text import UnreadableError

_CPR = re.compile(r"([0-9]{6})-?([0-9]{4})")
_CVR = re.compile(r"[0-9]{8}")
CPR_DIGITS = 10


def parse_cpr(text: str) -> str:
    """Reads ten digits, with or without a dash after the sixth, whose first six are a real date.

    Raises:
        UnreadableError: it is something else; substitute numbers (day 61-91) have no real date.
    """
    found = _CPR.fullmatch(text.strip())
    if not found:
        raise UnreadableError("not a CPR number")
    number = found[1] + found[2]
    try:
        # Only the date rule: `validate` would also compare the date with today's.
        cpr.get_birth_date(number)
    except ValidationError:
        raise UnreadableError("not a CPR number") from None
    return number


def parse_cvr(text: str) -> str:
    """Reads eight digits whose check digit is right (modulus 11).

    Raises:
        UnreadableError: it is something else.
    """
    number = text.strip()
    if not _CVR.fullmatch(number) or not cvr.is_valid(number):
        raise UnreadableError("not a CVR number")
    return number
