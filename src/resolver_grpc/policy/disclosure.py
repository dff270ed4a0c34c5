"""What a caller is told of an outcome, by its role: domain rules, section 8.

What belongs here: from what the decision table says to what intake may hear of it, which must not reveal who has
a mailbox without that person's consent. Whoever is not delivery is told no more than intake: which roles may
resolve at all is not decided here.
"""

from __future__ import annotations

from typing import Final

from resolver_grpc.model import Kind, Reason, Role, Sender
from resolver_grpc.policy.table import Candidates, Facts, Outcome, decide, fallback

HIDDEN: Final = frozenset({Reason.OPTED_OUT, Reason.NOT_SUBSCRIBED})
"""Reasons that only somebody with a mailbox gives cause for, and who did not agree to its being known."""
MISSES: Final = HIDDEN | {Reason.NOT_FOUND, Reason.HELD_FOR_SENDER}
"""Reasons, whoever is told them, that to intake are NOT_FOUND or HELD_FOR_SENDER: what budgets count as a miss."""


def told(facts: Facts, sender: Sender, role: Role) -> Outcome:
    """What a caller of a role is told of a query.

    To intake, an owner who opted out or does not subscribe is as one whom nobody knows: what row 5 or 6 of the
    table gives this sender. The notice of opting out was addressed to the sender: who lets letters wait is given
    the fallback then, and nothing is held. An owner without consent, under protection, or whose mailbox is closed
    is no candidate, so that the table itself gives row 5 or 6.

    Args:
        facts: what is known of the query and of its owner.
        sender: whose letters these are.
        role: the caller's.

    Returns:
        The table's route and reason, or for intake those of a query that reaches nobody.
    """
    outcome = decide(facts, sender)
    if role is Role.DELIVERY:
        return outcome
    # Asked whether it is needed or not, so that the time does not tell.
    missed = decide(facts._replace(candidates=Candidates.NONE), sender)
    noticed = Outcome(fallback(facts, sender), Reason.NOT_FOUND) if sender.hold else missed
    return {Reason.OPTED_OUT: noticed, Reason.NOT_SUBSCRIBED: missed}.get(outcome.reason, outcome)


def tells_targets(kind: Kind, role: Role) -> bool:
    """Whether a decision of a query of this kind names its targets: of ADDRESS their number would tell how many live
    there.
    """
    return role is Role.DELIVERY or kind is not Kind.ADDRESS


def tells_numbers(role: Role) -> bool:
    """Whether a target has its CPR or CVR number and its forwarding address, or its handle alone."""
    return role is Role.DELIVERY
