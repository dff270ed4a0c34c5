"""The overlay: what the changes after a snapshot come to, laid over it.

What belongs here: which ordinals stand for which owner, which keys lead to them, and who else a change touches. What an
event does to its owner ``owner.py`` says, what a set of facts is at an instant ``overlay_facts.py``.

A snapshot has keys and no names, so that the keys which lead to an owner there can't be told apart. Who is known by a
home, an e-mail address or a number of which the snapshot doesn't know gets an ordinal past the snapshot's, to which the
new keys lead. The old ordinal stays for the keys that still count, without what the new one took over: of a mover it
doesn't live anywhere, of who claimed another address it claims none. Where both stand under one key the new one counts
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from resolver_grpc.changes import events
from resolver_grpc.changes.bearing import effects
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.overlay_facts import Known, OverlayFacts
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import address_key, is_reached
from resolver_grpc.changes.state import OwnerState, state_from_index
from resolver_grpc.index.reader import SpannedIndex
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact
from resolver_grpc.policy.reach import BY_ADDRESS, BY_EMAIL
from resolver_grpc.rows.cells import Span, is_cpr

_NOTHING: Final[Known] = {}


@dataclass(slots=True)
class Touched:
    """An owner whom changes touched.

    Attributes:
        state: what is known of it by now.
        old: its ordinal in the snapshot; None where the snapshot doesn't know it.
        new: its ordinal past the snapshot's; None where the old one is enough.
        keys: the keys that lead to the new ordinal.
        address_number: the number of its home, where a change told that; 0 for none.
        below: what the snapshot says of its old ordinal, until that is laid over.
    """

    state: OwnerState
    old: int | None = None
    new: int | None = None
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    address_number: int = 0
    below: Known = field(default_factory=dict)


class Overlay:
    """What the changes after a snapshot come to, one after the other.

    It grows only: a new snapshot begins with a new one. A batch is resolved between two changes.

    Args:
        below: the snapshot's index.
        keys: makes its keys.
        window: its horizon.
    """

    def __init__(self, below: SpannedIndex, keys: IndexKeys, window: Span) -> None:
        self.below = below
        self.facts = OverlayFacts()
        self.version = 0
        self.by_ordinal: dict[int, Touched] = {}
        self.by_key: dict[bytes, tuple[int, ...]] = {}
        self.owners = below.owners
        self._keys = keys
        self._window = window
        self._by_number: dict[str, Touched] = {}
        self._by_email: dict[str, list[Touched]] = {}
        self._address_numbers: dict[bytes, int] = {}

    def state(self, number: str) -> OwnerState | None:
        """What is known of the owner that a number leads to; None of whom there is no mailbox."""
        owner = self._find(number)
        return owner.state if owner else None

    def take(self, change: Change, keys: Sequence[bytes] = ()) -> None:
        """Takes the next change of the log, and what it does to others.

        Args:
            change: one that was validated beside ``state``.
            keys: the index keys that lead to its owner from then on, as the log has them.
        """
        owner = self._owner_of(change)
        if owner is None:
            # Of who has no mailbox nothing is kept (section 5, "Data minimisation").
            return
        others = {other.state.number: other for other in self._others(owner, change)}
        self._put(owner, apply_change(owner.state, change))
        # A number that was replaced leads here from now on, whoever had it.
        self._by_number.update(dict.fromkeys((owner.state.number, *owner.state.old_numbers), owner))
        self._lead(owner, tuple(keys))
        for effect in effects(owner.state, change, others):
            touched = owner if effect.number == change.number else others[effect.number]
            self._put(touched, apply_change(touched.state, effect))
        self.version += 1

    def _owner_of(self, change: Change) -> Touched | None:
        """The owner of a change: of a number that is replaced, who has the current one where nobody has it."""
        found = self._find(change.number)
        if found is None and isinstance(change.event, events.NumberReplaced):
            found = self._find(change.event.current_number)
        if found is None and isinstance(change.event, events.MailboxOpened):
            found = Touched(OwnerState(change.number))
        return found

    def _find(self, number: str) -> Touched | None:
        """The owner that a number leads to, as touched before, or as the snapshot has it."""
        if number in self._by_number:
            return self._by_number[number]
        kind = KeyKind.CPR if is_cpr(number) else KeyKind.CVR
        found = self.below.find([self._keys.key(kind, number)])[0]
        return self._of_snapshot(found[0], number) if found else None

    def _of_snapshot(self, ordinal: int, number: str) -> Touched:
        owner = self.by_ordinal.get(ordinal)
        if owner is None:
            owner = self._untouched(ordinal)
        if number not in {owner.state.number, *owner.state.old_numbers}:
            # Which old numbers lead to an owner the snapshot doesn't tell: one is known once it was asked for.
            olds = tuple(sorted({*owner.state.old_numbers, number}))
            owner.state = replace(owner.state, old_numbers=olds)
        return owner

    def _untouched(self, ordinal: int) -> Touched:
        """An owner of the snapshot of whom nothing was told yet."""
        spans = self.below.spans_of(ordinal)
        below = {name: tuple(Span(*span) for span in held) for name, held in spans.items()}
        state = state_from_index(self.below.number(ordinal), (), below, self.below.forwarding_address(ordinal))
        if Fact.CLAIM in below and not is_reached(state, BY_EMAIL, self._window):
            # The snapshot has no key of this claim, so that who claims the address after it couldn't find and end it.
            held = {name: spans for name, spans in below.items() if name != Fact.CLAIM}
            state = replace(state, facts=held, email_address="")
        if not is_reached(state, BY_ADDRESS, self._window):
            state = replace(state, keyless=self._window)
        return Touched(state, ordinal, below=below)

    def _others(self, owner: Touched, change: Change) -> Iterable[Touched]:
        """Those whom a change may touch beside its owner."""
        event = change.event
        found: list[Touched] = []
        if isinstance(event, events.NumberReplaced):
            current = self._find(event.current_number)
            found = [current] if current and Fact.MAILBOX in current.state.facts else []
        if isinstance(event, events.EmailVerified | events.EmailClaimed):
            found = self._claimants(event.email_address)
        mine = {owner.state.number, *owner.state.old_numbers}
        return [other for other in found if other.state.number not in mine]

    def _claimants(self, address: str) -> list[Touched]:
        """Who claims an e-mail address, and whom the snapshot has under it and no change told otherwise."""
        told = [one for one in self._by_email.get(address, ()) if one.state.email_address == address]
        ordinals = self.below.find([self._keys.key(KeyKind.EMAIL, address)])[0]
        below = [self._of_snapshot(ordinal, self.below.number(ordinal)) for ordinal in ordinals]
        return [*told, *(one for one in below if one.state.email_address is None)]

    def _put(self, owner: Touched, state: OwnerState) -> None:
        """Keeps an owner's new state under its numbers and ordinals."""
        if state.email_address and state.email_address != owner.state.email_address:
            self._by_email.setdefault(state.email_address, []).append(owner)
        if state.home is not owner.state.home:
            owner.address_number = self._address_number(state)
        owner.state = state
        for number in (state.number, *state.old_numbers):
            self._by_number.setdefault(number, owner)
        if owner.new is None and self._is_new(owner):
            owner.new, self.owners = self.owners, self.owners + 1
            self.by_ordinal[owner.new] = owner
        if owner.new is not None:
            self.facts.put(owner.new, state.facts, _NOTHING)
        if owner.old is not None:
            self.by_ordinal[owner.old] = owner
            self.facts.put(owner.old, _left_behind(state), owner.below)
            owner.below = _NOTHING

    def _is_new(self, owner: Touched) -> bool:
        """Whether keys lead to an owner of which the snapshot doesn't know."""
        state = owner.state
        return owner.old is None or bool(
            state.home or state.email_address or state.number != self.below.number(owner.old)
        )

    def _lead(self, owner: Touched, keys: tuple[bytes, ...]) -> None:
        """Lets keys lead to an owner's new ordinal, and its former ones no more."""
        if owner.new is None:
            return
        for key in set(owner.keys) - set(keys):
            left = tuple(one for one in self.by_key.pop(key) if one != owner.new)
            if left:
                self.by_key[key] = left
        for key in set(keys) - set(owner.keys):
            self.by_key[key] = tuple(sorted((*self.by_key.get(key, ()), owner.new)))
        owner.keys = keys

    def _address_number(self, state: OwnerState) -> int:
        """The number of a home: that of the snapshot's residents, or one past all of the snapshot's."""
        key = address_key(state.home, self._keys)
        if key is None:
            return 0
        if state.home and state.home.has_road:
            residents = self.below.find([key])[0]
            if residents:
                return self.below.address_number(residents[0])
        # Without codes the snapshot's number can't be known: another one makes an ADDRESS query ambiguous.
        return self._address_numbers.setdefault(key, self.below.owners + 1 + len(self._address_numbers))


def _left_behind(state: OwnerState) -> Known:
    """What holds of an owner's old ordinal: all but what leads to the new one by keys that changes told of."""
    taken = {Fact.RESIDENT} if state.home else set[Fact]()
    if state.email_address:
        taken.add(Fact.CLAIM)
    return {name: spans for name, spans in state.facts.items() if name not in taken}
