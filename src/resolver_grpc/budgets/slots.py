"""What is done to a sender's slot at every request: its account is charged, its keys are counted.

What belongs here: the two steps, which change what stands in the file and refuse nothing; and the choice between these,
which say what is done, and the compiled ones (``_budgets.pyx``), which write the same bytes much faster. A
slot is locked meanwhile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resolver_grpc.budgets.account import Account, ask, is_past, on_day, seconds_to_wait
from resolver_grpc.budgets.budget_file import Page, Sketch
from resolver_grpc.budgets.sketch import REGISTERS, Salt, estimate, mark
from resolver_grpc.model import Limits


class Used(NamedTuple):
    """What a sender has used up today.

    Attributes:
        day: that day, as ``date.toordinal``.
        misses: distinct misses on it, as estimated.
        addresses: likewise of ADDRESS queries.
    """

    day: int
    misses: float
    addresses: float


class Charged(NamedTuple):
    """What came of charging an account; where either of the first two says no, nothing was charged.

    Attributes:
        is_spent: whether the budget of misses is used up.
        seconds_to_wait: how long until anything may be asked.
        used: what is used up.
    """

    is_spent: bool
    seconds_to_wait: float
    used: Used


def charge_by_python(  # noqa: PLR0913, PLR0917 - what is asked, by whom, and when
    page: Page, today: int, queries: int, most: int, limits: Limits, instant: float
) -> Charged:
    """Takes some queries on a sender's account, if it may ask.

    Args:
        page: the sender's.
        today: the Danish day, as ``date.toordinal``.
        queries: how many are asked.
        most: how many one request may hold.
        limits: the sender's.
        instant: now, in seconds of UTC.
    """
    stated = page.read()
    account = on_day(stated, today)
    is_spent = is_past(account.misses, limits.daily_misses)
    wait = 0.0 if is_spent else seconds_to_wait(account, limits.queries_per_second, most, instant)
    if not (is_spent or wait):
        # Another day's sketches stay until something is counted, and what was counted of it with them.
        page.write(ask(stated, queries, limits.queries_per_second, instant))
    return Charged(is_spent, wait, Used(*account[2:]))


def count_by_python(page: Page, today: int, misses: bytes, addresses: bytes, salt: Salt) -> Used:
    """Leaves the marks of keys in a sender's sketches; what it has used up by then.

    Args:
        page: the sender's.
        today: the Danish day, as ``date.toordinal``.
        misses: keys of misses, one after the other.
        addresses: likewise of ADDRESS queries.
        salt: of the sender and the day.
    """
    stated = page.read()
    account = on_day(stated, today)
    is_new_day = account is not stated
    counted = [
        _count(page, sketch, keys, salt, is_new_day=is_new_day)
        for sketch, keys in ((Sketch.MISSES, misses), (Sketch.ADDRESSES, addresses))
    ]
    used = [old if new is None else new for new, old in zip(counted, account[3:], strict=True)]
    if any(one is not None for one in counted):
        # After the sketches: until it is there, what stands in them is of no day.
        page.write(Account(account.sender_id, account.paid_until, today, *used))
    return Used(today, *used)


def _count(page: Page, sketch: Sketch, keys: bytes, salt: Salt, *, is_new_day: bool) -> float | None:
    """Leaves the marks of keys in a sketch; the new estimate, None where nothing changed."""
    if not (is_new_day or keys):
        return None
    registers = np.zeros(REGISTERS, np.uint8) if is_new_day else page.read_sketch(sketch)
    if not mark(registers, (keys,), salt) and not is_new_day:
        return None
    page.write_sketch(sketch, registers)
    return estimate(registers)


def _charge_compiled(  # noqa: PLR0913, PLR0917 - as above
    page: Page, today: int, queries: int, most: int, limits: Limits, instant: float
) -> Charged:
    rate, misses = limits.queries_per_second, limits.daily_misses
    is_spent, wait, *used = _charge(*page.place, today, queries, rate, most, misses, instant)
    return Charged(is_spent, wait, Used(today, *used))


def _count_compiled(page: Page, today: int, misses: bytes, addresses: bytes, salt: Salt) -> Used:
    return Used(today, *_count_keys(*page.place, today, misses, addresses, *salt))


try:
    from resolver_grpc._budgets import charge as _charge
    from resolver_grpc._budgets import count as _count_keys
except ImportError:  # the package was installed without a C compiler
    charge, count = charge_by_python, count_by_python
else:
    charge, count = _charge_compiled, _count_compiled
