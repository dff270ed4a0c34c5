"""What each event does to its owner: one small function for each, in one table.

Source of the rules: domain rules, section 5 ("Who may be reached", "Time") and section 6; what a fact means is
``model.Fact``'s. Pure and total: an event that contradicts what is known is taken in the way that reaches fewer, also
where ``refusing.refusal`` would have refused it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from resolver_grpc.changes import events
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.state import OwnerState, begun, ended, known, start_of_day, stated, until
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.model import Fact, Relation
from resolver_grpc.rows.cells import Span, bounded
from resolver_grpc.rows.persons import LIVING_THERE, OUT_OF_EMAIL, Person
from resolver_grpc.times import danish_day, danish_midnight, day_after, five_years_after

NOTICE_DAYS: Final = 7

Taken = Callable[[OwnerState, int, Any], OwnerState]
"""What an event does: the state before, when the event takes effect, the event; gives the state after."""


def apply_change(state: OwnerState | None, change: Change) -> OwnerState:
    """Takes a change into what is known of an owner.

    Args:
        state: what is known of the owner so far; None of somebody without a mailbox.
        change: a change whose number leads to that owner, or whose number is replaced by the owner's.
    """
    before = OwnerState(change.number) if state is None else state
    if isinstance(change.event, events.NumberReplaced):
        after = _renumbered(before, change.number, change.instant, change.event)
    else:
        after = _TAKEN[type(change.event)](before, change.instant, change.event)
    return replace(after, changes=before.changes + 1)


def in_force_of_notice(instant: int) -> int:
    """When an opt-out of which notice was given comes into force (section 6): 00:00 on the seventh day after."""
    return bounded(danish_midnight(day_after(danish_day(instant), NOTICE_DAYS)))


def used_until(instant: int) -> int:
    """Before when a mailbox counts as used after a login (section 5): one exactly five years ago still counts."""
    return bounded(five_years_after(instant) + 1)


def is_cancelled(start: int, instant: int) -> bool:
    """Whether an opt-out that comes into force at an instant is taken back by a cancellation at another.

    One that was cancelled before the day of its notice was given anew, and one in force can't be cancelled.
    """
    day_of_notice = day_after(danish_day(start), -NOTICE_DAYS)
    return danish_midnight(day_of_notice) <= instant < start


def _opened(state: OwnerState, instant: int, _event: events.MailboxOpened) -> OwnerState:
    """Before its opening a mailbox doesn't exist; one that is open stays as it is, a closed one begins anew."""
    spans = state.facts.get(Fact.MAILBOX, ())
    closings = state.ended.get(Fact.MAILBOX, ())
    if instant <= max(closings) if closings else spans:
        return state
    opened = known(state, Fact.MAILBOX, (Span(instant, FOREVER),))
    return _logged_in(replace(opened, ended={**state.ended, Fact.MAILBOX: ()}), instant, events.LoggedIn())


def _closed(state: OwnerState, instant: int, _event: events.MailboxClosed) -> OwnerState:
    """A mailbox is closed from that instant on; closed before it was opened, it never was."""
    spans = tuple(Span(span.start, min(span.end, instant)) for span in state.facts.get(Fact.MAILBOX, ()))
    closings = (*state.ended.get(Fact.MAILBOX, ()), instant)
    return known(replace(state, ended={**state.ended, Fact.MAILBOX: closings}), Fact.MAILBOX, spans)


def _logged_in(state: OwnerState, instant: int, _event: events.LoggedIn) -> OwnerState:
    """A login exactly five years ago still counts; an earlier login than the last changes nothing."""
    ends = [span.end for span in state.facts.get(Fact.LOGIN, ())]
    return known(state, Fact.LOGIN, (Span(ALWAYS, max([*ends, used_until(instant)])),))


def _private_ended(state: OwnerState, instant: int, _event: events.PrivatePostEnded) -> OwnerState:
    starts = [span.start for span in state.facts.get(Fact.PRIVATE_CLOSED, ())]
    return known(state, Fact.PRIVATE_CLOSED, (Span(min([*starts, instant]), FOREVER),))


def _erased(state: OwnerState, _instant: int, _event: events.Erased) -> OwnerState:
    """Nothing holds of who was erased, whenever it was to take effect; the numbers lead to that nothing."""
    return OwnerState(state.number, state.old_numbers)


def _consented(state: OwnerState, instant: int, event: events.AddressConsentGiven) -> OwnerState:
    """Of consent given and withdrawn the later wins, at a tie the withdrawal; of two consents the later counts."""
    return _recorded(begun(state, Fact.CONSENT, instant), instant, event.person)


def _withdrew(state: OwnerState, instant: int, _event: events.AddressConsentWithdrawn) -> OwnerState:
    return ended(state, Fact.CONSENT, instant)


def _moved(state: OwnerState, instant: int, event: events.Moved | events.Renamed) -> OwnerState:
    return _recorded(state, instant, event.person)


def _recorded(state: OwnerState, instant: int, person: Person) -> OwnerState:
    """A record of the register takes the place of the former whole, but of a later one, and of one after a death.

    Only one home and one name are known at a time. With another one the person lives nowhere until the record takes
    effect: not at the new home yet, and not at the old one any more, which is not kept.
    """
    state = stated(state, Fact.PROTECTION, person.protections, instant)
    departures = state.ended.get(Fact.RESIDENT, ())
    if instant < state.recorded or (departures and instant <= max(departures)):
        return state
    is_same = (state.home, state.names) == (person.home, person.names)
    lived = until(state.facts.get(Fact.RESIDENT, ()), instant) if is_same else ()
    held = until(state.facts.get(Fact.REGISTERED, ()), instant)
    since = (Span(instant, FOREVER),)
    state = known(state, Fact.RESIDENT, (*lived, *since) if person.status in LIVING_THERE else lived)
    state = known(state, Fact.REGISTERED, held if person.status in OUT_OF_EMAIL else (*held, *since))
    return replace(state, recorded=instant, home=person.home, names=person.names)


def _protected(state: OwnerState, instant: int, event: events.ProtectionSet) -> OwnerState:
    return stated(state, Fact.PROTECTION, event.protections, instant)


def _unprotected(state: OwnerState, instant: int, _event: events.ProtectionLifted) -> OwnerState:
    """A protection holds on its last day too."""
    return stated(state, Fact.PROTECTION, (), instant)


def _left(state: OwnerState, instant: int, _event: events.Died | events.Emigrated | events.Disappeared) -> OwnerState:
    """The dead, emigrated and disappeared live nowhere and are not reached by e-mail."""
    departures = (*state.ended.get(Fact.RESIDENT, ()), instant)
    state = replace(state, ended={**state.ended, Fact.RESIDENT: departures})
    for fact in (Fact.RESIDENT, Fact.REGISTERED):
        state = known(state, fact, until(state.facts.get(fact, ()), instant))
    return state


def _renumbered(state: OwnerState, number: str, instant: int, event: events.NumberReplaced) -> OwnerState:
    """An old number leads to the current one, its mailbox too, with the current person's record."""
    current = event.current_number
    if current in state.old_numbers or state.number not in {number, current}:
        return state
    olds = tuple(sorted({*state.old_numbers, number}))
    return _recorded(replace(state, number=current, old_numbers=olds), instant, event.person)


def _verified(state: OwnerState, instant: int, event: events.EmailVerified) -> OwnerState:
    address = event.email_address
    since = min(instant, state.verified.get(address, instant))
    return _claim_judged(replace(state, verified={**state.verified, address: since}))


def _claimed(state: OwnerState, instant: int, event: events.EmailClaimed) -> OwnerState:
    """An owner claims one address: the later claim stands, to the same or to another."""
    if instant < state.claimed:
        return state
    return _claim_judged(replace(state, email_address=event.email_address, claimed=instant))


def _dropped(state: OwnerState, instant: int, event: events.EmailDropped) -> OwnerState:
    address = event.email_address
    state = replace(state, dropped={**state.dropped, address: (*state.dropped.get(address, ()), instant)})
    if state.email_address is None:
        # It may be the one that the snapshot has.
        return known(state, Fact.CLAIM, until(state.facts.get(Fact.CLAIM, ()), instant))
    return _claim_judged(state)


def _claim_judged(state: OwnerState) -> OwnerState:
    """A claim counts once it is verified too; the later of claim and drop counts, at a tie the drop.

    From then on nobody else's does: who claimed the address before drops it (``bearing.effects``).
    """
    address = state.email_address
    if address is None:
        return state
    if address not in state.verified:
        return known(state, Fact.CLAIM, ())
    start = max(state.verified[address], state.claimed)
    drops = [drop for drop in state.dropped.get(address, ()) if drop >= state.claimed]
    state = known(state, Fact.CONTESTED, until(state.facts.get(Fact.CONTESTED, ()), start))
    return known(state, Fact.CLAIM, (Span(start, min(drops, default=FOREVER)),))


def _exempted(state: OwnerState, instant: int, event: events.Exempted) -> OwnerState:
    """Of whole days, as the table's columns are."""
    return stated(state, Fact.EXEMPT, (Span(start_of_day(instant), event.until),), instant)


def _exempt_no_more(state: OwnerState, instant: int, _event: events.ExemptionEnded) -> OwnerState:
    return stated(state, Fact.EXEMPT, (), instant)


def _with_record(taken: Taken) -> Taken:
    """What an event does that may bring the register's record along, which takes effect with it."""

    def both(state: OwnerState, instant: int, event: Any) -> OwnerState:  # noqa: ANN401 - several events bring one
        state = taken(state, instant, event)
        return _recorded(state, instant, event.person) if event.person else state

    return both


def _began(relation: Relation) -> Taken:
    return lambda state, instant, event: begun(state, relation.to(event.sender_id), instant)


def _ceased(relation: Relation) -> Taken:
    return lambda state, instant, event: ended(state, relation.to(event.sender_id), instant)


def _opted_out(state: OwnerState, instant: int, event: events.OptedOut) -> OwnerState:
    """Each notice stands for itself: a second one does not put the first one off."""
    fact = Relation.OPTED_OUT.to(event.sender_id)
    notice = Span(in_force_of_notice(instant), FOREVER)
    return known(state, fact, tuple(sorted({*state.facts.get(fact, ()), notice})))


def _opt_out_cancelled(state: OwnerState, instant: int, event: events.OptOutCancelled) -> OwnerState:
    """Cancellable until it is in force."""
    fact = Relation.OPTED_OUT.to(event.sender_id)
    notices = state.facts.get(fact, ())
    return known(state, fact, tuple(span for span in notices if not is_cancelled(span.start, instant)))


def _forwards(state: OwnerState, instant: int, address: str, end: int) -> OwnerState:
    """One address is known at a time: until a new one counts, the organisation's own mailbox takes its post."""
    starts = [span.start for span in state.facts.get(Fact.FORWARDING, ())]
    if starts and instant < max(starts):
        return state
    ends = tuple(one for one in state.ended.get(Fact.FORWARDING, ()) if one >= instant)
    state = replace(state, ended={**state.ended, Fact.FORWARDING: ends}, forwarding_address=address)
    return known(state, Fact.FORWARDING, (Span(instant, min([*ends, end])),))


def _forwarding_set(state: OwnerState, instant: int, event: events.ForwardingSet) -> OwnerState:
    return _forwards(state, instant, event.forwarding_address, event.until)


def _forwarding_changed(state: OwnerState, instant: int, event: events.ForwardingChanged) -> OwnerState:
    ends = [span.end for span in state.facts.get(Fact.FORWARDING, ()) if span.start <= instant < span.end]
    return _forwards(state, instant, event.forwarding_address, max(ends)) if ends else state


def _forwarding_ended(state: OwnerState, instant: int, _event: events.ForwardingEnded) -> OwnerState:
    return ended(state, Fact.FORWARDING, instant)


def _curator_took_over(state: OwnerState, instant: int, event: events.CuratorTookOver) -> OwnerState:
    return _forwards(state, instant, event.forwarding_address, FOREVER)


_TAKEN: dict[type, Taken] = {
    events.MailboxOpened: _with_record(_opened),
    events.MailboxClosed: _closed,
    events.LoggedIn: _with_record(_logged_in),
    events.PrivatePostEnded: _private_ended,
    events.Erased: _erased,
    events.AddressConsentGiven: _consented,
    events.AddressConsentWithdrawn: _withdrew,
    events.Moved: _moved,
    events.Renamed: _moved,
    events.ProtectionSet: _with_record(_protected),
    events.ProtectionLifted: _with_record(_unprotected),
    events.Died: _left,
    events.Emigrated: _left,
    events.Disappeared: _left,
    events.EmailVerified: _verified,
    events.EmailClaimed: _claimed,
    events.EmailDropped: _dropped,
    events.Exempted: _exempted,
    events.ExemptionEnded: _exempt_no_more,
    events.Subscribed: _began(Relation.SUBSCRIBED),
    events.Unsubscribed: _ceased(Relation.SUBSCRIBED),
    events.Bound: _began(Relation.BOUND),
    events.AgreementEnded: _ceased(Relation.BOUND),
    events.OptedOut: _opted_out,
    events.OptOutCancelled: _opt_out_cancelled,
    events.ForwardingSet: _forwarding_set,
    events.ForwardingChanged: _forwarding_changed,
    events.ForwardingEnded: _forwarding_ended,
    events.CuratorTookOver: _curator_took_over,
}
