"""Working out what a change comes to: its owner and all that it touches beside, as they are after it.

What belongs here: finding owners, and their ordinals and homes after a change. What an event does to its owner
``owner.py`` says. Nothing is kept here: ``overlay.py`` keeps what this works out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from resolver_grpc.changes import events
from resolver_grpc.changes.after import MOST_KNOWN, NO_HOME
from resolver_grpc.changes.bearing import effects
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import address_key, is_reached
from resolver_grpc.changes.owner_packing import Owner
from resolver_grpc.changes.state import OwnerState, state_from_index
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact
from resolver_grpc.policy.reach import BY_ADDRESS, BY_EMAIL
from resolver_grpc.rows.cells import Span, is_cpr

if TYPE_CHECKING:
    from resolver_grpc.changes.overlay import Overlay


_ANYBODY: Final = ""
"""Stands for the number of another owner, whoever that may be."""


class LaidOwner(NamedTuple):
    """What becomes of an owner; see ``After``."""

    home_key: bytes
    known_keys: int
    owner: Owner


@dataclass(frozen=True, slots=True)
class Laying:
    """Works changes out over an overlay.

    Attributes:
        overlay: what was taken so far, with the snapshot's index below.
        keys: makes the snapshot's keys.
        window: its horizon.
    """

    overlay: Overlay
    keys: IndexKeys
    window: Span

    def lay(self, change: Change, keys: tuple[bytes, ...]) -> list[LaidOwner]:
        """The owners that a change touches, as they are after it, that of the change first.

        Args:
            change: one that was validated beside the owner's state.
            keys: the index keys that lead to its owner from then on.
        """
        owner = self._owner_of(change)
        if owner is None:
            # Of who has no mailbox nothing is kept (section 5, "Data minimisation").
            return []
        others = {other.state.number: other for other in self._others(owner, change)}
        laid = {change.number: self._after(owner, apply_change(owner.state, change), keys, self.overlay.owners)}
        for effect in effects(laid[change.number].state, change, others):
            touched = laid.get(effect.number) or others[effect.number]
            # An effect takes something away: no keys lead anywhere else for it.
            laid[effect.number] = touched._replace(state=apply_change(touched.state, effect))
        return [self._with_keys(owner) for owner in laid.values()]

    def after(self, change: Change, state: OwnerState, keys: tuple[bytes, ...]) -> LaidOwner | None:
        """The owner of a change as it is after it, where the change touches nobody else; None where it may.

        Args:
            change: one that was validated.
            state: the owner's state after it.
            keys: the index keys that lead to the owner from then on.
        """
        if effects(state, change, [_ANYBODY]):
            return None
        old = (self.find(change.number) or Owner(state)).old
        # Ordinals are given, and homes numbered, by who takes it.
        return self._with_keys(
            Owner(state, old, None, keys, self._number_below(state), self._has_odd_number(old, state))
        )

    def find(self, number: str) -> Owner | None:
        """The owner that a number leads to, as touched before, or as the snapshot has it."""
        odd = self.overlay.kept.of_odd_number(number)
        if odd:
            return odd
        kind = KeyKind.CPR if is_cpr(number) else KeyKind.CVR
        found = self.overlay.under(self.keys.key(kind, number))
        return self._of_ordinal(found[-1], number) if found else None

    def _owner_of(self, change: Change) -> Owner | None:
        """The owner of a change: of a number that is replaced, who has the current one where nobody has it."""
        found = self.find(change.number)
        if found is None and isinstance(change.event, events.NumberReplaced):
            found = self.find(change.event.current_number)
        if found is None and isinstance(change.event, events.MailboxOpened):
            found = Owner(OwnerState(change.number))
        return found

    def _of_ordinal(self, ordinal: int, number: str) -> Owner:
        owner = self.overlay.kept.known(ordinal) or self._untouched(ordinal)
        state = owner.state
        if number in {state.number, *state.old_numbers}:
            return owner
        # Which old numbers lead to an owner the snapshot doesn't tell: one is known once a change named it.
        return owner._replace(state=replace(state, old_numbers=tuple(sorted({*state.old_numbers, number}))))

    def _untouched(self, ordinal: int) -> Owner:
        """An owner of the snapshot of whom nothing was told yet."""
        below = self.overlay.below
        facts = {name: tuple(Span(*span) for span in held) for name, held in below.spans_of(ordinal).items()}
        state = state_from_index(below.number(ordinal), (), facts, below.forwarding_address(ordinal))
        if Fact.CLAIM in facts and not is_reached(state, BY_EMAIL, self.window):
            # The snapshot has no key of this claim, so that who claims the address after it couldn't find and end it.
            held = {name: spans for name, spans in facts.items() if name != Fact.CLAIM}
            state = replace(state, facts=held, email_address="")
        if not is_reached(state, BY_ADDRESS, self.window):
            state = replace(state, keyless=self.window)
        return Owner(state, ordinal)

    def _others(self, owner: Owner, change: Change) -> Iterable[Owner]:
        """Those whom a change may touch beside its owner."""
        event = change.event
        found: list[Owner] = []
        if isinstance(event, events.NumberReplaced):
            current = self.find(event.current_number)
            found = [current] if current and Fact.MAILBOX in current.state.facts else []
        if isinstance(event, events.EmailVerified | events.EmailClaimed):
            found = self._claimants(event.email_address)
        mine = {owner.state.number, *owner.state.old_numbers}
        return [other for other in found if other.state.number not in mine]

    def _claimants(self, address: str) -> list[Owner]:
        """Who claims an e-mail address, and whom the snapshot has under it and no change told otherwise."""
        index = self.overlay.below
        ordinals = index.find([self.keys.key(KeyKind.EMAIL, address)])[0]
        below = [self._of_ordinal(ordinal, index.number(ordinal)) for ordinal in ordinals]
        return [*self.overlay.kept.claimants(address), *(one for one in below if one.state.email_address is None)]

    def _after(self, owner: Owner, state: OwnerState, keys: tuple[bytes, ...], next_ordinal: int) -> Owner:
        """An owner in its new state, with a new ordinal where keys lead to it of which the snapshot doesn't know."""
        has_odd_number = self._has_odd_number(owner.old, state)
        is_new = owner.new is None and bool(has_odd_number or state.home or state.email_address)
        new = next_ordinal if is_new else owner.new
        address_number = owner.address_number if state.home == owner.state.home else self._address_number(state)
        return Owner(state, owner.old, new, keys if new is not None else (), address_number, has_odd_number)

    def _with_keys(self, owner: Owner) -> LaidOwner:
        home_key = address_key(owner.state.home, self.keys) or NO_HOME
        return LaidOwner(home_key, self._known_of(owner.keys), owner)

    def _known_of(self, keys: tuple[bytes, ...]) -> int:
        found = self.overlay.below.find(keys[:MOST_KNOWN])
        return sum(1 << place for place, ordinals in enumerate(found) if ordinals)

    def _has_odd_number(self, old: int | None, state: OwnerState) -> bool:
        return old is None or bool(state.old_numbers) or state.number != self.overlay.below.number(old)

    def _address_number(self, state: OwnerState) -> int:
        """The number of a home: that of the snapshot's residents, or one past all of the snapshot's."""
        key = address_key(state.home, self.keys)
        return 0 if key is None else self._number_below(state) or self.overlay.home_number(key)

    def _number_below(self, state: OwnerState) -> int:
        """The number of the snapshot's residents of a home; 0 where there are none.

        Without codes it can't be known: another one makes an ADDRESS query ambiguous.
        """
        key = address_key(state.home, self.keys) if state.home and state.home.has_road else None
        residents = self.overlay.below.find([key])[0] if key else ()
        return self.overlay.below.address_number(residents[0]) if residents else 0
