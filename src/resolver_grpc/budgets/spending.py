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

from resolver_grpc.budgets.account import is_past
from resolver_grpc.budgets.budget_file import Page
from resolver_grpc.budgets.sketch import salt_of
from resolver_grpc.budgets.slots import Used, charge, count
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


def admit(page: Page, sender: Sender, queries: int, most: int, instant: float) -> Used:
    """Lets a request be resolved, and takes its queries on the sender's account.

    Args:
        page: the sender's.
        sender: who asks.
        queries: how many the request holds.
        most: how many it may hold.
        instant: now, in seconds of UTC.

    Returns:
        What the sender has used up today.

    Raises:
        MissesSpentError: no more can be asked today.
        RateExceededError: nothing can be asked yet.
    """
    today = danish_day(instant).toordinal()
    # A request without queries is work, too.
    charged = charge(page, today, max(queries, 1), most, sender.limits, instant)
    if charged.is_spent:
        _refuse_misses(sender, instant)
    if charged.seconds_to_wait:
        raise RateExceededError(
            "the sender asks for more queries a second than it may; wait, or have its queries_per_second raised",
            sender_id=sender.id,
            retry_after=charged.seconds_to_wait,
        )
    return charged.used


def settle(page: Page, sender: Sender, counting: Counting, instant: float) -> Used:
    """Counts what a request came to; if this returns, its answer may leave.

    Args:
        page: the sender's.
        sender: who asked.
        counting: what is counted.
        instant: now, in seconds of UTC.

    Returns:
        What the sender has used up today, this request included.

    Raises:
        MissesSpentError: this request's misses, or another's meanwhile, take the sender past its budget.
        AddressesSpentError: likewise for ADDRESS queries, of which this request has some.
    """
    today = danish_day(instant).toordinal()
    misses, addresses = b"".join(counting.misses), b"".join(counting.addresses)
    used = count(page, today, misses, addresses, salt_of(counting.secret, sender.id, today))
    if is_past(used.misses, sender.limits.daily_misses):
        _refuse_misses(sender, instant)
    if addresses and is_past(used.addresses, sender.limits.daily_addresses):
        _refuse(AddressesSpentError, "addresses", "daily_addresses", sender, instant)
    return used


def _refuse_misses(sender: Sender, instant: float) -> NoReturn:
    _refuse(MissesSpentError, "recipients who are not found", "daily_misses", sender, instant)


def _refuse(error_type: type[OverBudgetError], what: str, limit: str, sender: Sender, instant: float) -> NoReturn:
    midnight = danish_midnight(day_after(danish_day(instant)))
    sentence = f"the sender has used up its {what} of today; go on after Danish midnight, or have its {limit} raised"
    raise error_type(sentence, sender_id=sender.id, retry_after=midnight - instant)
