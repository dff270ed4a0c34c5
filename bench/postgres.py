"""PostgreSQL as the yardstick: a server of its own in a temporary folder, loaded and indexed with pairs.

What belongs here: starting, loading, timing, stopping; what is asked of it is ``postgres_peer.py``'s. Nothing of the
system's own databases is touched: the server listens on a socket in its folder only. It is set up for loading, and
as durable as it comes: fsync is on, and a table that is copied into in the transaction that made it needs no log
(``wal_level = minimal``).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy.typing as npt

SETTINGS = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "32GB",
    "checkpoint_timeout": "1h",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_maintenance_workers": "2",
    "autovacuum": "off",
}
ACCOUNT = "postgres"
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_CHILDREN_TIMES = slice(13, 15)  # cutime and cstime of proc(5), counted from the state on
_ROW = np.dtype([("fields", ">i2"), ("key_size", ">i4"), ("key", "V16"), ("ordinal_size", ">i4"), ("ordinal", ">i4")])


@dataclass(frozen=True, slots=True)
class Loading:
    """How long PostgreSQL took, in seconds, and what it keeps, in bytes.

    ``cpu_seconds`` are those of the processes that copied and indexed; on a busy machine they tell more.
    """

    copy_seconds: float
    index_seconds: float
    checkpoint_seconds: float
    cpu_seconds: float
    table_bytes: int
    index_bytes: int

    @property
    def seconds(self) -> float:
        """All three steps together."""
        return self.copy_seconds + self.index_seconds + self.checkpoint_seconds


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several; None where it isn't installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    found = installed[-1] if installed else Path(on_path) if on_path else None
    return found.parent if found else None


def write_copy_stream(parts: Iterable[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]], path: Path) -> int:
    """Writes pairs as PostgreSQL's binary COPY format; tells how many.

    Args:
        parts: keys (n, 16) and their ordinals.
        path: the file.
    """
    count = 0
    with path.open("wb") as file:
        file.write(_SIGNATURE)
        for keys, ordinals in parts:
            rows = np.zeros(len(ordinals), _ROW)
            rows["fields"], rows["key_size"], rows["ordinal_size"] = 2, 16, 4
            rows["key"] = np.ascontiguousarray(keys).view("V16")[:, 0]
            rows["ordinal"] = ordinals
            rows.tofile(file)
            count += len(rows)
        file.write(_END)
    return count


def measure_loading(binaries: Path, stream: Path) -> Loading:
    """Starts a server, copies the stream into a new table, indexes its keys, and syncs all to the disk.

    Raises:
        CalledProcessError: PostgreSQL refused.
    """
    with running(binaries) as server:
        copied = server.copy_pairs(stream)
        indexed = server.timed("-c", "CREATE INDEX pairs_key ON pairs USING btree (key)")
        synced = server.timed("-c", "CHECKPOINT")
        table, index = (int(server.ask(f"SELECT pg_relation_size('{name}')")) for name in ("pairs", "pairs_key"))
        return Loading(copied, indexed, synced, server.cpu_seconds(), table, index)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        binaries: the folder of its programs.
        folder: where it keeps everything, its socket too.
    """

    binaries: Path
    folder: Path

    def copy_pairs(self, stream: Path) -> float:
        """Copies the stream into a new table ``pairs`` and tells how many seconds it took."""
        create = "CREATE TABLE pairs (key bytea NOT NULL, ordinal integer NOT NULL)"
        return self.timed("-1", "-c", create, "-c", "COPY pairs FROM STDIN (FORMAT binary)", stdin=stream)

    def timed(self, *words: str, stdin: Path | None = None) -> float:
        """Runs psql and tells how many seconds it took."""
        with (stdin or Path(os.devnull)).open("rb") as given:
            started = time.perf_counter()
            subprocess.run(self._psql(*words), check=True, stdin=given, stdout=subprocess.DEVNULL)
            return time.perf_counter() - started

    def ask(self, query: str) -> str:
        """Gives what a query answers, as psql prints it without headings."""
        return subprocess.run(self._psql("-At", "-c", query), check=True, capture_output=True, text=True).stdout

    def cpu_seconds(self) -> float:
        """Tells what the server's processes that ended took: one for each session, and the workers that helped."""
        pid = (self.folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0]
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(map(int, after_name[_CHILDREN_TIMES])) / os.sysconf("SC_CLK_TCK")

    def _psql(self, *words: str) -> list[str | Path]:
        connection: list[str | Path] = ["-h", self.folder, "-U", ACCOUNT, "-d", "postgres"]
        return [self.binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *connection, *words]


@contextmanager
def running(binaries: Path, settings: Mapping[str, str] = SETTINGS) -> Iterator[Server]:
    """Runs a server in a temporary folder; it refuses to run as root, so root lends it to PostgreSQL's own account.

    Args:
        binaries: the folder of its programs.
        settings: what differs from PostgreSQL's own settings.

    Raises:
        CalledProcessError: PostgreSQL refused.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(folder, pwd.getpwnam(ACCOUNT).pw_uid, -1)
    account: list[str | Path] = ["runuser", "-u", ACCOUNT, "--"] if as_root else []
    local = {"listen_addresses": "", "unix_socket_directories": str(folder)}
    options = " ".join(f"-c {name}='{value}'" for name, value in (dict(settings) | local).items())
    data = folder / "data"
    control = [*account, binaries / "pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log", "-t", "600"]
    initdb = [*account, binaries / "initdb", "-D", data, "-U", ACCOUNT, "-A", "trust", "--no-locale", "-E", "UTF8"]
    try:
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/")
        subprocess.run([*control, "-o", options, "start"], check=True, cwd="/")
        try:
            yield Server(binaries, folder)
        finally:
            subprocess.run([*control, "-m", "fast", "stop"], check=True, cwd="/")
    finally:
        shutil.rmtree(folder)
