"""The server's budgets: each request is held to what its sender may still ask.

What belongs here: keeping the file open, and telling log and metrics how it fares. What is refused and what counts is
the budgets package's. A worker counts between two steps of its event loop; what it waits for is another worker that
does the same, some tens of microseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from resolver_grpc.budgets.budget_file import BudgetFile
from resolver_grpc.budgets.slots import Used
from resolver_grpc.budgets.spending import Counting, admit, settle
from resolver_grpc.errors import BudgetFileError
from resolver_grpc.model import Limits, Sender
from resolver_grpc.resolve import Counted
from resolver_grpc.server.batch import MAX_QUERIES
from resolver_grpc.server.plan import Plan
from resolver_grpc.times import danish_day

SECONDS_BETWEEN_LOOKS: Final = 1.0
_UNAVAILABLE: Final = "the sender's budgets can't be kept, and nothing is resolved meanwhile; try again later"


class Budgeting:
    """Keeps the budgets of all senders; used on the event loop alone.

    Args:
        file: where they stand.
        log: is told when they can't be kept, and when they can again.
        clock: tells the instant, in seconds of UTC; never one that is replayed, for budgets are spent now.
    """

    def __init__(self, file: BudgetFile, log: FilteringBoundLogger, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._faults = _Faults(log)
        self._is_lost = False
        self._changed: Callable[[], None] | None = None
        self._day, self._share = 0, 0.0

    @property
    def is_well(self) -> bool:
        """Whether the file is where it was; where it isn't, nothing is resolved."""
        return not self._is_lost

    def on_change(self, changed: Callable[[], None]) -> None:
        """Has something called whenever ``is_well`` changes."""
        self._changed = changed

    def meter(self, secret: bytes) -> SenderMeter:
        """The meter of one request.

        Args:
            secret: what its keys are hashed with once more, of the master key that they are made under.
        """
        return SenderMeter(self, secret)

    def admit(self, sender: Sender, queries: int) -> None:
        """Lets a request be resolved; see ``spending.admit``."""
        instant = self._clock()
        if self._is_lost:
            raise BudgetFileError(_UNAVAILABLE)
        with self._faults, self._file.page_of(sender.id) as page:
            used = admit(page, sender, queries, MAX_QUERIES, instant)
        self._note(used, sender.limits)

    def settle(self, sender: Sender, counting: Counting) -> None:
        """Counts what a request came to; see ``spending.settle``."""
        instant = self._clock()
        with self._faults, self._file.page_of(sender.id) as page:
            used = settle(page, sender, counting, instant)
        self._note(used, sender.limits)

    async def watch(self) -> None:
        """Looks every second whether the file is still there, until cancelled; before each batch it would cost more."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            self.look()

    def look(self) -> None:
        """Looks whether the file is still there; tells the log, and whoever asked for it, when that changes."""
        was_lost, self._is_lost = self._is_lost, False
        try:
            self._file.check_place()
        except BudgetFileError as error:
            self._is_lost = True
            self._faults.note(error.message)
        if was_lost and not self._is_lost:
            # Not otherwise: what is wrong with a sender's slot isn't mended by the file's being there.
            self._faults.note("")
        if was_lost != self._is_lost and self._changed:
            self._changed()

    def highest_share(self) -> float:
        """The share of a daily budget that is used up, of the sender who used up most of one while this process saw."""
        return self._share if self._day == danish_day(self._clock()).toordinal() else 0.0

    def close(self) -> None:
        """Syncs and closes the file; it was closed if that fails."""
        with suppress(BudgetFileError):
            self._file.close()

    def _note(self, used: Used, limits: Limits) -> None:
        if self._day != used.day:
            self._day, self._share = used.day, 0.0
        shares = used.misses / limits.daily_misses, used.addresses / limits.daily_addresses
        self._share = max(self._share, *shares)


class _Faults:
    """Tells the log of faults of the file that come up, and go away, in a block; and callers that there is one."""

    __slots__ = ("_fault", "_log")

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._fault = ""

    def note(self, fault: str) -> None:
        """Takes what is wrong by now; nothing where it is empty."""
        if fault != self._fault:
            self._fault = fault
            self._tell()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        fault = error.message if isinstance(error, BudgetFileError) else ""
        self.note(fault)
        if fault:
            # Callers are told nothing of this machine's folders.
            raise BudgetFileError(_UNAVAILABLE) from None

    def _tell(self) -> None:
        with suppress(OSError):
            if self._fault:
                self._log.error("budgets can't be kept", reason=self._fault)
            else:
                self._log.info("budgets kept again")


class SenderMeter:
    """Meters one request.

    Args:
        budgeting: keeps the budgets.
        secret: see ``Budgeting.meter``.
    """

    def __init__(self, budgeting: Budgeting, secret: bytes) -> None:
        self._budgeting = budgeting
        self._secret = secret
        self._is_admitted = False

    def admit(self, sender: Sender, queries: int) -> None:
        """Lets the request be resolved; its queries are taken once, whichever way asks, and however often.

        Raises:
            OverBudgetError: the sender has used up a budget.
            BudgetFileError: budgets can't be kept.
        """
        if not self._is_admitted:
            self._budgeting.admit(sender, queries)
            self._is_admitted = True

    def settle(self, sender: Sender, counted: Counted) -> None:
        """Counts what the request came to.

        Raises:
            OverBudgetError: it takes the sender past a budget.
            BudgetFileError: budgets can't be kept.
        """
        if any(counted.misses) or any(counted.addresses):
            self._budgeting.settle(sender, Counting(counted.misses, counted.addresses, self._secret))


def open_budgets(plan: Plan, log: FilteringBoundLogger) -> Budgeting | None:
    """Opens the file of budgets; None where none are to be kept.

    Raises:
        BudgetFileError: it can't be opened, or is none.
    """
    return Budgeting(BudgetFile(plan.budgets), log) if plan.budgets else None
