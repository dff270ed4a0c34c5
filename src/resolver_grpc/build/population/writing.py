"""A population as files: tables, senders, judged queries, a shipment.

What belongs here: where the parts of a population go, and the count of what is expected.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from resolver_grpc.build.population.generation import Judged, Population, Settings
from resolver_grpc.build.population.senders import SENDERS, senders_toml
from resolver_grpc.build.population.shipment import ShipmentFile
from resolver_grpc.build.schema import TABLES
from resolver_grpc.build.tables import TableMeta, write_table
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Kind, QueryRow, Reason, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

Counts = Counter[tuple[Route, Reason]]
KIND_NAMES = {int(kind): kind.name for kind in Kind}
_FIELDS = tuple(field.name for field in fields(QueryRow) if field.name not in {"kind", "handle"})


def encode_query(query: QueryRow) -> dict[str, Any]:
    """Return a query's nonempty fields for JSON: the kind by its name (a number without a name as it is)."""
    encoded: dict[str, Any] = {"kind": KIND_NAMES.get(query.kind, query.kind)}
    encoded.update((field, getattr(query, field)) for field in _FIELDS if getattr(query, field))
    if query.handle:
        encoded["handle"] = query.handle.hex()
    return encoded


def encode_judged(judged: Judged) -> dict[str, Any]:
    """Return one line of ``queries.jsonl``: sender, flag, fields, and what is expected."""
    asked, expected = judged.asked, judged.expected
    return {
        "sender_id": asked.sender.id,
        "personal_content": asked.personal_content,
        **encode_query(asked.query),
        "expected": {
            "route": expected.route.name,
            "reason": expected.reason.name,
            "field": expected.field,
            # Brute force knows no key, and so no handle.
            "targets": [
                {"number": target.number, "forwarding_address": target.forwarding_address}
                for target in expected.targets
            ],
        },
    }


def write_population(
    settings: Settings,
    out: Path,
    ending: str,
    *,
    shipment_sender_ids: Collection[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Counts:
    """Make a population and write it to a folder.

    Args:
        settings: what it is made from.
        out: the folder, which is made if need be.
        ending: of the tables' files: "parquet" or "csv".
        shipment_sender_ids: for each of these senders, ``shipment-ID.csv`` holds its queries.
        progress: is told of each part's number of persons.

    Returns:
        How many queries are expected to get each route and reason.

    Raises:
        ConfigurationError: the shipment's sender is none of the made-up ones.
        TableError: a table can't be written.
    """
    if not {sender.id for sender in SENDERS}.issuperset(shipment_sender_ids):
        raise ConfigurationError(f"Nobody has that sender id: use one of {', '.join(s.id for s in SENDERS)}.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "senders.toml").write_text(senders_toml(), encoding="utf-8")
    meta = TableMeta(change_sequence=0, register_date=settings.register_date.isoformat())
    counts: Counts = Counter()
    with ExitStack() as files:
        tables = [files.enter_context(write_table(out / f"{table.name}.{ending}", table, meta)) for table in TABLES]
        queries = files.enter_context((out / "queries.jsonl").open("w", encoding="utf-8"))
        shipments = [
            files.enter_context(ShipmentFile(out / f"shipment-{sender_id}.csv", sender_id))
            for sender_id in shipment_sender_ids
        ]
        for part in Population(settings).parts():
            rows = part.rows
            for table, table_rows in zip(
                tables, (rows.persons, rows.mailboxes, rows.relations, rows.roads), strict=True
            ):
                for row in table_rows:
                    table.write(row)
            for judged in part.judged:
                queries.write(json.dumps(encode_judged(judged), ensure_ascii=False) + "\n")
                counts[judged.expected.route, judged.expected.reason] += 1
                for shipment in shipments:
                    shipment.write(judged)
            progress(len(rows.persons))
    return counts
