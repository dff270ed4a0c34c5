"""What changes after the tables come to: the tables edited, and the facts of those whom changes touched.

What belongs here: which changes are asked for, whether the log has all of them, and the order of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from resolver_grpc.build.edits import Edits
from resolver_grpc.build.fold.folding import Folding, Held, KeptSources
from resolver_grpc.build.fold.rows import mailbox_row, person_row, replaced_row, settled_facts
from resolver_grpc.build.owners import Owner
from resolver_grpc.build.report import Stages
from resolver_grpc.build.sampling import pick_rows_of
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS
from resolver_grpc.build.tables import OpenTable
from resolver_grpc.changes import events
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.state import Spans
from resolver_grpc.errors import TableError
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Row, Span

Overrides = Mapping[str, Mapping[str, Spans]]
"""By current number, when each fact holds of an owner, but whether others contest a claim; instead of what rows say."""

_FOLDED: Final = (PERSONS.name, MAILBOXES.name, RELATIONS.name)


class LaterChanges(Protocol):
    """The log of changes, as far as a build asks.

    Attributes:
        first: the sequence of the first change that the log still has; past the last where it has none.
        last: the sequence of the last change that it ever had.
    """

    first: int
    last: int

    def since(self, sequence: int) -> Iterator[tuple[int, Change]]:
        """Reads the changes behind a sequence, up to the last, each with its own."""


@dataclass(frozen=True, slots=True)
class Folded:
    """Tables with changes folded in.

    Attributes:
        tables: the tables, edited.
        facts: instead of what their rows say of those whom changes touched.
        last: the sequence of the last change.
        counts: what became of the changes, by outcome.
    """

    tables: list[OpenTable]
    facts: Overrides = field(default_factory=dict)
    last: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def fold_changes(
    tables: list[OpenTable],
    changes: LaterChanges,
    window: Span,
    stages: Stages,
    are_erased: Callable[[Iterable[str]], list[bool]] | None = None,
) -> Folded:
    """Folds the changes that came after the tables into them.

    Args:
        tables: persons, mailboxes, relations and, if there is one, roads.
        changes: the log.
        window: the snapshot's horizon.
        stages: shows how far the work is.
        are_erased: tells of each of some numbers whether it was erased: what is told of it is passed over.

    Raises:
        TableError: the log doesn't reach back to a table, or a table is ahead of it.
        ChangeLogError: the log can't be read.
    """
    sequences = {table.table.name: table.meta.change_sequence for table in tables if table.table.name in _FOLDED}
    for table in tables:
        if table.table.name in _FOLDED:
            _check_reach(table, changes)
    since = min(sequences.values())
    with stages(changes.last - since, "reading changes") as advance:
        told = list(_telling(changes.since(since), advance))
    if are_erased:
        told = _without(told, are_erased)
    sources = KeptSources()
    numbers, addresses = _mentioned(told)
    pick_rows_of(tables, numbers, addresses, sources, stages)
    persons_rows = {number: row_number for number, (row_number, _) in sources.persons.items()}
    with stages(len(told), "folding changes") as advance:
        folding = Folding(sources, sequences)
        for sequence, change in _telling(told, advance):
            folding.take(sequence, change)
        touched = list(folding.touched())
        edits = {PERSONS.name: _persons(folding, touched, persons_rows, sources), MAILBOXES.name: _mailboxes(touched)}
        facts = {held.state.number: settled_facts(held.state, window.start) for held in touched}
    edited = [_edited(table, edits.get(table.table.name, Edits())) for table in tables]
    return Folded(edited, facts, changes.last, dict(folding.counts))


def with_facts(owner: Owner, told: Overrides) -> Owner:
    """An owner with the facts that stand beside its rows; whether others contest its claim the rows say alone."""
    if owner.number not in told:
        return owner
    facts = {fact: list(spans) for fact, spans in told[owner.number].items()}
    contests = owner.facts.get(Fact.CONTESTED)
    return replace(owner, facts=facts | ({Fact.CONTESTED: contests} if contests else {}))


def _check_reach(table: OpenTable, changes: LaterChanges) -> None:
    sequence = table.meta.change_sequence
    if sequence > changes.last:
        raise TableError(
            f"{table.path} holds changes up to {sequence:,}, and the log ends at {changes.last:,}: it is another log "
            "than the one that the table was exported beside; name that one"
        )
    if sequence + 1 < changes.first:
        raise TableError(
            f"{table.path} holds changes up to {sequence:,}, and the log was trimmed: it begins at {changes.first:,}; "
            "export the table anew"
        )


def _telling(changes: Iterable[tuple[int, Change]], advance: Callable[[int], None]) -> Iterator[tuple[int, Change]]:
    for one in changes:
        yield one
        advance(1)


def _mentioned(changes: Sequence[tuple[int, Change]]) -> tuple[set[str], set[str]]:
    """The numbers and the e-mail addresses that changes name."""
    numbers = {change.number for _, change in changes}
    addresses = set()
    for _, change in changes:
        if isinstance(change.event, events.NumberReplaced):
            numbers.add(change.event.current_number)
        if isinstance(change.event, events.EmailVerified | events.EmailClaimed):
            addresses.add(change.event.email_address)
    return numbers, addresses


def _without(
    told: Sequence[tuple[int, Change]], are_erased: Callable[[Iterable[str]], list[bool]]
) -> list[tuple[int, Change]]:
    """The changes that are about nobody who was erased."""
    named = [_mentioned([one])[0] for one in told]
    numbers = sorted(set().union(*named))
    erased = {number for number, is_erased in zip(numbers, are_erased(numbers), strict=True) if is_erased}
    return [one for one, names in zip(told, named, strict=True) if names.isdisjoint(erased)]


def _edited(table: OpenTable, edits: Edits) -> OpenTable:
    """A table with more edits; rows that are left out stay so."""
    return table.edited(replace(edits, removed=edits.removed | table.edits.removed))


def _mailboxes(touched: Sequence[Held]) -> Edits:
    replaced: dict[int, Row] = {}
    removed, added = [], []
    for held in touched:
        row = mailbox_row(held.state)
        if row and held.mailbox:
            replaced[held.mailbox] = row
        elif row:
            added.append(row)
        elif held.mailbox:
            removed.append(held.mailbox)
    return Edits(replaced, frozenset(removed), added)


def _persons(folding: Folding, touched: Sequence[Held], row_numbers: Mapping[str, int], sources: KeptSources) -> Edits:
    """The rows of those whose record changed, and of the numbers that were replaced."""
    said: dict[str, Row] = {}
    for held in touched:
        state, former = held.state, held.former
        if state.home and (state.number, state.home, state.names) != (former.number, former.home, former.names):
            said[state.number] = person_row(state, state.home)
    links = ((old, current) for old, current in sources.links if old not in folding.links)
    olds_of: dict[str, list[str]] = {}
    for old, current in sorted(links):
        olds_of.setdefault(current, []).append(old)
    for number, row in said.items():
        said[number] = {**row, "old_numbers": ";".join(olds_of.get(number, ()))}
    for old, current in folding.links.items():
        said[old] = replaced_row(old, current, ";".join(olds_of.get(old, ())))
    replaced = {row_numbers[number]: row for number, row in said.items() if number in row_numbers}
    return Edits(replaced, added=[row for number, row in said.items() if number not in row_numbers])
