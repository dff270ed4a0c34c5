"""What an index and the changes after it come to, so that one index can be made of both without the register.

What belongs here: one ordinal for each owner, and the keys that lead to it. Over an index an owner may have two: the
old one for the keys that the index has, which can't be told apart, and a new one for the keys that changes told. Here
they become one again: a change that comes later must find all of its owner. Either all old keys go on leading to it, or
none but those of its numbers. An address key that counts always goes on: of two namesakes at one address the other
alone would be found. What has to be given up instead is the e-mail address, until the next build.

The keys of an index keep this: an address key leads to nobody who never consents or lives anywhere by the facts, an
e-mail key to nobody who never claims an address. So the facts tell of which kinds an owner's old keys can be. Where
such a fact holds no more at any time and the keys go on, it holds for the first second of 1970.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from resolver_grpc.changes import events
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.changes.state import OwnerState, Spans
from resolver_grpc.index.amendment import AmendedOwner, Amendment
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.index.reader import SpannedIndex
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span, is_cpr

_OF_KEYS: Final = (Fact.CONSENT, Fact.RESIDENT, Fact.CLAIM)
_ONCE: Final = (Span(ALWAYS, ALWAYS + 1),)


def amendment_of(keys: IndexKeys, changes: Iterable[Change], below: SpannedIndex, window: Span) -> Amendment:
    """Works out what is otherwise than an index has it after some changes.

    Args:
        keys: makes the index's keys.
        changes: in the order of the log.
        below: the index.
        window: its snapshot's horizon.
    """
    compaction = Compaction(below, keys, window)
    for change in changes:
        compaction.take(change)
    return compaction.amendment()


def erased_numbers(changes: Iterable[Change]) -> set[str]:
    """The numbers of owners whom changes erased, and those that changes led to them before."""
    erased: set[str] = set()
    formers: defaultdict[str, set[str]] = defaultdict(set)
    for change in changes:
        if isinstance(change.event, events.NumberReplaced):
            formers[change.event.current_number] |= {change.number, *formers.pop(change.number, ())}
        if isinstance(change.event, events.Erased):
            erased |= {change.number, *formers[change.number]}
    return erased


class Compaction:
    """Changes over an index, and who was touched by them.

    Args:
        below: the index.
        keys: makes its keys.
        window: its snapshot's horizon.
    """

    def __init__(self, below: SpannedIndex, keys: IndexKeys, window: Span) -> None:
        self._below = below
        self._keys = keys
        self._overlay = Overlay(below, keys, window)
        self._index = OverlaidIndex(self._overlay)
        self._numbers: set[str] = set()
        self._told: set[bytes] = set()
        self._owners: dict[int, AmendedOwner] = {}
        self._removed: set[int] = set()
        self._ordinals: dict[str, int] = {}
        self._next = below.owners

    def take(self, change: Change) -> None:
        """Takes the next change of the log.

        The keys that stand with it there may be of another master key; they are made anew.
        """
        event = change.event
        self._numbers.add(change.number)
        state = self._overlay.state(change.number)
        if isinstance(event, events.NumberReplaced):
            self._numbers.add(event.current_number)
            state = state or self._overlay.state(event.current_number)
        if isinstance(event, events.EmailVerified | events.EmailClaimed):
            # Whose claim ends by it, if anybody's.
            claimants = self._below.find([self._keys.key(KeyKind.EMAIL, event.email_address)])[0]
            self._numbers.update(self._below.number(ordinal) for ordinal in claimants)
        keys = keys_of(apply_change(state, change), self._keys)
        self._told.update(keys)
        self._overlay.take(change, keys)

    def amendment(self) -> Amendment:
        """What all of them come to."""
        found = (self._overlay.state(number) for number in sorted(self._numbers))
        for state in {state.number: state for state in found if state}.values():
            self._amend(state)
        told = {key: self._led(key) for key in sorted(self._told)}
        return Amendment(self._owners, frozenset(self._removed), told)

    def _amend(self, state: OwnerState) -> None:
        """Says what is otherwise of an owner, and gives it an ordinal."""
        olds = self._olds_of(state)
        if not state.facts:
            # Of who has nothing, not even a mailbox that was closed, nothing is kept: an owner was erased.
            self._removed.update(olds)
            return
        # Two mailboxes that met in one number are both closed; one ordinal is enough for them.
        self._removed.update(olds[1:])
        ordinal = olds[0] if olds else self._next
        self._next += not olds
        self._ordinals[state.number] = ordinal
        self._owners[ordinal] = self._amended(state, olds[0] if olds else None)

    def _amended(self, state: OwnerState, old: int | None) -> AmendedOwner:
        news = [one for one in self._index.find([self._key_of(state.number)])[0] if one >= self._below.owners]
        spans = self._below.spans_of(old) if old is not None else {}
        facts: dict[str, Spans] = dict(state.facts)
        kept = None
        if self._are_given_up(state, spans):
            kept = frozenset(self._keys_of_numbers(state))
            if not state.email_address:
                facts.pop(Fact.CLAIM, None)
        else:
            if state.email_address and Fact.CLAIM in spans:
                facts.pop(Fact.CLAIM, None)
            facts |= {fact: _ONCE for fact in _OF_KEYS if fact in spans and fact not in facts}
        if state.home:
            address_number = self._index.address_number(news[0]) if news else 0
        else:
            address_number = self._below.address_number(old) if old is not None else 0
        return AmendedOwner(state.number, address_number, state.forwarding_address, facts, kept)

    def _are_given_up(self, state: OwnerState, spans: Mapping[str, object]) -> bool:
        """Whether old keys of an owner lead to it no more, and which these are can't be told."""
        has_address_keys = Fact.CONSENT in spans and Fact.RESIDENT in spans
        if has_address_keys:
            return bool(state.home)
        return bool(state.email_address) and Fact.CLAIM in spans

    def _led(self, key: bytes) -> tuple[int, ...]:
        """All whom a key leads to by now that a change told."""
        return tuple(sorted({one for found in self._index.find([key])[0] for one in self._target(found, key)}))

    def _target(self, found: int, key: bytes) -> Iterable[int]:
        """The one ordinal of whom a key finds; none by an old key that is kept no more."""
        if found >= self._below.owners:
            ordinal = self._ordinals.get(self._index.number(found))
            return () if ordinal is None else (ordinal,)
        kept = self._owners[found].kept_keys if found in self._owners else None
        is_gone = found in self._removed or (kept is not None and key not in kept)
        return () if is_gone else (found,)

    def _olds_of(self, state: OwnerState) -> list[int]:
        """An owner's ordinals in the index: its own first, which has the number that it had before any other's."""
        found = {one for key in self._keys_of_numbers(state) for one in self._below.find([key])[0]}
        return sorted(found, key=lambda one: (self._below.number(one) == state.number, one))

    def _keys_of_numbers(self, state: OwnerState) -> list[bytes]:
        return [self._key_of(number) for number in (state.number, *state.old_numbers)]

    def _key_of(self, number: str) -> bytes:
        return self._keys.key(KeyKind.CPR if is_cpr(number) else KeyKind.CVR, number)
