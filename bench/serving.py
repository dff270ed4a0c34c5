"""A real server over a country's snapshot: everything that it needs in a folder, and the process itself.

What belongs here: starting and always ending the server that load is sent to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import grpc

from country import write_country
from nation.persons import REGISTER_DATE
from nation.requests import SENDER_ID
from resolver_grpc.build.schema import TABLES
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.key_file import create_key_file
from resolver_grpc.model import Kind, Limits

if TYPE_CHECKING:
    from guards import Guards

AS_OF = f"{REGISTER_DATE}T11:00:00Z"
"""Noon on the day of a country's register: whatever the day of the benchmark, the answers are the same."""

_COMMAND = Path(sys.executable).with_name("resolver-grpc")
_BUILDER = Path(__file__).resolve().parents[1] / "tools" / "build_snapshot.py"
_SECONDS_TO_START, _SECONDS_TO_END = 300, 30
_MOST_COMPLAINTS = 100
_NO_LIMIT = 1_000_000_000


class Site(NamedTuple):
    """Where the things lie that a server is started with: its snapshot, the key file and the senders."""

    snapshot: Path
    keys: Path
    senders: Path


class Running(NamedTuple):
    """A server that runs.

    Attributes:
        address: ``HOST:PORT``.
        pid: its process; 0 where that is not known.
        complaints: the warnings and errors that it has logged since it started; the first of them where they are many.
        credentials: what its callers show; None where it listens in the clear.
    """

    address: str
    pid: int
    complaints: Sequence[str] = ()
    credentials: grpc.ChannelCredentials | None = None


def make_site(mailboxes: int, seed: int, folder: Path) -> Site:
    """Builds the snapshot of a country in a folder, with all else that a server needs; once, if it isn't there.

    Raises:
        ConfigurationError: the builder failed; its own error stands above.
    """
    site = Site(folder / "snapshot", folder / "index.key", folder / "senders.toml")
    folder.mkdir(parents=True, exist_ok=True)
    write_senders(site.senders)
    if site.snapshot.exists():
        return site
    site.keys.unlink(missing_ok=True)
    create_key_file(site.keys)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tables-") as tables:
        write_country(mailboxes, seed, Path(tables), "parquet")
        words: list[str | Path] = [sys.executable, _BUILDER, "--keys", site.keys, "--out", site.snapshot]
        for table in TABLES:
            words += [f"--{table.name}", Path(tables, f"{table.name}.parquet")]
        if subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode:
            raise ConfigurationError("build_snapshot.py failed; its error stands above")
    return site


def write_senders(path: Path) -> None:
    """Writes the senders file that the requests of ``nation.requests`` need: their one sender, held to no budget."""
    kinds = ", ".join(f'"{kind.name}"' for kind in Kind if kind)
    path.write_text(
        f'[[senders]]\nid = "{SENDER_ID}"\nname = "Afsender 1"\ncvr = "10000033"\nclass = "PRIVATE"\n'
        f"terms_consent = true\nkinds = [{kinds}]\n" + "".join(f"{name} = {_NO_LIMIT}\n" for name in Limits._fields),
        encoding="utf-8",
    )


@contextmanager
def serving(site: Site, options: Sequence[str] = (), guards: Guards | None = None) -> Iterator[Running]:
    """Starts ``resolver-grpc serve`` on a free port of the loopback, and ends it when the block ends.

    Args:
        site: what to serve, as of ``AS_OF``.
        options: further words for the command.
        guards: what it is guarded with; in the clear unless told.

    Raises:
        ConfigurationError: the server did not start; says what it said.
    """
    words: list[str | Path] = [_COMMAND, "serve", "--listen", "127.0.0.1:0", "--as-of", AS_OF]
    words += ["--snapshot", site.snapshot, "--keys", site.keys, "--senders", site.senders, *options]
    words += guards.options if guards else ["--insecure"]
    with ended(subprocess.Popen(words, stderr=subprocess.PIPE, text=True, encoding="utf-8")) as process:
        log = _await_address(process)
        yield Running(log.address, process.pid, log.complaints, guards.credentials if guards else None)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends a process when the block ends, however that ends: gently, and by force where that takes too long."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_address(process: subprocess.Popen[str]) -> _Log:
    """Reads the server's log up to the line that tells its address, and goes on reading, so that it never blocks."""
    assert process.stderr
    log = _Log(process.stderr)
    log.start()
    if not log.told.wait(_SECONDS_TO_START):
        raise ConfigurationError(f"the server did not start within {_SECONDS_TO_START} s")
    if not log.address:
        raise ConfigurationError(f"the server did not start: {log.last.removeprefix('error: ') or 'it said nothing'}")
    return log


class _Log(threading.Thread):
    """Reads a server's log to its end."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.told = threading.Event()
        self.address = self.last = ""
        self.complaints: list[str] = []

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                self.last = line.strip()
                self._note(_entry_of(line))
        self.told.set()

    def _note(self, entry: dict[str, Any]) -> None:
        if self.address:
            # A line that is no entry is something that nobody foresaw.
            if entry.get("level") != "info" and len(self.complaints) < _MOST_COMPLAINTS:
                self.complaints.append(self.last)
        elif entry.get("address"):
            self.address = entry["address"]
            self.told.set()


def _entry_of(line: str) -> dict[str, Any]:
    """What a line of the log says; nothing where it is none of the log's."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return entry if isinstance(entry, dict) else {}
