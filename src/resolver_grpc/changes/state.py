"""What is known of one owner, as a value, and the few ways in which what is known of a fact changes.

What belongs here: spans and the order of what was told. Which event uses which way stands in ``owner.py``. What comes
late is put where it belongs: of two things told the one of the later instant wins, whichever came first, and at a tie
the one that reaches fewer (domain rules, section 5, "Time").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span, bounded
from resolver_grpc.rows.persons import Home
from resolver_grpc.times import danish_day, danish_midnight, day_after

Spans = tuple[Span, ...]

_HOUR: Final = 3_600
_MEMORY: Final = 1 << 12

_OF_DAYS_TOLD: Final = frozenset({Fact.PROTECTION, Fact.EXEMPT, Fact.FORWARDING, Fact.LOGIN})
"""Facts that end by themselves, on a day that was told when they began: no event has said that they end."""


@dataclass(frozen=True, slots=True)
class OwnerState:
    """An owner after so many changes.

    Attributes:
        number: the current CPR or CVR number.
        old_numbers: the numbers that lead to it, sorted.
        facts: when each fact holds, as the index has it; spans may overlap, and an inverted one holds never.
        ended: of a fact that begins and ends, the instants at which it was said to end that may still count.
        stated: of a fact whose spans are told as one list, when the last list took effect.
        recorded: when the register's last record took effect.
        home: where the person is registered; None where no change has told.
        names: the canonical words of the name that count; None where no change has told.
        email_address: the address that was claimed last, ``""`` for none; None where it is the snapshot's, which keeps
            its key alone.
        claimed: when it was claimed.
        verified: when each e-mail address was verified.
        dropped: when the claim to each was dropped.
        forwarding_address: where an organisation forwards to, ``""`` for nowhere.
        keyless: the horizon of a snapshot that has no key of the home, for nobody could be reached there within it;
            None where there is nothing that it could lack.
        changes: how many changes this is after, of the owner's own and of others that touched it.
    """

    number: str = field(repr=False)
    old_numbers: tuple[str, ...] = field(default=(), repr=False)
    facts: Mapping[str, Spans] = field(default_factory=dict)
    ended: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    stated: Mapping[str, int] = field(default_factory=dict)
    recorded: int = ALWAYS
    home: Home | None = field(default=None, repr=False)
    names: tuple[str, ...] | None = field(default=None, repr=False)
    email_address: str | None = field(default="", repr=False)
    claimed: int = ALWAYS
    verified: Mapping[str, int] = field(default_factory=dict, repr=False)
    dropped: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    forwarding_address: str = field(default="", repr=False)
    keyless: Span | None = None
    changes: int = field(default=0, compare=False)


def state_from_index(
    number: str, old_numbers: tuple[str, ...], facts: Mapping[str, Spans], forwarding_address: str = ""
) -> OwnerState:
    """The state of an owner of whom a snapshot alone tells: neither home nor name nor e-mail address is known."""
    ended = {
        fact: (spans[-1].end,)
        for fact, spans in facts.items()
        if fact not in _OF_DAYS_TOLD and spans and spans[-1].end < FOREVER
    }
    claims = facts.get(Fact.CLAIM, ())
    return OwnerState(
        number,
        old_numbers,
        facts,
        ended,
        email_address=None if claims else "",
        claimed=claims[-1].start if claims else ALWAYS,
        forwarding_address=forwarding_address,
    )


def known(state: OwnerState, fact: str, spans: Spans) -> OwnerState:
    """The state in which a fact holds in these spans and no others."""
    facts = {name: held for name, held in state.facts.items() if name != fact}
    return replace(state, facts=facts | {fact: spans} if spans else facts)


def begun(state: OwnerState, fact: str, instant: int) -> OwnerState:
    """A fact was said to begin: of two beginnings the later counts, and so do all ends after it or at it."""
    spans = state.facts.get(fact, ())
    start = max([instant, *(span.start for span in spans[-1:])])
    ends = tuple(end for end in state.ended.get(fact, ()) if end >= start)
    return known(replace(state, ended={**state.ended, fact: ends}), fact, (Span(start, min(ends, default=FOREVER)),))


def ended(state: OwnerState, fact: str, instant: int) -> OwnerState:
    """A fact was said to end: one that began later stands, and one that begins with it never holds."""
    spans = state.facts.get(fact, ())
    state = replace(state, ended={**state.ended, fact: (*state.ended.get(fact, ()), instant)})
    return known(state, fact, (*spans[:-1], *(_cut(span, instant) for span in spans[-1:])))


def stated(state: OwnerState, fact: str, spans: Spans, instant: int) -> OwnerState:
    """All spans of a fact that speaks against reaching were told anew.

    The former hold until the end of the Danish day on which the new list takes effect, and for good beside a list that
    is not later than theirs.
    """
    former = state.facts.get(fact, ())
    latest = state.stated.get(fact, -1)
    if instant > latest:
        former = until(former, end_of_day(instant))
    state = replace(state, stated={**state.stated, fact: max(latest, instant)})
    return known(state, fact, tuple(dict.fromkeys((*former, *spans))))


def until(spans: Spans, instant: int) -> Spans:
    """What of some spans lies before an instant."""
    return tuple(Span(span.start, min(span.end, instant)) for span in spans if span.start < instant)


def end_of_day(instant: int) -> int:
    """The first Danish midnight that is not before an instant: one that is a midnight ends the day before."""
    start, end = _day_of(instant // _HOUR)
    return instant if instant == start else end


def start_of_day(instant: int) -> int:
    """The Danish midnight at which the day of an instant starts."""
    return bounded(danish_midnight(danish_day(instant)))


@lru_cache(_MEMORY)
def _day_of(hour: int) -> tuple[int, int]:
    """The Danish midnights around an hour of UTC: no day starts within one."""
    day = danish_day(hour * _HOUR)
    return danish_midnight(day), bounded(danish_midnight(day_after(day)))


def _cut(span: Span, instant: int) -> Span:
    return Span(span.start, min(span.end, instant)) if instant >= span.start else span
