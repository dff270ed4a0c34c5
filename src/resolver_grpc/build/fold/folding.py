"""The changes after the tables, one after the other, taken into what the tables' rows say of their owners.

What belongs here: whose a change is, and whom else it touches, as the overlay has it; what an event does to its owner
``changes.owner`` says. All rows of an owner are known here, so that nothing is missing that the overlay has to do
without. Of an owner who is out by the tables (a rejected row, a contradiction) no change is taken: no half is left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from resolver_grpc.build.fold.known import known_of_owner, known_of_person
from resolver_grpc.build.fold.parts import taken_in_part
from resolver_grpc.build.owners import join_owners, numbers_of
from resolver_grpc.build.schema import MAILBOXES, PERSONS
from resolver_grpc.build.sources import Sources
from resolver_grpc.changes import events
from resolver_grpc.changes.bearing import effects
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Row


@dataclass(eq=False, slots=True)
class Held:
    """An owner whom changes may touch.

    Attributes:
        state: what is known by now.
        former: what is known by the tables.
        mailbox: the number of its row of the mailboxes table; 0 where it has none.
    """

    state: OwnerState
    former: OwnerState
    mailbox: int = 0


@dataclass(slots=True)
class KeptSources(Sources):
    """Sources that remember the rows of mailboxes as they are written, by their numbers."""

    mailbox_rows: dict[int, Row] = field(default_factory=dict)

    def add_mailbox(self, row_number: int, row: Row) -> None:
        """Takes a row of the mailboxes table."""
        self.mailbox_rows[row_number] = row
        Sources.add_mailbox(self, row_number, row)


class Folding:
    """What the tables say of some owners, and what changes make of it.

    Args:
        sources: all rows that bear on the owners of the changes.
        sequences: by table, the sequence of the last change that it holds.
    """

    def __init__(self, sources: KeptSources, sequences: Mapping[str, int]) -> None:
        self.held: list[Held] = []
        self.links: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.persons = {number: person for number, (_, person) in sources.persons.items()}
        self._sequences = sequences
        self._numbers = numbers_of(sources)
        self._by_number: dict[str, Held] = {}
        self._by_email: defaultdict[str, list[Held]] = defaultdict(list)
        self._out = {self._numbers.current(one) or one for one in (*sources.bad_owners, *self._numbers.out)}
        rows = {self._current(mailbox.number): row_number for row_number, mailbox in sources.mailboxes}
        for owner in join_owners(sources):
            row_number = rows.pop(owner.number)
            known = known_of_owner(owner, sources.mailbox_rows[row_number])
            self._keep(Held(known, known, row_number))
        self._out.update(rows)

    def take(self, sequence: int, change: Change) -> None:
        """Takes the next change of the log, as far as the tables are older than it, and what it does to others."""
        later = frozenset(table for table, exported in self._sequences.items() if exported < sequence)
        owner = self._owner_of(change, later)
        if not later or owner is None:
            self.counts["in the tables already" if not later else "of nobody who could take it"] += 1
            return
        self.counts["folded in"] += 1
        others = {other.state.number: other for other in self._others(owner, change)}
        after = apply_change(owner.state, change)
        if isinstance(change.event, events.NumberReplaced) and PERSONS.name in later:
            self._link(owner.state, after, change.number)
        self._put(owner, taken_in_part(owner.state, after, later))
        if MAILBOXES.name in later:
            # What a change does to others is all about their mailboxes.
            for effect in effects(after, change, others):
                touched = owner if effect.number == change.number else others[effect.number]
                self._put(touched, taken_in_part(touched.state, apply_change(touched.state, effect), later))

    def touched(self) -> Iterable[Held]:
        """Those of whom something else is known by now than by the tables."""
        return (held for held in self.held if held.state is not held.former and held.state != held.former)

    def _current(self, number: str) -> str:
        return self._numbers.current(number) or number

    def _find(self, number: str) -> Held | None:
        return self._by_number.get(number) or self._by_number.get(self._current(number))

    def _owner_of(self, change: Change, later: frozenset[str]) -> Held | None:
        """The owner of a change: of a number that is replaced, who has the current one where nobody has it."""
        found = self._find(change.number)
        if found is None and isinstance(change.event, events.NumberReplaced):
            found = self._find(change.event.current_number)
        if found is None and isinstance(change.event, events.MailboxOpened) and MAILBOXES.name in later:
            found = self._newcomer(self._current(change.number))
        return found

    def _newcomer(self, number: str) -> Held | None:
        """Somebody who gets a mailbox; of whom a row was rejected gets none."""
        if number in self._out:
            return None
        olds = tuple(sorted(old for old in self._numbers.replaced if self._numbers.current(old) == number))
        known = known_of_person(number, olds, self.persons.get(number))
        held = Held(known, known)
        self._keep(held)
        return held

    def _others(self, owner: Held, change: Change) -> list[Held]:
        """Those whom a change may touch beside its owner."""
        event = change.event
        found: list[Held] = []
        if isinstance(event, events.NumberReplaced):
            current = self._find(event.current_number)
            found = [current] if current and Fact.MAILBOX in current.state.facts else []
        if isinstance(event, events.EmailVerified | events.EmailClaimed):
            address = event.email_address
            found = [one for one in self._by_email[address] if one.state.email_address == address]
        return [other for other in found if other is not owner]

    def _link(self, before: OwnerState, after: OwnerState, old_number: str) -> None:
        """Notes that a number was replaced, unless the tables say so, or the change came to nothing."""
        if after is not before and old_number not in before.old_numbers:
            self.links[old_number] = after.number

    def _keep(self, held: Held) -> None:
        self.held.append(held)
        self._put(held, held.state)

    def _put(self, held: Held, state: OwnerState) -> None:
        held.state = state
        # A number that was replaced leads here from now on, whoever had it.
        self._by_number.update(dict.fromkeys((state.number, *state.old_numbers), held))
        if state.email_address and held not in (known := self._by_email[state.email_address]):
            known.append(held)
