"""A CSV file read as columns says what its rows say, or is refused as they are."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver_grpc.build import csv_columns
from resolver_grpc.build.schema import RELATIONS
from resolver_grpc.build.table_meta import TableMeta, encode_meta
from resolver_grpc.build.tables import open_table
from resolver_grpc.errors import TableError

HEADER = "relation,number,sender_id,effective_time"
CELLS = st.text(st.sampled_from('ab ,"\r\n\0æ\ufeff\u2028;'), max_size=4)
LINES = st.lists(st.lists(CELLS, min_size=4, max_size=4).map(",".join) | CELLS, max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "relations.csv"
    path.with_name("relations.csv.meta.json").write_bytes(encode_meta(TableMeta(1)))
    return path


def outcome(read):
    try:
        return read()
    except TableError as error:
        return str(error)


def by_rows(path):
    return [[row[name] for name in RELATIONS.column_names] for _, row in open_table(path, RELATIONS).rows()]


def by_columns(path):
    with open_table(path, RELATIONS).columns() as columns:
        cells = [columns.column(name).to_pylist() for name in RELATIONS.column_names]
        rows = [[cell or "" for cell in row] for row in zip(*cells, strict=True)]
        assert columns.rows == len(rows)
        return rows


@pytest.fixture(params=[1, 5, 1 << 24])
def block_bytes(request, monkeypatch):
    """A file is looked through in blocks, whose borders may lie anywhere."""
    real = csv_columns._is_plain

    def in_blocks(path, names):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_columns, "_BLOCK_BYTES", request.param)
            return real(path, names)

    monkeypatch.setattr(csv_columns, "_is_plain", in_blocks)


@pytest.mark.usefixtures("block_bytes")
@given(lines=LINES, ends=ENDS, last=st.booleans(), bom=st.booleans())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_say_what_rows_say(path, lines, ends, last, bom):
    """Whatever stands in the file: quotation marks, returns, blank lines, missing cells."""
    text = ends.join([HEADER, *lines]) + (ends if last else "")
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    assert outcome(lambda: by_columns(path)) == outcome(lambda: by_rows(path))


@pytest.mark.parametrize("raw", [b"\xff,a,b,c\n", b"a,b,c\n", b"a,b,c,d,e\n", b"\n", b"a,b,c,d\r", b"a,b\rc,d,e\n"])
def test_what_rows_refuse_columns_refuse_alike(path, raw):
    path.write_bytes(HEADER.encode() + b"\na,b,c,d\n" + raw)
    assert outcome(lambda: by_columns(path)) == outcome(lambda: by_rows(path))


def test_a_file_without_quotation_marks_is_read_by_arrow(path, monkeypatch):
    """Those of the header, which some programs write, don't count."""
    quoted = ",".join(f'"{name}"' for name in HEADER.split(","))
    path.write_bytes(quoted.encode() + b"\r\na,b,c,d\r\n")
    monkeypatch.setattr(csv_columns, "columns_of_rows", None)
    assert by_columns(path) == [["b", "c", "a", "d"]]
