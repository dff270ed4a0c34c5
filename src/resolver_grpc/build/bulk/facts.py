"""When what holds of which owner, as intervals by ordinal; the rules are those of ``build/owners.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.following import NOWHERE, find
from resolver_grpc.build.bulk.mailboxes import RelationRows
from resolver_grpc.build.bulk.owners import Contests, Owners, Rows, Tables
from resolver_grpc.build.bulk.persons import Persons
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.sorting import order_of_numbers
from resolver_grpc.index.threads import in_threads
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import WHENEVER, Span
from resolver_grpc.rows.persons import LIVING_THERE, OUT_OF_EMAIL


def facts_of(owners: Owners, tables: Tables) -> dict[str, Intervals]:
    """Gives the intervals of every fact that holds of anybody.

    Args:
        owners: in the order of their ordinals.
        tables: what the owners' rows say; the mailboxes' spans are used up, for they are large.
    """
    ordinal_of = np.full(len(tables.mailboxes.numbers), NOWHERE, np.int64)
    ordinal_of[owners.mailboxes] = np.arange(len(owners.mailboxes))
    parts: tuple[Callable[[], list[tuple[str, Intervals]]], ...] = (
        lambda: [*_of_mailboxes(tables, ordinal_of, owners.contests)],
        lambda: [*_of_persons(owners, tables.persons), *_of_relations(owners, tables.relations)],
    )
    facts = dict(chain.from_iterable(in_threads(lambda part: part(), parts)))
    return {str(name): intervals for name, intervals in facts.items() if len(intervals.ordinals)}


def _of_mailboxes(tables: Tables, ordinal_of: Rows, contests: Contests) -> Iterator[tuple[str, Intervals]]:
    spans_of = tables.mailboxes.spans
    for fact in list(spans_of):
        spans = spans_of.pop(fact)
        ordinals = ordinal_of[spans.ordinals]
        held = ordinals != NOWHERE
        yield fact, Intervals(ordinals[held].astype(np.uint32), spans.starts[held], spans.ends[held])
    yield Fact.CONTESTED, _listed((int(ordinal_of[row]), spans) for row, spans in contests.items())


def _of_persons(owners: Owners, persons: Persons) -> Iterator[tuple[str, Intervals]]:
    known = np.flatnonzero(owners.persons != NOWHERE)
    rows = owners.persons[known]
    protected = np.flatnonzero(persons.protections.flags(bool)[rows])
    spans = persons.protections.taken(rows[protected])
    yield Fact.PROTECTION, _listed(zip(known[protected].tolist(), spans, strict=True))
    yield Fact.RESIDENT, _always(known[persons.statuses.flags(LIVING_THERE.__contains__)[rows]])
    yield Fact.REGISTERED, _always(known[~persons.statuses.flags(OUT_OF_EMAIL.__contains__)[rows]])


def _of_relations(owners: Owners, relations: RelationRows) -> Iterator[tuple[str, Intervals]]:
    rows = np.flatnonzero(relations.problems.accepted)
    ordinals = find(owners.numbers, owners.following.current(relations.numbers[rows]))
    held = ordinals != NOWHERE
    rows, ordinals = rows[held], ordinals[held].astype(np.uint32)
    # In the order of their owners the intervals of a fact need no more sorting.
    order = order_of_numbers(relations.facts.indices[rows], ordinals)
    edges = np.searchsorted(relations.facts.indices[rows[order]], np.arange(len(relations.facts.values) + 1))
    for place, name in enumerate(relations.facts.values):
        chosen = order[edges[place] : edges[place + 1]]
        ends = np.full(len(chosen), WHENEVER.end, np.uint32)
        yield name, Intervals(ordinals[chosen], relations.starts[rows[chosen]], ends)


def _always(ordinals: npt.NDArray[np.intp]) -> Intervals:
    starts, ends = np.full(len(ordinals), WHENEVER.start), np.full(len(ordinals), WHENEVER.end)
    return Intervals(ordinals.astype(np.uint32), starts.astype(np.uint32), ends.astype(np.uint32))


def _listed(spans: Iterable[tuple[int, Sequence[Span]]]) -> Intervals:
    """Makes intervals of ordinals with a list of spans each; who is no owner is left out."""
    held = [(ordinal, *span) for ordinal, several in spans if ordinal != NOWHERE for span in several]
    columns = np.array(held, np.uint32).reshape(-1, 3)
    return Intervals(columns[:, 0], columns[:, 1], columns[:, 2])
