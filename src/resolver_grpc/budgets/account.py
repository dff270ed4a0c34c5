"""A sender's account: what it has used up, as it stands in a file; and how queries a second are paid for.

What belongs here: values and their arithmetic. The instant is an argument.
"""

from __future__ import annotations

import math
import struct
from typing import Final, NamedTuple

from resolver_grpc.budgets.sketch import REGISTERS, STANDARD_ERROR

ACCOUNT_BYTES: Final = 128
SLOT_BYTES: Final = ACCOUNT_BYTES + 2 * REGISTERS
"""An account, the sketch of its misses, the sketch of its addresses."""

_SENDER_BYTES: Final = 64
_FORM: Final = struct.Struct(f"<{_SENDER_BYTES}sdIdd36x")
_CAUTION: Final = 1 + 3 * STANDARD_ERROR
_BURST_SECONDS: Final = 1.0


class Account(NamedTuple):
    """What one sender has used up.

    Attributes:
        sender_id: the sender.
        paid_until: the instant from which on the queries that it has asked are paid for, in seconds of UTC.
        day: the Danish day that is counted, as ``date.toordinal``; 0 for none yet.
        misses: how many distinct misses there were on it, as was estimated last.
        addresses: likewise of ADDRESS queries.
    """

    sender_id: str
    paid_until: float = 0.0
    day: int = 0
    misses: float = 0.0
    addresses: float = 0.0


def padded(sender_id: str) -> bytes:
    """A sender's id as its slot begins."""
    return sender_id.encode().ljust(_SENDER_BYTES, b"\0")


def encode_account(account: Account) -> bytes:
    """An account as its slot begins."""
    return _FORM.pack(account.sender_id.encode(), *account[1:])


def decode_account(data: bytes) -> Account:
    """Reads what ``encode_account`` wrote.

    Raises:
        ValueError: the bytes are no account.
    """
    if len(data) != ACCOUNT_BYTES:
        raise ValueError("no account")
    padded, paid_until, day, misses, addresses = _FORM.unpack(data)
    sender_id = padded.rstrip(b"\0").decode()
    if not sender_id.isprintable() or not sender_id:
        raise ValueError("no account")
    if not (0 <= paid_until < math.inf and 0 <= misses < math.inf and 0 <= addresses < math.inf):
        raise ValueError("no account")
    return Account(sender_id, paid_until, day, misses, addresses)


def on_day(account: Account, day: int) -> Account:
    """The account on a day: as it is, or with nothing used up if another day was counted."""
    return account if account.day == day else Account(account.sender_id, account.paid_until, day)


def is_past(estimated: float, limit: int) -> bool:
    """Whether more was used up than a limit allows.

    An estimate errs; where it is in doubt the budget counts as used up. So nobody gets more than the limit, but once in
    a thousand times, and everybody at least nine tenths of it.
    """
    return math.floor(estimated * _CAUTION) > limit


def seconds_to_wait(account: Account, rate: int, most: int, instant: float) -> float:
    """How long until the account's queries are paid for; 0 where it may ask.

    Args:
        account: the sender's.
        rate: queries that are paid for in a second.
        most: queries that one request may hold. Nobody owes for more: if it seems so, the clock was set back or the
            rate raised, and nothing is owed.
        instant: now, in seconds of UTC.
    """
    owed = account.paid_until - instant
    return owed if 0 < owed <= most / rate + _BURST_SECONDS else 0.0


def ask(account: Account, queries: int, rate: int, instant: float) -> Account:
    """Takes some queries on the account of a sender that may ask.

    It may ask as long as it owes nothing, and then owes for all of the request, however large: so every request is
    answered at some time, and over time none but the rate counts. What a sender didn't ask for is kept for a second.
    """
    longest_kept = instant - _BURST_SECONDS
    begun = account.paid_until if longest_kept < account.paid_until <= instant else longest_kept
    paid_until = begun + queries / rate
    return Account(account.sender_id, paid_until, account.day, account.misses, account.addresses)
