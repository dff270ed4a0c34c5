"""The way for a whole country builds what the plain way builds, row by row: content, counts and rejected rows."""

import os
import signal
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colliding_registers import Dice, world_of
from resolver_grpc.build.assemble import assemble, in_order_of_ordinals
from resolver_grpc.build.bulk import tables
from resolver_grpc.build.bulk.drafting import draft_content
from resolver_grpc.build.bulk.process import in_another_process
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.fold.later import Folded
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.report import Stages, count_content
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.snapshot import build_snapshot
from resolver_grpc.build.sources import Sources
from resolver_grpc.errors import TableError
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.pairs import SpilledPairs
from resolver_grpc.keys import MasterKey
from resolver_grpc.rows.cells import Span
from resolver_grpc.times import register_window
from small_register import quiet, write_tables

KEY = MasterKey(b"d" * 32)
TABLES = (PERSONS, MAILBOXES, RELATIONS, ROADS)


@dataclass
class HeldTable:
    """A table in memory, which can be read both ways; its columns come in several chunks, some as dictionaries."""

    table: object
    held: list

    @property
    def expected_rows(self):
        return len(self.held)

    def rows(self):
        return enumerate(self.held, start=1)

    @contextmanager
    def columns(self):
        outer = self

        class Columns:
            rows = len(outer.held)

            def column(self, name):
                cells = [row.get(name, "") or (None if place % 3 else "") for place, row in enumerate(outer.held)]
                chunks = [pa.array(cells[at : at + 5], pa.string()) for at in range(0, len(cells), 5)]
                column = pa.chunked_array(chunks, pa.string())
                return column.dictionary_encode() if len(name) % 2 else column

        yield Columns()


def plainly(tables, window):
    sources = Sources()
    takers = (sources.add_person, sources.add_mailbox, sources.add_relation, sources.add_road)
    for take, table in zip(takers, tables, strict=True):
        for row_number, row in table.rows():
            take(row_number, row)
    owners = in_order_of_ordinals(join_owners(sources), KEY.index_keys)
    content = assemble(owners, Entries(KEY.index_keys, sources.roads, window), lambda _: None)
    return told(content, sources.rejects)


def in_bulk(tables, window, folder):
    with SpilledPairs(folder) as pairs:
        drafted = draft_content(Folded(tables), KEY.index_keys, window, pairs, Stages(quiet))
        pairs.sort(lambda _: None)
        return told(drafted.content, drafted.rejects)


def told(content, rejects):
    rows = sorted((reject.table, reject.row, reject.problem) for reject in rejects.rows)
    return content_digest(content, b"", b""), count_content(content), rows


def compare(rows, register_date, folder):
    tables = [HeldTable(table, list(held)) for table, held in zip(TABLES, rows, strict=True)]
    window = Span(*register_window(register_date))
    assert in_bulk(tables, window, folder) == plainly(tables, window)


@pytest.mark.parametrize("first_seed", range(0, 400, 100))
def test_both_ways_build_the_same_of_registers_made_to_collide(first_seed, tmp_path):
    for seed in range(first_seed, first_seed + 100):
        world = world_of(Dice(seed))
        rows = (world.persons, world.mailboxes, world.relations, world.roads)
        compare(rows, world.register_date, tmp_path)


def test_a_text_that_is_not_utf_8_refuses_its_table_and_is_not_quoted(tmp_path):
    """Parquet does not check its texts, and a column is decoded late."""
    for table, name in (("persons", "full_name"), ("persons", "street_name"), ("mailboxes", "email_address")):
        inputs = write_tables(tmp_path, suffix=".parquet")
        path = getattr(inputs, table)
        held = pq.read_table(path)
        broken = pa.array([b"K\xe6re"] * len(held), pa.binary()).view(pa.string())
        pq.write_table(held.set_column(held.schema.get_field_index(name), name, broken), path)
        with pytest.raises(TableError, match=f"{table}.parquet holds text that is not UTF-8") as error:
            build_snapshot(inputs, tmp_path / "snapshot", KEY, 0, quiet)
        assert "K" not in str(error.value).replace(str(path), "")
        assert not (tmp_path / "snapshot").exists()


def test_many_persons_are_read_in_another_process(tmp_path, monkeypatch):
    """With the same outcome, errors included, and progress told."""
    inputs = write_tables(tmp_path)
    here = build_snapshot(inputs, tmp_path / "here", KEY, 0, quiet)
    monkeypatch.setattr(tables, "_WORTH_A_PROCESS", 0)
    told = []
    there = build_snapshot(inputs, tmp_path / "there", KEY, 0, lambda _total, _name: nullcontext(told.append))
    assert there.manifest.snapshot_id == here.manifest.snapshot_id
    assert sum(told) > 0
    path = inputs.persons
    path.write_bytes(path.read_bytes() + b"one cell\r\n")
    with pytest.raises(TableError, match="1 cells where the header has"):
        build_snapshot(inputs, tmp_path / "elsewhere", KEY, 0, quiet)


def test_a_process_that_is_killed_is_told():
    with in_another_process(die, None, print) as aside, pytest.raises(OSError, match="was killed"):
        aside.result()


def die(_item, _advance):
    os.kill(os.getpid(), signal.SIGKILL)
