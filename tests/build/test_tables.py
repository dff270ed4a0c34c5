import hashlib
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, TABLES
from resolver_grpc.build.tables import TableMeta, open_table, write_table
from resolver_grpc.errors import TableError

ENDINGS = [".csv", ".parquet"]
META = TableMeta(7, "2026-11-01")
KAREN = {"number": "0101801239", "status": "01", "full_name": "Karen Elkjær"}


def full(row, table=PERSONS):
    return dict.fromkeys(table.column_names, "") | row


def written(path, rows, table=PERSONS, meta=META):
    with write_table(path, table, meta) as writer:
        for row in rows:
            writer.write(row)
    return path


def write_csv(path, content, meta='{"change_sequence": 7, "register_date": "2026-11-01"}'):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if meta is not None:
        path.with_name(path.name + ".meta.json").write_bytes(meta.encode() if isinstance(meta, str) else meta)
    return path


def write_parquet(path, columns, meta='{"change_sequence": 7, "register_date": "2026-11-01"}'):
    """Writes (name, array) pairs, so that a name may stand there twice."""
    metadata = None if meta is None else {"resolver_grpc": meta}
    schema = pa.schema([(name, array.type) for name, array in columns], metadata=metadata)
    pq.write_table(pa.Table.from_arrays([array for _, array in columns], schema=schema), path)
    return path


def texts(*cells):
    return pa.array(cells, pa.string())


def required(table=PERSONS, rows=1):
    return [(column.name, texts(*["1"] * rows)) for column in table.columns if column.required]


def cells_of(path, column, table=MAILBOXES):
    return [row[column] for _, row in open_table(path, table).rows()]


def refusal(path, table=PERSONS):
    """The sentence with which a table is refused, at opening or while its rows are read."""
    with pytest.raises(TableError) as caught:
        list(open_table(path, table).rows())
    return str(caught.value)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_schemas_examples_go_through_a_file(tmp_path, ending, table):
    row = {column.name: column.example for column in table.columns}
    path = written(tmp_path / f"table{ending}", [row], table)
    assert list(open_table(path, table).rows()) == [(1, row)]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=40)
@given(rows=st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(RELATIONS.column_names, cells))))
def test_rows_come_back_as_they_were_written(tmp_path_factory, ending, rows):
    """Commas, quotes, line ends and all other text; a missing column comes back empty."""
    path = written(tmp_path_factory.mktemp("rows") / f"relations{ending}", rows, RELATIONS, TableMeta(3))
    table = open_table(path, RELATIONS)
    assert list(table.rows()) == [(number, full(row, RELATIONS)) for number, row in enumerate(rows, start=1)]
    assert table.meta == TableMeta(3, "")


@pytest.mark.parametrize("ending", ENDINGS)
def test_many_rows_keep_their_order_and_numbers(tmp_path, ending):
    """More than one batch of writing and of reading."""
    path = written(tmp_path / f"persons{ending}", ({"number": str(number)} for number in range(70_000)))
    assert [(number, row["number"]) for number, row in open_table(path, PERSONS).rows()] == [
        (number + 1, str(number)) for number in range(70_000)
    ]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_open_table_tells_its_metadata_and_digest_and_can_be_read_twice(tmp_path, ending):
    path = written(tmp_path / f"persons{ending}", [KAREN])
    table = open_table(str(path), PERSONS)
    assert table.meta == META
    assert table.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(table.rows()) == list(table.rows()) == [(1, full(KAREN))]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_that_changes_while_it_is_open_is_refused(tmp_path, ending):
    path = written(tmp_path / f"persons{ending}", [KAREN])
    table = open_table(path, PERSONS)
    written(path, [KAREN, KAREN])
    with pytest.raises(TableError, match="changed while it was read"):
        list(table.rows())


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_writing_leaves_what_stood_there_and_nothing_else(tmp_path, ending):
    path = written(tmp_path / f"persons{ending}", [KAREN])
    before = {found.name: found.read_bytes() for found in tmp_path.iterdir()}
    with pytest.raises(ZeroDivisionError):
        written(path, (KAREN | {"status": f"{1 // left}"} for left in (1, 0)), meta=TableMeta(8, "2026-11-02"))
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == before


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_row_with_an_unknown_column_is_refused_and_leaves_no_file(tmp_path, ending):
    with (
        pytest.raises(TableError, match="a row has a column that the table lacks"),
        write_table(tmp_path / f"persons{ending}", PERSONS, META) as writer,
    ):
        writer.write(KAREN | {"name": "Karen"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_text_that_is_no_unicode_is_refused_and_leaves_no_file(tmp_path, ending):
    with pytest.raises(TableError, match="UTF-8") as caught:
        written(tmp_path / f"persons{ending}", [KAREN | {"full_name": "Karen \udcf8"}])
    assert "Karen" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_written_table_is_its_owners_alone(tmp_path):
    """Tables hold personal data."""
    written(tmp_path / "persons.csv", [KAREN])
    assert {found.stat().st_mode & 0o777 for found in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "meta", [TableMeta(1), TableMeta(1, "2026-02-30"), TableMeta(-1, "2026-11-01"), TableMeta(2**64, "2026-11-01")]
)
def test_bad_metadata_is_not_written(tmp_path, ending, meta):
    with pytest.raises(TableError, match="the metadata of"):
        written(tmp_path / f"persons{ending}", [], meta=meta)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["persons", "persons.txt", "persons.csv.gz"])
def test_an_unknown_ending_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    assert "give the table one of these endings" in refusal(tmp_path / name)
    with pytest.raises(TableError, match="endings"):
        written(tmp_path / name, [])


@pytest.mark.parametrize("ending", [*ENDINGS, ".CSV"])
def test_a_missing_file_is_refused(tmp_path, ending):
    assert "does not exist" in refusal(tmp_path / f"persons{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_is_refused(tmp_path, ending):
    (tmp_path / f"persons{ending}").mkdir()
    assert "check that it is a file" in refusal(tmp_path / f"persons{ending}")


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = written(tmp_path / "persons.parquet", [KAREN])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.delitem(sys.modules, "resolver_grpc.build.parquet_tables")
    monkeypatch.delattr("resolver_grpc.build.parquet_tables", raising=False)
    assert "pip install resolver-grpc[build]" in refusal(path)
    with pytest.raises(TableError, match=r"pip install resolver-grpc\[build\]"):
        written(tmp_path / "other.parquet", [])
    assert list(open_table(written(tmp_path / "persons.csv", [KAREN]), PERSONS).rows())


BAD_META = [
    (None, "is missing"),
    ("", "is no JSON"),
    (b"\xff\xfe\xfa", "is no JSON"),
    ("[" * 100_000, "is no JSON"),
    ("7", "must hold change_sequence"),
    ('["change_sequence"]', "must hold change_sequence"),
    ("{}", "must hold change_sequence"),
    ('{"register_date": "2026-11-01"}', "must hold change_sequence"),
    ('{"change_sequence": 1, "change_sequence": 2, "register_date": "2026-11-01"}', "once"),
    ('{"change_sequence": 1, "register_date": "2026-11-01", "note": ""}', "nothing unknown"),
    ('{"change_sequence": "1", "register_date": "2026-11-01"}', "whole number"),
    ('{"change_sequence": 1.0, "register_date": "2026-11-01"}', "whole number"),
    ('{"change_sequence": true, "register_date": "2026-11-01"}', "whole number"),
    ('{"change_sequence": -1, "register_date": "2026-11-01"}', "whole number"),
    ('{"change_sequence": 18446744073709551616, "register_date": "2026-11-01"}', "whole number"),
    ('{"change_sequence": 1}', "register_date must be a day"),
    ('{"change_sequence": 1, "register_date": ""}', "register_date must be a day"),
    ('{"change_sequence": 1, "register_date": "2026-02-30"}', "register_date must be a day"),
    ('{"change_sequence": 1, "register_date": "20261101"}', "register_date must be a day"),
    ('{"change_sequence": 1, "register_date": {"day": 1}}', "register_date must be a day"),
]


@pytest.mark.parametrize(("meta", "sentence"), BAD_META)
def test_csv_without_readable_metadata_beside_it_is_refused(tmp_path, meta, sentence):
    message = refusal(write_csv(tmp_path / "persons.csv", "number,status\n", meta))
    assert "persons.csv.meta.json" in message
    assert sentence in message


@pytest.mark.parametrize(("meta", "sentence"), BAD_META)
def test_parquet_without_readable_metadata_is_refused(tmp_path, meta, sentence):
    message = refusal(write_parquet(tmp_path / "persons.parquet", required(), meta))
    assert "schema metadata resolver_grpc" in message
    assert sentence in message


def test_a_table_that_states_no_register_date_needs_none_but_takes_no_bad_one(tmp_path):
    path = write_csv(tmp_path / "mailboxes.csv", "number,opened\n", '{"change_sequence": 5}')
    assert open_table(path, MAILBOXES).meta == TableMeta(5, "")
    write_csv(path, "number,opened\n", '{"change_sequence": 5, "register_date": "soon"}')
    assert "register_date must be a day" in refusal(path, MAILBOXES)


def test_csv_columns_come_in_any_order_and_optional_ones_may_be_absent(tmp_path):
    path = write_csv(tmp_path / "persons.csv", "status,full_name,number\n01,Karen Elkjær,0101801239\n")
    assert list(open_table(path, PERSONS).rows()) == [(1, full(KAREN))]


@pytest.mark.parametrize("content", ["\ufeffnumber,status\n1,01\n", "number,status\r\n1,01\r\n", "number,status\n1,01"])
def test_csv_with_a_byte_order_mark_either_line_end_or_none_at_its_end_is_read(tmp_path, content):
    path = write_csv(tmp_path / "persons.csv", content)
    assert list(open_table(path, PERSONS).rows()) == [(1, full({"number": "1", "status": "01"}))]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "has no header"),
        ("\n", "has no header"),
        ("number,status,name\n", "column 3 is unknown"),
        ("number;status\n", "column 1 is unknown"),
        ("0101801239,01,Karen\n", "column 1 is unknown"),
        ("number,status,status\n", "column status stands there twice"),
        ("number\n", "column status is missing"),
        ("number,status\n1,01\n2\n", "line 3: 1 cells where the header has 2"),
        ("number,status\n1,01\n2,01,Karen\n", "line 3: 3 cells where the header has 2"),
        ('number,status\n"1\n",01\n2\n', "line 4: 1 cells"),
        ("number,status\n1,01\n\n", "line 3: 0 cells"),
        ('number,status\n1,01\n"Karen"x,01\n', "line 3: can't be read as CSV"),
        ('number,status\n1,01\n"Karen,01\n', "line 3: can't be read as CSV"),
        ("number,status\r1,01\r", "can't be read as CSV"),
        (b"number,status\n1,01\nKaren Elkj\xe6r,01\n", "line 3: not UTF-8"),
        (b"number,status\n1,01\nKaren\0,01\n", "line 3: no text"),
        (b"\x80\x03garbage\xff", "line 1: not UTF-8"),
        ("number,status\n1,01\n" + "Karen" * 30_000 + ",01\n", "line 3: can't be read as CSV"),
    ],
)
def test_bad_csv_is_refused_by_file_line_and_column_without_quoting_it(tmp_path, content, sentence):
    message = refusal(write_csv(tmp_path / "persons.csv", content))
    assert "persons.csv" in message
    assert sentence in message
    assert "Karen" not in message
    assert "0101801239" not in message


@pytest.mark.parametrize(
    "array",
    [
        texts("Karen", None, "Ole"),
        pa.array(["Karen", None, "Ole"], pa.large_string()),
        pa.array(["Karen", None, "Ole"], pa.string_view()),
        texts("Karen", None, "Ole").dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_parquet_text_of_any_type_is_read_and_null_is_empty(tmp_path, array):
    path = write_parquet(tmp_path / "persons.parquet", [*required(rows=3), ("full_name", array)])
    assert cells_of(path, "full_name", PERSONS) == ["Karen", "", "Ole"]


def test_a_parquet_column_of_nulls_is_an_empty_one(tmp_path):
    path = write_parquet(tmp_path / "persons.parquet", [*required(rows=2), ("full_name", pa.nulls(2))])
    assert cells_of(path, "full_name", PERSONS) == ["", ""]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_instants_are_read_in_utc_and_floored_to_the_second(tmp_path, unit):
    """1.9 s after, and 0.1 s before, the start of 1970; the zone changes how an instant is shown only."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    ticks = [per_second * 19 // 10, -(per_second // 10 or 1), None, per_second * 1_790_000_000]
    array = pa.array(ticks, pa.timestamp(unit, "Europe/Copenhagen"))
    path = write_parquet(tmp_path / "mailboxes.parquet", [*required(MAILBOXES, 4), ("last_login", array)])
    assert cells_of(path, "last_login") == ["1970-01-01T00:00:01Z", "1969-12-31T23:59:59Z", "", "2026-09-21T14:13:20Z"]


@pytest.mark.parametrize("column", ["closed", "exempt_from"])
def test_parquet_days_are_read(tmp_path, column):
    days = pa.array([0, None, 20_000], pa.date32())
    path = write_parquet(tmp_path / "mailboxes.parquet", [*required(MAILBOXES, 3), (column, days)])
    assert cells_of(path, column) == ["1970-01-01", "", "2024-10-04"]


@pytest.mark.parametrize(
    ("table", "column", "array", "sentence"),
    [
        (PERSONS, "road_code", pa.array([851]), "column road_code is a number, which loses leading zeros"),
        (PERSONS, "old_numbers", pa.array([101801239]), "column old_numbers is a number"),
        (PERSONS, "full_name", pa.array([1]), "column full_name has the wrong type: it must be text"),
        (PERSONS, "full_name", pa.array([b"Karen"]), "column full_name has the wrong type"),
        (PERSONS, "full_name", pa.array([["Karen"]]), "column full_name has the wrong type"),
        (PERSONS, "protections", pa.array([0], pa.date32()), "column protections has the wrong type"),
        (MAILBOXES, "closed", pa.array([0], pa.timestamp("s")), "column closed is a timestamp without a time zone"),
        (MAILBOXES, "closed", pa.array([0]), "column closed has the wrong type: it must be a day"),
        (MAILBOXES, "exempt_to", pa.array([0], pa.timestamp("s", "UTC")), "column exempt_to has the wrong type"),
    ],
)
def test_a_parquet_column_of_another_type_is_refused_by_name(tmp_path, table, column, array, sentence):
    path = write_parquet(tmp_path / "table.parquet", [*required(table), (column, array)])
    message = refusal(path, table)
    assert sentence in message
    assert "Karen" not in message


def test_a_parquet_number_column_of_integers_is_refused(tmp_path):
    columns = [("number", pa.array([101801239])), ("status", texts("01"))]
    assert "column number is a number" in refusal(write_parquet(tmp_path / "persons.parquet", columns))


def test_a_required_parquet_column_of_nulls_is_refused(tmp_path):
    columns = [("number", pa.nulls(1)), ("status", texts("01"))]
    assert "column number has the wrong type" in refusal(write_parquet(tmp_path / "persons.parquet", columns))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ([*required(), ("Karen", texts(""))], "column 3 is unknown"),
        ([*required(), ("status", texts(""))], "column status stands there twice"),
        (required()[:1], "column status is missing"),
    ],
)
def test_parquet_columns_are_checked_like_those_of_csv(tmp_path, columns, sentence):
    message = refusal(write_parquet(tmp_path / "persons.parquet", columns))
    assert sentence in message
    assert "Karen" not in message


@pytest.mark.parametrize("content", [b"", b"number,status\n0101801239,01\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path, content):
    path = tmp_path / "persons.parquet"
    path.write_bytes(content)
    assert refusal(path) == f"{path} can't be read as Parquet: it is damaged or something else"


def test_a_changed_byte_in_a_written_parquet_column_is_noticed(tmp_path):
    """The pages carry checksums; the compressed cells start right behind the file's first bytes."""
    path = written(tmp_path / "persons.parquet", [{"number": str(10**9 + number)} for number in range(5_000)])
    content = bytearray(path.read_bytes())
    content[1_000] ^= 1
    path.write_bytes(content)
    assert "can't be read as Parquet" in refusal(path)


def test_parquet_text_that_is_not_utf8_is_refused(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"Karen\xe6"]).buffers())
    path = write_parquet(tmp_path / "persons.parquet", [*required(), ("full_name", bad)])
    message = refusal(path)
    assert "not UTF-8" in message
    assert "Karen" not in message


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_damaged_parquet_file_is_read_or_refused_but_fails_in_no_other_way(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("damaged")
    path = written(folder / "relations.parquet", [{"number": "0101801239", "sender_id": "a"}] * 50, RELATIONS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= value
    path.write_bytes(content)
    try:
        message = str(list(open_table(path, RELATIONS).rows())[:0])
    except TableError as error:
        message = str(error)
    assert "0101801239" not in message


def test_the_metadata_beside_csv_is_json_for_people(tmp_path):
    written(tmp_path / "persons.csv", [])
    sidecar = tmp_path / "persons.csv.meta.json"
    assert json.loads(sidecar.read_text()) == {"change_sequence": 7, "register_date": "2026-11-01"}
