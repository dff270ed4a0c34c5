"""What a change bears on beside its owner: what it does to others.

Source of the rules: domain rules, section 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from resolver_grpc.changes import events
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.model import Fact


def effects(state: OwnerState, change: Change, others: Iterable[str]) -> list[Change]:
    """What a change does to other owners, as changes of their own, of the same id.

    Args:
        state: the owner after the change.
        change: the change.
        others: the numbers of the other owners that it touches: for an e-mail address those who claim it, for a number
            that is replaced the current one where it has a mailbox of its own.
    """
    event = change.event
    if isinstance(event, events.EmailVerified | events.EmailClaimed) and state.email_address == event.email_address:
        # A claim moves when it counts, and never by being made alone: anybody can say that an address is theirs.
        drop = events.EmailDropped(event.email_address)
        instants = [span.start for span in state.facts.get(Fact.CLAIM, ()) if span.start < span.end]
        return [replace(change, number=other, instant=start, event=drop) for start in instants for other in others]
    if isinstance(event, events.NumberReplaced):
        # Two mailboxes for one owner: whose letters go where can't be known, and both are out, at once.
        both = [number for other in others for number in (change.number, other)]
        return [replace(change, number=number, instant=ALWAYS, event=events.MailboxClosed()) for number in both]
    return []
