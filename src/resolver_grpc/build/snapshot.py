"""The builder: tables in, a published snapshot out.

What belongs here: the order of the steps. What a row means is ``persons.py``'s and ``mailboxes.py``'s, who
is an owner ``owners.py``'s, which keys lead to one ``entries.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from resolver_grpc.build.assemble import assemble, count_content, in_order_of_ordinals
from resolver_grpc.build.cells import Row, Span
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.rejects import Rejects
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.sources import Sources
from resolver_grpc.build.tables import OpenTable, open_table
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.index.content import Content, content_digest
from resolver_grpc.index.layout import FORMAT_VERSION, INDEX_FILE
from resolver_grpc.index.writer import write_index
from resolver_grpc.keys import MasterKey
from resolver_grpc.snapshot.files import measure_file
from resolver_grpc.snapshot.identity import identity_context
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, Manifest, Source, encode_manifest
from resolver_grpc.snapshot.publish import check_target, publish
from resolver_grpc.times import format_instant, register_window

Progress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a step is: takes its total (0 where it is not known) and its name."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the tables are; roads are optional."""

    persons: Path
    mailboxes: Path
    relations: Path
    roads: Path | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot that is not written yet.

    Attributes:
        content: what its index will hold.
        manifest: what it will say of itself, but for the file's size and digest.
        rejects: the rows that were rejected.
    """

    content: Content
    manifest: Manifest
    rejects: Rejects


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build: the manifest, the rejected rows, whether the snapshot is new."""

    manifest: Manifest
    rejects: Rejects
    is_new: bool


def build_snapshot(inputs: Inputs, target: Path, key: MasterKey, build_instant: int, progress: Progress) -> Built:
    """Builds a snapshot and publishes it.

    The same rows in any order give the same snapshot id, whenever they are built.

    Args:
        inputs: the tables.
        target: the snapshot's directory, which must not exist yet.
        key: the secret of the index.
        build_instant: now, for the manifest; seconds of UTC.
        progress: shows how far the build is.

    Raises:
        TableError: a table can't be read as what it should be.
        SnapshotError: something else stands at the target.
        OSError: the disk is full, or the target's parent can't be written.
    """
    check_target(target)
    draft = draft_snapshot(inputs, key, build_instant, progress)
    manifest, is_new = _publish(target, draft, key.columns_secret)
    return Built(manifest, draft.rejects, is_new)


def draft_snapshot(inputs: Inputs, key: MasterKey, build_instant: int, progress: Progress) -> Draft:
    """Reads the tables and works out everything that a snapshot of them holds; arguments as for building.

    Raises:
        TableError: a table can't be read as what it should be.
    """
    tables = _open(inputs)
    sources = _read(tables, progress)
    register_date = tables[0].meta.register_date
    owners = in_order_of_ordinals(join_owners(sources), key.index_keys)
    window = Span(*register_window(date.fromisoformat(register_date)))
    with progress(len(owners), "making keys") as advance:
        content = assemble(owners, Entries(key.index_keys, sources.roads, window), advance)
    change_sequence = min(table.meta.change_sequence for table in tables)
    context = identity_context(key.key_id, CANONICAL_VERSION, register_date, change_sequence)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        canonical_version=CANONICAL_VERSION,
        key_id=key.key_id,
        snapshot_id=content_digest(content, key.snapshot_secret, context).hex(),
        file_size=0,
        file_digest="",
        owners=content.owners,
        counts=count_content(owners, content),
        sources=tuple(_source(table, sources) for table in tables),
        register_date=register_date,
        change_sequence=change_sequence,
        build_time=format_instant(build_instant),
    )
    return Draft(content, manifest, sources.rejects)


def _open(inputs: Inputs) -> list[OpenTable]:
    """Opens all tables before anything is read of them, persons first: a missing one is told at once."""
    tables = [
        open_table(inputs.persons, PERSONS),
        open_table(inputs.mailboxes, MAILBOXES),
        open_table(inputs.relations, RELATIONS),
    ]
    return [*tables, open_table(inputs.roads, ROADS)] if inputs.roads else tables


def _read(tables: list[OpenTable], progress: Progress) -> Sources:
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


def _source(table: OpenTable, sources: Sources) -> Source:
    name = table.table.name
    return Source(
        table=name,
        digest=table.digest,
        rows=sources.rows_read[name],
        rejected=sources.rejects.count(name),
        change_sequence=table.meta.change_sequence,
    )


def _publish(target: Path, draft: Draft, columns_secret: bytes) -> tuple[Manifest, bool]:
    manifest = draft.manifest

    def write(directory: Path) -> None:
        nonlocal manifest
        index_file = directory / INDEX_FILE
        write_index(index_file, draft.content, columns_secret, bytes.fromhex(manifest.snapshot_id))
        size, digest = measure_file(index_file)
        manifest = replace(manifest, file_size=size, file_digest=digest)
        (directory / MANIFEST_FILE).write_bytes(encode_manifest(manifest))

    is_new = publish(target, write)
    return manifest, is_new
