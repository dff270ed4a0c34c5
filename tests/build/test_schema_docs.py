from pathlib import Path

import pytest
from stdnum.dk import cpr, cvr

from resolver_grpc.build.schema import TABLES, ColumnType
from resolver_grpc.build.schema_docs import render_inputs
from resolver_grpc.times import parse_day, parse_time

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"


def read_cpr(text):
    assert len(text) == 10
    assert text == cpr.compact(text)
    cpr.get_birth_date(text)


def read_owner_number(text):
    if len(text) == 8:
        cvr.validate(text)
    else:
        read_cpr(text)


def read_cpr_list(text):
    for number in text.split(";"):
        read_cpr(number)


def read_code(text):
    assert text.isascii()
    assert text.isdigit()


def read_text(text):
    assert text == text.strip()
    assert text


def read_intervals(text):
    for interval in text.split(";"):
        first, last = interval.split("/")
        assert first or last
        days = [parse_day(day) for day in (first, last) if day]
        assert days == sorted(days)


READERS = {
    ColumnType.CPR: read_cpr,
    ColumnType.OWNER_NUMBER: read_owner_number,
    ColumnType.CPR_LIST: read_cpr_list,
    ColumnType.CODE: read_code,
    ColumnType.TEXT: read_text,
    ColumnType.TIME: parse_time,
    ColumnType.DAY: parse_day,
    ColumnType.INTERVALS: read_intervals,
}
COLUMNS = [(table, column) for table in TABLES for column in table.columns]


def test_the_page_is_what_the_code_prints():
    """After a change of the schema: python -m resolver_grpc.build.schema_docs > docs/inputs.md."""
    assert PAGE.read_text(encoding="utf-8") == render_inputs()


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda value: value.name)
def test_an_example_reads_by_its_columns_own_type(table, column):
    READERS[column.type](column.example)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda value: value.name)
def test_a_column_has_one_line_of_the_page_with_all_that_the_schema_says(table, column):
    section = render_inputs().split(f"\n## {table.name}\n")[1].split("\n## ")[0]
    (line,) = [line for line in section.splitlines() if line.startswith(f"| `{column.name}` |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        f"`{column.name}`",
        column.type.name.lower().replace("_", " "),
        "always" if column.required else "may be empty",
        column.meaning,
        f"`{column.example}`",
    ]


def test_column_names_are_unique_within_a_table():
    for table in TABLES:
        assert len(set(table.column_names)) == len(table.columns)
