"""Whether a change fits its owner at all.

Source of the rules: domain rules, section 5. What is contradictory and would do harm is refused; what is late, told
twice or meets nothing is harmless and taken.
"""

from __future__ import annotations

from typing import Final

from resolver_grpc.changes import events
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.owner import apply_change, is_cancelled
from resolver_grpc.changes.owner_keys import is_reached
from resolver_grpc.changes.reasons import ChangeReason
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.model import Fact, Relation
from resolver_grpc.policy.reach import BY_ADDRESS
from resolver_grpc.rows.cells import Span

SOON_SECONDS: Final = 100 * 86_400
"""How long after a change's time it matters who comes back: past the next snapshot's horizon, also if told late."""
_MAY_BRING_A_RECORD: Final = (
    events.MailboxOpened,
    events.LoggedIn,
    events.ProtectionSet,
    events.ProtectionLifted,
)


def refusal(state: OwnerState | None, change: Change) -> ChangeReason | None:
    """Why a change can't be taken, beside what is known of its owner; None where it can.

    Of who has no mailbox nothing is kept (section 5, "Data minimisation"), so that only an opening is taken.
    """
    event = change.event
    if state is None or Fact.MAILBOX not in state.facts:
        if not isinstance(event, events.MailboxOpened):
            return ChangeReason.UNKNOWN_OWNER
        return _of_record(state, change) if state else None
    return _of_event(state, change) or _of_record(state, change)


def _of_event(state: OwnerState, change: Change) -> ChangeReason | None:
    event = change.event
    if isinstance(event, events.NumberReplaced):
        return _of_number(state, change.number, event.current_number)
    if isinstance(event, events.OptOutCancelled):
        return _of_cancellation(state, change.instant, event.sender_id)
    if isinstance(event, events.ForwardingChanged):
        spans = state.facts.get(Fact.FORWARDING, ())
        forwards = any(span.start <= change.instant < span.end for span in spans)
        return None if forwards else ChangeReason.NO_FORWARDING
    return None


def _of_record(state: OwnerState, change: Change) -> ChangeReason | None:
    """Refuses what lets an owner be reached at a home of which there are no keys.

    Two namesakes who both may be reached are ambiguous (section 5); with the keys of one of them alone, that one would
    get the other's letters. The snapshot in service may have no keys, or the next one, of tables from before the
    change: so whoever comes back brings the record along, whether the snapshot in service needs it or not.
    """
    is_needed = _is_without_keys(state, change) or _comes_back_untold(state, change)
    return ChangeReason.RECORD_NEEDED if is_needed else None


def _is_without_keys(state: OwnerState, change: Change) -> bool:
    """Whether an owner can be reached by address after a change, and there are no keys of the home."""
    if state.keyless is None:
        return False
    after = apply_change(state, change)
    return after.home is None and is_reached(after, BY_ADDRESS, state.keyless)


def _comes_back_untold(state: OwnerState, change: Change) -> bool:
    """Whether a change without a record lets an owner be reached by address when that couldn't be before it."""
    event = change.event
    if not isinstance(event, _MAY_BRING_A_RECORD) or event.person is not None:
        return False
    until = change.instant + SOON_SECONDS
    if isinstance(event, events.LoggedIn) and _is_used(state, until):
        # Nearly all logins: of who logged in lately nothing would end by then.
        return False
    after = apply_change(state, change)
    told = {edge for one in (state, after) for spans in one.facts.values() for span in spans for edge in span}
    seconds = [Span(edge, edge + 1) for edge in {ALWAYS, *told} if edge < until]
    return any(is_reached(after, BY_ADDRESS, one) and not is_reached(state, BY_ADDRESS, one) for one in seconds)


def _is_used(state: OwnerState, until: int) -> bool:
    return any(span.end >= until for span in state.facts.get(Fact.LOGIN, ()))


def _of_number(state: OwnerState, number: str, current: str) -> ChangeReason | None:
    """Refuses circles and second successors."""
    is_circle = current in state.old_numbers
    is_second = number in state.old_numbers and current != state.number
    return ChangeReason.CONTRADICTORY_NUMBER if is_circle or is_second else None


def _of_cancellation(state: OwnerState, instant: int, sender_id: str) -> ChangeReason | None:
    notices = state.facts.get(Relation.OPTED_OUT.to(sender_id), ())
    if any(is_cancelled(span.start, instant) for span in notices):
        return None
    is_in_force = any(span.start <= instant for span in notices)
    return ChangeReason.OPT_OUT_IN_FORCE if is_in_force else ChangeReason.NO_OPT_OUT
