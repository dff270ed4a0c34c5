"""``docs/inputs.md``, printed from the schema: ``python -m resolver_grpc.build.schema_docs > docs/inputs.md``.

What belongs here: the page's words that no column can say, and the rendering of the columns. A test holds
the page against this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver_grpc.build.schema import PERSONS, TABLES, ColumnType
from resolver_grpc.build.table_meta import TableMeta, encode_meta

if TYPE_CHECKING:
    from resolver_grpc.build.schema import Column, Table

_INTRODUCTION = """\
# Inputs of the builder

<!-- Printed by `python -m resolver_grpc.build.schema_docs > docs/inputs.md`; edit build/schema.py instead. -->

A snapshot is built from tables: persons, mailboxes, relations and, where they are known, roads. Each is one
file, CSV (`.csv`) or Parquet (`.parquet`).

## What every file must be

- **CSV**: UTF-8 (a byte order mark is allowed), commas, a header with the columns' names in any order, every
  row as wide as the header. All cells are text.
- **Parquet**: text columns (`string`, `large_string`, or a dictionary of them). A day may also be `date32`, an
  instant also a `timestamp` with a time zone, which is read in UTC and cut down to the second. Numbers and
  codes must be text: an integer loses its leading zeros and is refused.
- A column that rows needn't fill may be missing from the file. A column that the table doesn't have is
  refused, so that a misspelt name can't pass for an empty column.
- Parquet needs pyarrow: `pip install resolver-grpc[build]`.

A file that is damaged, cut off, in another encoding or of another shape is refused as a whole, with one
sentence that names the file, the column or line, and what to do. No message quotes what a cell holds.

## Types of columns

{types}
## Metadata

Every table states the change sequence that it was exported at: the number of the last change it contains.
Later changes, and only those, are laid over it. A persons table also states the register's day.

```json
{meta}
```

For Parquet this JSON stands in the file's schema metadata, under the key `resolver_grpc`; for CSV in a file
beside it, `persons.csv.meta.json` for `persons.csv`. A table without it is refused.

## Days and instants

A value is a day or an instant. A day means Danish midnight (Europe/Copenhagen) at its start. Instants carry
`Z` or an offset.

- A protection holds on its first and on its last day, and so do exemption and forwarding.
- A mailbox is closed, a consent withdrawn, an opt-out in force from its day or instant on. Before its opening
  a mailbox doesn't exist.
- Without a login the opening counts. A mailbox left for more than five years can't be reached; a login exactly
  five years ago (28 February for the 29th) still counts.
- Of consent given and withdrawn the later wins, and so with the claim to an e-mail address; at a tie the
  withdrawal.
- OPTED_OUT wins over SUBSCRIBED.

## Bad data never makes anyone reachable

A file that can be read may still hold rows that can't. Then the builder goes on, reaches fewer, and reports
every such row by its number and column:

- a rejected row takes its owner out, rather than leaving half of what is known of them;
- two rows for one number reject both;
- two owners who claim one e-mail address make it ambiguous, also when one of them can't be reached;
- a protection without a first day, one that can't be read, and one that ends before it begins all hold.
"""

_IMPORT = """\
### From the CPR register

The register's extract U12170 becomes a persons table by

```
tools/import_cpr_extract.py full.txt monday.txt tuesday.txt --out persons.parquet --rejects rejects.csv \\
  --change-sequence 4711
```

- The first file is a full extract; those after it hold what changed since the file before. The register date
  is the day that the last was produced. Nothing in an extract says that it holds everyone: one of changes
  alone, given first, makes a table of only those, and the import tells the day of the extract that it follows.
- The files stand in the order of their production: each states as its previous day (PRODDTOFORRIG) the day on
  which the file before it was produced, and was produced later. The first may state any day or none.
- A person's records in a newer file replace the older ones whole, for an extract of changes holds each of its
  persons whole. What can't be trusted replaces as well: the older record doesn't come back. A person rejected
  in an older file is sound again with a newer sound record.
- The register gives the short street names; the full ones come from the roads table.
- A line that can't be read is reported by file, number and a reason, and its person is withheld: they stand in
  the table with their number, their road and a blank `status`, which the builder rejects. Left out they would
  count as unknown to the register, and a mailbox of theirs could still be reached by number. Two records 001
  for one number, records without a readable record 001, and an address whose codes differ between records 002
  and 003 are treated alike, and so are the old numbers of those withheld, where no extract has a record of
  their own for them. Numbers and road that the newer record of somebody withheld doesn't tell are those of the
  older one.
- A day of a protection that is no day, such as `2000-00-00`, or that carries the mark `*` for uncertain, is
  written as `?`: the protection holds.
- The import is refused as a whole, and nothing is written, when the files don't follow each other, when the
  start or end record of one is missing, when the end record counts another number of records between the two,
  when a file was converted to UTF-8, and when a line that may be a protection doesn't say whose, or the record
  001 of a change doesn't: then nobody can tell whom it should have protected, or whose older record is no
  longer true.
"""


def render_inputs() -> str:
    """The whole page as Markdown."""
    meta = encode_meta(TableMeta(4711, "2026-11-01")).decode()
    introduction = _INTRODUCTION.replace("{meta}", meta).replace("{types}", _render_types())
    return introduction + "".join(map(_render_table, TABLES))


def _render_types() -> str:
    return "| type | a cell holds |\n| --- | --- |\n" + "".join(
        f"| {_type_word(column_type)} | {column_type.value} |\n" for column_type in ColumnType
    )


def _type_word(column_type: ColumnType) -> str:
    return column_type.name.lower().replace("_", " ")


def _render_table(table: Table) -> str:
    lines = [f"\n## {table.name}\n", table.meaning + "\n", "| column | type | filled | meaning | example |"]
    lines += ["| --- | --- | --- | --- | --- |", *map(_render_column, table.columns)]
    text = "\n".join(lines) + "\n"
    return text + "\n" + _IMPORT if table is PERSONS else text


def _render_column(column: Column) -> str:
    filled = "always" if column.required else "may be empty"
    return f"| `{column.name}` | {_type_word(column.type)} | {filled} | {column.meaning} | `{column.example}` |"


if __name__ == "__main__":
    click.echo(render_inputs(), nl=False)
