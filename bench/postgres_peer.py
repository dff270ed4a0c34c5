"""PostgreSQL as a peer: a table of pairs, asked by one join for each batch.

What belongs here: the table's index, the query, what comes of it; the server itself is ``postgres.py``'s. It is set
up for these lookups: all fits its memory, the index holds the ordinals too so that no row is fetched, and the query
is planned once. Its client, psycopg, is asked for only where PostgreSQL is.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peer_index import Peer
from postgres import ACCOUNT, SETTINGS, find_postgres, running, write_copy_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from postgres import Server
    from resolver_grpc.index.pairs import Pairs

NAME = "PostgreSQL"

_CLIENT = "psycopg"
_INDEX = "CREATE INDEX pairs_key ON pairs USING btree (key, ordinal)"
_QUERY = (
    "SELECT place::int4, ordinal FROM unnest(%b::bytea[]) WITH ORDINALITY AS asked(key, place) JOIN pairs USING (key)"
)
_MIB = 2**20
_BYTES_FOR_A_PAIR, _BYTES_BESIDE = 160, 128 * _MIB


def why_not() -> str:
    """Says in a sentence why PostgreSQL can't be measured here; nothing where it can."""
    if find_postgres() is None:
        return "PostgreSQL is not installed (apt-get install postgresql)."
    if find_spec(_CLIENT) is None:
        return "PostgreSQL's client for Python is not installed (pip install 'psycopg[binary]')."
    return ""


@contextmanager
def holding(pairs: Pairs) -> Iterator[Peer]:
    """Runs a PostgreSQL that holds the pairs.

    Raises:
        CalledProcessError: PostgreSQL refused.
    """
    binaries = find_postgres()
    assert binaries is not None, "whoever asks has asked why_not"
    memory = _BYTES_BESIDE + pairs.counts.pairs * _BYTES_FOR_A_PAIR
    settings = SETTINGS | {"shared_buffers": f"{memory // _MIB}MB", "plan_cache_mode": "force_generic_plan"}
    psycopg: Any = import_module(_CLIENT)
    with running(binaries, settings) as server:
        begun = time.perf_counter()
        _load(server, pairs)
        about = _about(server, settings, time.perf_counter() - begun)
        place = {"host": str(server.folder), "user": ACCOUNT, "dbname": "postgres"}
        with closing(psycopg.connect(**place, autocommit=True)) as connection:
            cursor = connection.cursor(binary=True)
            yield Peer(NAME, lambda keys: _find(cursor, keys), connection.info.backend_pid, about)


def _load(server: Server, pairs: Pairs) -> None:
    with tempfile.TemporaryDirectory(prefix="pairs-") as folder:
        stream = Path(folder) / "pairs.copy"
        write_copy_stream(pairs.partitions(), stream)
        server.copy_pairs(stream)
    server.timed("-c", _INDEX)
    # Only of pages that were vacuumed does the index alone tell that their rows are seen by all.
    server.timed("-c", "VACUUM ANALYZE pairs")


def _find(cursor: Any, keys: Sequence[bytes]) -> list[tuple[int, ...]]:  # noqa: ANN401 - psycopg is no requirement
    """Does what ``Index.find`` does."""
    found: list[tuple[int, ...]] = [()] * len(keys)
    for place, ordinal in sorted(cursor.execute(_QUERY, [list(keys)], prepare=True)):
        found[place - 1] += (ordinal,)
    return found


def _about(server: Server, settings: dict[str, str], seconds: float) -> str:
    version = server.ask("SHOW server_version").split()[0]
    table, index = (int(server.ask(f"SELECT pg_relation_size('{name}')")) for name in ("pairs", "pairs_key"))
    chosen = ", ".join(f"{name} = {settings[name]}" for name in ("shared_buffers", "plan_cache_mode"))
    return (
        f"PostgreSQL {version}: table {table / _MIB:,.0f} MiB, btree on key and ordinal {index / _MIB:,.0f} MiB; "
        f"copied, indexed and vacuumed in {seconds:.1f} s; {chosen}; one prepared join of `unnest` with the table for "
        "each batch, answered from the index alone, over a socket of the file system."
    )
