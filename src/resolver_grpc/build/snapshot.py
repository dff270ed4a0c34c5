"""The builder: tables in, a published snapshot out.

What belongs here: the order of the steps, and what a snapshot's manifest says of them. What the tables come to is
worked out in ``bulk/``, and row by row in ``plain.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from resolver_grpc.build.bulk.drafting import Drafted, draft_content
from resolver_grpc.build.bulk.process import without_cycles
from resolver_grpc.build.erased import ErasedNumbers, without_erased
from resolver_grpc.build.fold.later import Folded, LaterChanges, fold_changes
from resolver_grpc.build.rejects import Rejects
from resolver_grpc.build.report import Progress, Stages, count_content, report_of_keys
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.tables import OpenTable, open_table
from resolver_grpc.build.writing import publish_content
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.index.content import Content, content_digest
from resolver_grpc.index.layout import FORMAT_VERSION
from resolver_grpc.index.pairs import SpilledPairs
from resolver_grpc.index.threads import in_threads
from resolver_grpc.keys import MasterKey
from resolver_grpc.rows.cells import Span
from resolver_grpc.snapshot.identity import identity_context
from resolver_grpc.snapshot.manifest import Manifest, Source
from resolver_grpc.snapshot.publish import check_target
from resolver_grpc.times import format_instant, register_window


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the tables are, and how good they must be.

    Attributes:
        persons: the persons table, and so on.
        roads: optional.
        max_rejects: with how many rejected rows a snapshot is still built; None for any number.
        rejects_file: where to list them, whatever comes of the build.
        changes: the log of what happened after the tables were exported.
        erased: whom to leave out.
    """

    persons: Path
    mailboxes: Path
    relations: Path
    roads: Path | None = None
    max_rejects: int | None = None
    rejects_file: Path | None = None
    changes: LaterChanges | None = None
    erased: ErasedNumbers | None = None


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
        target: the snapshot's directory, which must not exist yet; beside it is room for what is sorted.
        key: the secret of the index.
        build_instant: now, for the manifest; seconds of UTC.
        progress: shows how far the build is.

    Raises:
        TableError: a table can't be read as what it should be, or more rows were rejected than allowed.
        SnapshotError: something else stands at the target.
        OSError: the disk is full, or the target's parent can't be written.
    """
    check_target(target)
    stages = Stages(progress)
    with without_cycles(), SpilledPairs(target.absolute().parent) as pairs:
        draft = draft_in_bulk(inputs, key, build_instant, pairs, stages)
        manifest, is_new = publish_content(target, draft.content, draft.manifest, key.columns_secret, stages)
    return Built(manifest, draft.rejects, is_new)


def draft_in_bulk(inputs: Inputs, key: MasterKey, build_instant: int, pairs: SpilledPairs, stages: Stages) -> Draft:
    """Reads the tables and works out everything that a snapshot of them holds; arguments as for building.

    Raises:
        TableError: a table can't be read as what it should be.
    """
    tables, window, folded = open_folded(inputs, stages)
    drafted = draft_content(folded, key.index_keys, window, pairs, stages)
    _number_as_in_file(drafted.rejects, tables)
    if inputs.rejects_file:
        drafted.rejects.write(inputs.rejects_file)
    if inputs.max_rejects is not None:
        drafted.rejects.check(inputs.max_rejects)
    with stages(drafted.pairs, "sorting keys") as advance:
        pairs.sort(advance)
    with stages(0, "naming the content"):
        manifest = manifest_of(folded, drafted, key, build_instant)
    report = {**manifest.report, **report_of_keys(pairs, drafted.rejects)}
    return Draft(drafted.content, replace(manifest, report=report), drafted.rejects)


def open_folded(inputs: Inputs, stages: Stages) -> tuple[list[OpenTable], Span, Folded]:
    """Opens all tables and folds the changes after them in, if there are any.

    Returns:
        The tables, the horizon of a snapshot of them, and what the changes come to.

    Raises:
        TableError: a table can't be read as what it should be, or doesn't go with the log.
        ChangeLogError: the log can't be read.
    """
    tables = open_tables(inputs, stages)
    window = window_of(tables)
    folded = fold(inputs, tables, window, stages)
    return folded.tables, window, folded


def fold(inputs: Inputs, tables: list[OpenTable], window: Span, stages: Stages) -> Folded:
    """Leaves out who was erased, and takes the changes after the tables in; see ``open_folded``."""
    if inputs.erased:
        tables = without_erased(tables, inputs.erased, stages)
    if inputs.changes:
        return fold_changes(tables, inputs.changes, window, stages, inputs.erased.holds if inputs.erased else None)
    return Folded(tables)


def open_tables(inputs: Inputs, stages: Stages) -> list[OpenTable]:
    """Opens all tables before anything is read of them, persons first: a missing one is told at once."""
    paths = ((PERSONS, inputs.persons), (MAILBOXES, inputs.mailboxes), (RELATIONS, inputs.relations))
    with stages(0, "opening tables"):
        given = [*paths, (ROADS, inputs.roads)] if inputs.roads else [*paths]
        return list(in_threads(lambda one: open_table(one[1], one[0]), given))


def window_of(tables: list[OpenTable]) -> Span:
    """The horizon of a snapshot of these tables."""
    return Span(*register_window(date.fromisoformat(tables[0].meta.register_date)))


def manifest_of(folded: Folded, drafted: Drafted, key: MasterKey, build_instant: int) -> Manifest:
    """Says what a snapshot of these tables is, but for its file and the report.

    Args:
        folded: the tables, with what came of the changes after them.
        drafted: what they came to.
        key: the secret of the index.
        build_instant: now, in seconds of UTC.
    """
    content, tables = drafted.content, folded.tables
    register_date = tables[0].meta.register_date
    oldest = min(table.meta.change_sequence for table in tables)
    change_sequence = oldest if folded.last is None else folded.last
    context = identity_context(key.key_id, CANONICAL_VERSION, register_date, change_sequence)
    return Manifest(
        format_version=FORMAT_VERSION,
        canonical_version=CANONICAL_VERSION,
        key_id=key.key_id,
        snapshot_id=content_digest(content, key.snapshot_secret, context).hex(),
        file_size=0,
        file_digest="",
        owners=content.owners,
        counts=count_content(content),
        sources=tuple(_source(table, drafted) for table in tables),
        register_date=register_date,
        change_sequence=change_sequence,
        build_time=format_instant(build_instant),
        report={"changes": folded.counts} if folded.counts else {},
    )


def _source(table: OpenTable, drafted: Drafted) -> Source:
    name = table.table.name
    return Source(
        table=name,
        digest=table.digest,
        rows=table.edits.rows_in_file(drafted.rows[name]),
        rejected=drafted.rejects.count(name),
        change_sequence=table.meta.change_sequence,
    )


def _number_as_in_file(rejects: Rejects, tables: list[OpenTable]) -> None:
    """Names rejected rows by the numbers that they have in their files."""
    by_name = {table.table.name: table.edits for table in tables}
    rejects.rows = [replace(one, row=by_name[one.table].row_number(one.row)) for one in rejects.rows]
