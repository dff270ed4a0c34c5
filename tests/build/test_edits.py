"""A table with edits: rows and columns say the same, and rows keep their numbers."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.build.edited_columns import EditedColumns
from resolver_grpc.build.edits import Edits


class Columns:
    """A column of numbers written as text, in chunks, some of them dictionaries."""

    def __init__(self, rows, kind):
        self.rows = rows
        cells = pa.array([f"row {number}" for number in range(1, rows + 1)], pa.string())
        self._column = pa.chunked_array([cells[:2], cells[2:]], pa.string()).cast(kind)

    def column(self, _name):
        return self._column


@st.composite
def edits(draw):
    rows = draw(st.integers(0, 6))
    numbers = draw(st.permutations(range(1, rows + 1)))
    cut, end = sorted(draw(st.tuples(st.integers(0, rows), st.integers(0, rows))))
    replaced = {number: {"name": f"another {number}"} for number in numbers[:cut]}
    added = [{"name": f"more {number}"} for number in range(draw(st.integers(0, 3)))]
    return rows, Edits(replaced, frozenset(numbers[cut:end]), added)


@given(edits(), st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]))
def test_edited_columns_hold_what_edited_rows_do(case, kind):
    rows, edits = case
    told = [
        (number, edits.replaced.get(number, {"name": f"row {number}"}))
        for number in range(1, rows + 1)
        if number not in edits.removed
    ]
    told += list(enumerate(edits.added, start=rows + 1))
    assert list(edits.rows((number, {"name": f"row {number}"}) for number in range(1, rows + 1))) == told
    columns = EditedColumns(Columns(rows, kind), edits)
    assert columns.column("name").to_pylist() == [row["name"] for _, row in told]
    assert columns.rows == len(told)
    assert edits.rows_in_file(len(told)) == rows
    assert [edits.row_number(place) for place in range(1, len(told) + 1)] == [number for number, _ in told]


def test_instants_of_parquet_are_written_as_rows_write_them():
    instants = pa.chunked_array([pa.array([0, None, 1_500], pa.timestamp("ms", tz="UTC"))])
    columns = EditedColumns(Columns(3, pa.string()), Edits(added=[{"opened": "2026-11-01"}]))
    columns._columns = type("Held", (), {"column": lambda _self, _name: instants})()
    written = ["1970-01-01T00:00:00Z", "", "1970-01-01T00:00:01Z", "2026-11-01"]
    assert columns.column("opened").to_pylist() == written
