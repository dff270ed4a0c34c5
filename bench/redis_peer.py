"""Redis as a peer: a server of its own in a temporary folder, asked by one MGET for each batch.

What belongs here: starting, asking, stopping. The values are decimal text: a lone ordinal takes Redis no more than
the object that holds the integer, and a reply can be taken apart by one regular expression, so that no client's
package is needed: measured, a whole MGET takes half as long as through redis-py over hiredis, and about
as long as with hiredis alone.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from peer_index import Peer
from redis_dump import write_dump
from resolver_grpc.errors import ConfigurationError, SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver_grpc.index.pairs import Pairs

NAME = "Redis"

_PROGRAM = "redis-server"
_SOCKET, _DUMP, _LOG = "redis.sock", "pairs.rdb", "log"
_SETTINGS = ("--port", "0", "--save", "", "--appendonly", "no", "--rdbchecksum", "no")
_ITEMS = re.compile(rb"\$(?:-1|\d+\r\n([\d ]+))\r\n")
_REPLY_BYTES = 1 << 18
_SECONDS_BETWEEN_TRIES = 0.05
_SECONDS_TO_END = 60.0


def why_not() -> str:
    """Says in a sentence why Redis can't be measured here; nothing where it can."""
    return "" if shutil.which(_PROGRAM) else "Redis is not installed (apt-get install redis-server)."


@contextmanager
def holding(pairs: Pairs) -> Iterator[Peer]:
    """Runs a Redis that holds the pairs in memory alone.

    Raises:
        ConfigurationError: Redis ended before it held them.
    """
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        folder = Path(name)
        write_dump(pairs, folder / _DUMP)
        with _running(folder) as process, closing(socket.socket(socket.AF_UNIX)) as connection:
            begun = time.perf_counter()
            _await_loading(process, connection, folder)
            seconds = time.perf_counter() - begun
            (folder / _DUMP).unlink()
            yield Peer(NAME, lambda keys: _find(connection, keys), process.pid, _about(connection, pairs, seconds))


@contextmanager
def _running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [_PROGRAM, *_SETTINGS, "--dir", str(folder), "--dbfilename", _DUMP, "--unixsocket", _SOCKET]
    with (folder / _LOG).open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_loading(process: subprocess.Popen[bytes], connection: socket.socket, folder: Path) -> None:
    """Waits until the server takes connections, and until it no longer answers that it loads."""
    while not _connects(connection, folder / _SOCKET) or _ask(connection, b"PING\r\n") != b"+PONG\r\n":
        if process.poll() is not None:
            said = (folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
            raise ConfigurationError(f"Redis ended at its start ({said[-1] if said else 'silently'}); mend that first.")
        time.sleep(_SECONDS_BETWEEN_TRIES)


def _connects(connection: socket.socket, path: Path) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return connection.connect_ex(str(path)) == 0
    return True


def _find(connection: socket.socket, keys: Sequence[bytes]) -> list[tuple[int, ...]]:
    """Does what ``Index.find`` does."""
    if not keys:
        return []
    reply = _ask(connection, b"*%d\r\n$4\r\nMGET\r\n$16\r\n%b\r\n" % (len(keys) + 1, b"\r\n$16\r\n".join(keys)))
    while len(items := _ITEMS.findall(reply)) < len(keys):
        if not reply.startswith(b"*"):
            raise SnapshotError("Redis refused to look keys up; see what it says of MGET.")
        reply += _ask(connection, b"")
    return [tuple(map(int, item.split())) for item in items]


def _ask(connection: socket.socket, command: bytes) -> bytes:
    """Sends a command and gives the reply, or as much of it as is there; without a command, more of the last reply."""
    try:
        connection.sendall(command)
        reply = connection.recv(_REPLY_BYTES)
    except ConnectionError:
        reply = b""
    if not reply:
        raise SnapshotError("Redis ended the connection; see whether the machine has memory enough for it.")
    return reply


def _about(connection: socket.socket, pairs: Pairs, seconds: float) -> str:
    told = dict(line.partition(b":")[::2] for line in _ask(connection, b"INFO\r\n").splitlines())
    keys, memory = pairs.counts.keys, int(told[b"used_memory"])
    return (
        f"Redis {told[b'redis_version'].decode()}: {keys:,} keys, each with its ordinals as decimal text, "
        f"{memory / keys:.0f} bytes a key; loaded from a dump in {seconds:.1f} s, nothing is written to the disk; one "
        "MGET for each batch, over a socket of the file system."
    )
