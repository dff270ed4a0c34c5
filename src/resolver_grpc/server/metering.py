"""How a request is metered: the meter is asked before it is resolved, and told what it came to before that is told.

What belongs here: what both ways know of a meter. What stands behind it is ``budgeting.py``'s.
"""

from __future__ import annotations

from typing import Final, Protocol

from resolver_grpc.model import Sender
from resolver_grpc.resolve import Counted


class Meter(Protocol):
    """Meters one request; both ways may ask it, the second after the first gave up."""

    def admit(self, sender: Sender, queries: int) -> None:
        """Lets the request be resolved.

        Args:
            sender: the onboarded sender that the caller acts for.
            queries: how many the request holds.

        Raises:
            OverBudgetError: the sender has used up a budget.
            BudgetFileError: budgets can't be kept.
        """

    def settle(self, sender: Sender, counted: Counted) -> None:
        """Counts what the request came to; if this returns it may be told.

        Raises:
            OverBudgetError: the request takes the sender past a budget.
            BudgetFileError: budgets can't be kept.
        """


class _Unmetered:
    """Lets everything pass."""

    def admit(self, sender: Sender, queries: int) -> None:
        """Lets it pass."""

    def settle(self, sender: Sender, counted: Counted) -> None:
        """Lets it pass."""


UNMETERED: Final[Meter] = _Unmetered()
"""For a server that keeps no budgets."""
