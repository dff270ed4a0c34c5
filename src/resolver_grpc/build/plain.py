"""The plain way to a snapshot's content: row by row, one object each, nothing clever.

It is the oracle of the way for a whole country, which is compared with it, and reads for the verifier.
What a row means is ``rows``'s, who is an owner ``owners.py``'s, which keys lead to one
``entries.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from resolver_grpc.build.assemble import assemble, in_order_of_ordinals
from resolver_grpc.build.bulk.drafting import Drafted
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.fold.later import with_facts
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.report import Progress, Stages
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.snapshot import Draft, Inputs, manifest_of, open_folded
from resolver_grpc.build.sources import Sources
from resolver_grpc.build.tables import OpenTable
from resolver_grpc.keys import MasterKey
from resolver_grpc.rows.cells import Row


def draft_snapshot(inputs: Inputs, key: MasterKey, build_instant: int, progress: Progress) -> Draft:
    """Reads the tables and works out everything that a snapshot of them holds; arguments as for building.

    Raises:
        TableError: a table can't be read as what it should be.
    """
    tables, window, folded = open_folded(inputs, Stages(progress))
    sources = read_sources(tables, progress)
    joined = [with_facts(owner, folded.facts) for owner in join_owners(sources)]
    owners = in_order_of_ordinals(joined, key.index_keys)
    with progress(len(owners), "making keys") as advance:
        content = assemble(owners, Entries(key.index_keys, sources.roads, window), advance)
    drafted = Drafted(content, sources.rejects, sources.rows_read, content.pairs.counts.pairs)
    manifest = manifest_of(folded, drafted, key, build_instant)
    return Draft(content, manifest, sources.rejects)


def read_sources(tables: list[OpenTable], progress: Progress) -> Sources:
    """Reads all rows of all tables."""
    sources = Sources()
    takers: dict[str, Callable[[int, Row], None]] = {
        PERSONS.name: sources.add_person,
        MAILBOXES.name: sources.add_mailbox,
        RELATIONS.name: sources.add_relation,
        ROADS.name: sources.add_road,
    }
    for table in tables:
        take = takers[table.table.name]
        with progress(table.expected_rows, f"reading {table.table.name}") as advance:
            for row_number, row in table.rows():
                take(row_number, row)
                advance(1)
    return sources
