"""What peers are measured on: a country's snapshot, the pairs in it, and messages about its people.

What belongs here: making them, or taking what exists. The country is always made, since the messages follow from it;
tables are written and a snapshot is built only where none is given.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nation.queries import queries
from nation.world import Country, make_country
from nation.writing import write_table
from resolver_grpc.build.schema import TABLES
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.restoring import read_content
from resolver_grpc.key_file import create_key_file, read_key_ring
from resolver_grpc.server.senders import parse_sender
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.store import key_id_of
from resolver_grpc.v1.decision_pb2 import ROUTE_MAILBOX
from resolver_grpc.v1.query_pb2 import KIND_FULL_NAME, Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver_grpc.index.pairs import Pairs
    from resolver_grpc.keys import MasterKey

BATCH = 1_000
HIT_RATE = 0.8
SENDER = parse_sender({"id": "bench", "name": "Bench", "cvr": "10000033", "class": "PRIVATE", "kinds": ["FULL_NAME"]})

_ENDING = "parquet"
_BUILDER = Path(__file__).resolve().parents[1] / "tools" / "build_snapshot.py"


@dataclass(frozen=True, slots=True)
class Existing:
    """What need not be made.

    Attributes:
        tables: the folder of the country's tables.
        snapshot: the directory of the country's snapshot; then the tables are not needed.
        keys: the key file of the snapshot.
    """

    tables: Path | None = None
    snapshot: Path | None = None
    keys: Path | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A snapshot, its key, and messages about its people."""

    snapshot: Path
    key: MasterKey
    messages: list[bytes]


def prepare(mailboxes: int, seed: int, messages: int, existing: Existing, work: Path) -> Site:
    """Makes what does not exist.

    Args:
        mailboxes: how many the country has.
        seed: what it follows from.
        messages: how many of 1,000 queries each.
        existing: what is there already.
        work: a folder for what is made.

    Raises:
        ConfigurationError: no snapshot can be built of the tables.
        KeyFileError: the key file can't be read, or the snapshot was built under another key.
    """
    country = make_country(mailboxes, seed)
    encoded = list(_messages(country, messages, seed))
    if existing.snapshot and existing.keys:
        key = read_key_ring(existing.keys).of(key_id_of(existing.snapshot))
        return Site(existing.snapshot, key, encoded)
    tables = existing.tables or _write_tables(country, work / "tables")
    del country
    key = create_key_file(work / "index.key")
    words: list[str | Path] = [sys.executable, _BUILDER, "--keys", work / "index.key", "--out", work / "snapshot"]
    for table in TABLES:
        words += [f"--{table.name}", tables / f"{table.name}.{_ENDING}"]
    if subprocess.run(words, check=False).returncode:
        raise ConfigurationError(f"No snapshot can be built of the tables in {tables}; see what the builder says.")
    return Site(work / "snapshot", key, encoded)


def read_pairs(site: Site) -> Pairs:
    """Reads the pairs of key and ordinal that the snapshot holds; it must not be open in this process.

    Raises:
        SnapshotError: the snapshot is missing or damaged.
    """
    snapshot_id = bytes.fromhex(read_manifest(site.snapshot).snapshot_id)
    return read_content(site.snapshot / INDEX_FILE, site.key.columns_secret, snapshot_id).content.pairs


def check_hits(responses: Sequence[bytes]) -> None:
    """Refuses responses whose share of hits is another than the messages': they are about another country.

    Raises:
        ConfigurationError: it is.
    """
    decisions = [row for response in responses for row in ResolveBatchResponse.FromString(response).decisions]
    hits = sum(row.route == ROUTE_MAILBOX for row in decisions)
    if hits != round(len(decisions) * HIT_RATE):
        raise ConfigurationError(
            f"{hits:,} of {len(decisions):,} queries are hits, and {HIT_RATE:.0%} should be: tables and snapshot are "
            "another country's; give the --mailboxes and the --seed that it was made with."
        )


def _messages(country: Country, count: int, seed: int) -> Iterator[bytes]:
    """Requests in wire format, with the fields that a sender with names and address fields writes."""
    drawn = queries(country, count * BATCH, HIT_RATE, seed).drop_columns(["hit", "number"])
    for start in range(0, len(drawn), BATCH):
        rows = [
            Query(reference=str(place), kind=KIND_FULL_NAME, **{name: text for name, text in row.items() if text})
            for place, row in enumerate(drawn[start : start + BATCH].to_pylist(), start)
        ]
        yield ResolveBatchRequest(sender_id=SENDER.id, queries=rows).SerializeToString()


def _write_tables(country: Country, folder: Path) -> Path:
    folder.mkdir()
    for rows in country.tables():
        write_table(rows, folder, _ENDING, lambda _rows: None)
    return folder
