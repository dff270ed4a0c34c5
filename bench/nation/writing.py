"""A country's tables as files, as a register's export would have them.

What belongs here: Parquet and CSV, column by column; the metadata are the builder's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from nation.columns import as_text
from nation.persons import REGISTER_DATE
from resolver_grpc.build.csv_tables import sidecar_of
from resolver_grpc.build.table_meta import TableMeta, encode_meta

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nation.world import TableRows

PART_ROWS = 1 << 17
_COMPRESSION_LEVEL = 1
_META = encode_meta(TableMeta(change_sequence=0, register_date=REGISTER_DATE))
_FEW_VALUES = (
    "status municipality_code road_code street_name short_street_name house_number floor door supplementary_town "
    "postal_code protections sender_id relation name short_name opened exempt_from exempt_to forwarding_from "
    "forwarding_to closed private_closed current_number old_numbers"
).split()


def write_table(rows: TableRows, folder: Path, ending: str, advance: Callable[[int], None]) -> Path:
    """Writes one table.

    Args:
        rows: the table.
        folder: where its file goes, under the table's name.
        ending: ``parquet`` or ``csv``.
        advance: is told after each part how many rows it had.
    """
    path = folder / f"{rows.table.name}.{ending}"
    writer: Any = None
    for columns in rows.parts(PART_ROWS):
        batch = _as_text(columns) if ending == "csv" else pa.table(columns)
        if writer is None:
            writer = _open_writer(path, batch.schema, ending)
        writer.write_table(batch)
        advance(batch.num_rows)
    writer.close()
    if ending == "csv":
        sidecar_of(path).write_bytes(_META + b"\n")
    return path


def _open_writer(path: Path, schema: Any, ending: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    if ending == "csv":
        # No text of a country holds a comma, a quotation mark or a line's end; the writer would refuse it.
        return pa_csv.CSVWriter(path, schema, write_options=pa_csv.WriteOptions(quoting_style="none"))
    return pq.ParquetWriter(
        path,
        schema.with_metadata({b"resolver_grpc": _META}),
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=[name for name in schema.names if name in _FEW_VALUES],
        write_page_checksum=True,
    )


def _as_text(columns: dict[str, Any]) -> Any:  # noqa: ANN401 - pyarrow has no types
    return pa.table({name: as_text(column) for name, column in columns.items()})
