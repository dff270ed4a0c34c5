"""All tables as columns to the content of an index: the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.entries import BulkEntries
from resolver_grpc.build.bulk.facts import facts_of
from resolver_grpc.build.bulk.numbers import digits_of
from resolver_grpc.build.bulk.overriding import by_ordinal, overridden
from resolver_grpc.build.bulk.owners import Owners, Tables, join_owners
from resolver_grpc.build.bulk.reach import Reach
from resolver_grpc.build.bulk.tables import read_tables
from resolver_grpc.build.fold.later import Folded
from resolver_grpc.build.rejects import Rejects
from resolver_grpc.build.report import Stages
from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import timeline_of
from resolver_grpc.index.layout import NUMBER_BYTES, STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.pages import Keys, Ordinals
from resolver_grpc.index.pairs import SpilledPairs
from resolver_grpc.index.threads import aside
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.rows.cells import Span


class Drafted(NamedTuple):
    """What tables come to.

    Attributes:
        content: what the index is to hold.
        rejects: the rejected rows.
        rows: by table, how many rows it had.
        pairs: how many pairs of key and owner there are, doubles included.
    """

    content: Content
    rejects: Rejects
    rows: Mapping[str, int]
    pairs: int


def draft_content(folded: Folded, keys: IndexKeys, window: Span, pairs: SpilledPairs, stages: Stages) -> Drafted:
    """Reads all tables and lays out what the index is to hold.

    Args:
        folded: persons, mailboxes, relations and, if there is one, roads, with what came of the changes after them.
        keys: makes keys.
        window: the snapshot's horizon.
        pairs: takes the keys with their ordinals; they are not sorted yet.
        stages: shows how far the work is.

    Raises:
        TableError: a table can't be read as what it should be.
    """
    rejects = Rejects()
    read, rows = read_tables(folded.tables, rejects, stages)
    with stages(0, "joining owners"):
        owners = join_owners(read, keys)
        exact = by_ordinal(owners.numbers, folded.facts)
        facts = overridden(facts_of(owners, read), exact)
    made = 0
    with stages(0, "making keys") as advance:

        def take(kind: KeyKind, found: Keys, ordinals: Ordinals) -> None:
            nonlocal made
            pairs.add(found, ordinals, kind)
            made += len(ordinals)
            advance(len(ordinals))

        entries = BulkEntries(keys, owners, read, Reach(facts, len(owners.numbers), window, exact))
        # Who can be reached is known: the facts are ordered while the keys are made.
        timelines = aside(lambda: {name: timeline_of(facts.pop(name)) for name in sorted(facts)})
        address_numbers, road_keys = entries.give_keys(take), dict(entries.road_keys())
    for held in (read.persons, read.mailboxes, read.relations):
        held.problems.list_in(rejects)
    numbers, forwarding = _written(owners), _forwarding(owners, read)
    # The rows are all in their places: their memory is needed for what follows.
    del read, owners, held, entries
    with stages(0, "ordering facts"):
        ordered = timelines.result()
    content = Content(
        owners=len(numbers),
        pairs=pairs,
        facts=ordered,
        numbers=numbers,
        address_numbers=address_numbers,
        forwarding=forwarding,
        roads={key: TOWN_TELLS if with_town else STREET_SHARED for key, with_town in road_keys.items()},
    )
    return Drafted(content, rejects, rows, made)


def _written(owners: Owners) -> npt.NDArray[np.bytes_]:
    digits, edges = digits_of(owners.numbers)
    written = np.zeros((len(owners.numbers), NUMBER_BYTES), np.uint8)
    filled = np.arange(NUMBER_BYTES) < np.diff(edges)[:, None]
    written[filled] = digits
    return written.reshape(-1).view(f"S{NUMBER_BYTES}")


def _forwarding(owners: Owners, tables: Tables) -> dict[int, str]:
    addresses = tables.mailboxes.forwardings
    places = addresses.indices[owners.mailboxes]
    ordinals = np.flatnonzero(places)
    return dict(zip(ordinals.tolist(), addresses.texts.take(places[ordinals]).to_pylist(), strict=True))
