"""What a sender may still ask: domain rules, section 8.

What belongs here: what is refused, in which order, and what is counted of it. A request is admitted before it is
resolved and settled before its answer leaves.

The misses of a request that is refused for its misses are counted all the same, and from then on everything is refused
until the next Danish day, hits too: else a sender at its limit could try one query after the other, and would learn
from each refusal, for nothing, that it was a miss. So a sender learns no more than its budget, and of the requests that
were under way when it was used up that they went too far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import numpy as np

from resolver_grpc.budgets.account import Account, ask, is_past, on_day, seconds_to_wait
from resolver_grpc.budgets.budget_file import Page, Sketch
from resolver_grpc.budgets.sketch import REGISTERS, Salt, estimate, mark, salt_of
from resolver_grpc.errors import AddressesSpentError, MissesSpentError, OverBudgetError, RateExceededError
from resolver_grpc.model import Sender
from resolver_grpc.times import danish_day, danish_midnight, day_after


class Counting(NamedTuple):
    """What a request came to, for ``settle``.

    Attributes:
        misses: runs of keys of its misses.
        addresses: runs of keys of its ADDRESS queries.
        secret: what keys are hashed with once more.
    """

    misses: Sequence[bytes]
    addresses: Sequence[bytes]
    secret: bytes


def admit(page: Page, sender: Sender, queries: int, most: int, instant: float) -> Account:
    """Lets a request be resolved, and takes its queries on the sender's account.

    Args:
        page: the sender's.
        sender: who asks.
        queries: how many the request holds.
        most: how many it may hold.
        instant: now, in seconds of UTC.

    Returns:
        The account from now on, as of today.

    Raises:
        MissesSpentError: no more can be asked today.
        RateExceededError: nothing can be asked yet.
    """
    account, today = page.read(), danish_day(instant).toordinal()
    _check_misses(on_day(account, today), sender, instant)
    rate = sender.limits.queries_per_second
    if wait := seconds_to_wait(account, rate, most, instant):
        raise RateExceededError(
            "the sender asks for more queries a second than it may; wait, or have its queries_per_second raised",
            sender_id=sender.id,
            retry_after=wait,
        )
    # A request without queries is work, too. Another day's sketches stay until something is counted.
    admitted = ask(account, max(queries, 1), rate, instant)
    page.write(admitted)
    return on_day(admitted, today)


def settle(page: Page, sender: Sender, counting: Counting, instant: float) -> Account:
    """Counts what a request came to; if this returns, its answer may leave.

    Args:
        page: the sender's.
        sender: who asked.
        counting: what is counted.
        instant: now, in seconds of UTC.

    Returns:
        The account from now on.

    Raises:
        MissesSpentError: this request's misses, or another's meanwhile, take the sender past its budget.
        AddressesSpentError: likewise for ADDRESS queries, of which this request has some.
    """
    today, former = danish_day(instant).toordinal(), page.read()
    account = on_day(former, today)
    salt, is_new_day = salt_of(counting.secret, sender.id, today), account is not former
    misses = _count(page, Sketch.MISSES, counting.misses, salt, is_new_day=is_new_day)
    addresses = _count(page, Sketch.ADDRESSES, counting.addresses, salt, is_new_day=is_new_day)
    if misses is not None or addresses is not None:
        account = Account(
            account.sender_id,
            account.paid_until,
            today,
            account.misses if misses is None else misses,
            account.addresses if addresses is None else addresses,
        )
        # After the sketches: until it is there, what stands in them is of no day.
        page.write(account)
    _check_misses(account, sender, instant)
    if any(counting.addresses) and is_past(account.addresses, sender.limits.daily_addresses):
        _refuse(AddressesSpentError, "addresses", "daily_addresses", sender, instant)
    return account


def _count(page: Page, sketch: Sketch, keys: Sequence[bytes], salt: Salt, *, is_new_day: bool) -> float | None:
    """Leaves the marks of keys in a sketch; the new estimate, None where nothing changed."""
    if not (is_new_day or any(keys)):
        return None
    registers = np.zeros(REGISTERS, np.uint8) if is_new_day else page.read_sketch(sketch)
    if not mark(registers, keys, salt) and not is_new_day:
        return None
    page.write_sketch(sketch, registers)
    return estimate(registers)


def _check_misses(account: Account, sender: Sender, instant: float) -> None:
    if is_past(account.misses, sender.limits.daily_misses):
        _refuse(MissesSpentError, "recipients who are not found", "daily_misses", sender, instant)


def _refuse(error_type: type[OverBudgetError], what: str, limit: str, sender: Sender, instant: float) -> NoReturn:
    midnight = danish_midnight(day_after(danish_day(instant)))
    sentence = f"the sender has used up its {what} of today; go on after Danish midnight, or have its {limit} raised"
    raise error_type(sentence, sender_id=sender.id, retry_after=midnight - instant)
