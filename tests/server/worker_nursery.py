"""Supervised workers as tests run them: the command, and what their log says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from redaction import checked_lines

COMMAND = Path(sys.executable).with_name("resolver-grpc")
AS_OF = "2026-11-01T11:00:00Z"


class Supervised:
    """A running supervisor, and its log line by line."""

    def __init__(self, process):
        self.process = process
        self.logged = []
        self.address = self.wait_for("serving")["address"]

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def wait_for(self, event):
        """Reads the log until a line tells of an event."""
        for line in checked_lines(self.process.stderr):
            self.logged.append(json.loads(line))
            if self.logged[-1]["event"] == event:
                return self.logged[-1]
        raise AssertionError(f"the log ended without {event!r}: {self.logged}")

    def read_to_the_end(self):
        """Reads the log until nobody is left who could write to it; tells the rest."""
        rest = [json.loads(line) for line in checked_lines(self.process.stderr)]
        self.logged += rest
        return rest

    def workers(self):
        """The processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def listeners(self):
        """How many sockets listen on the port."""
        tables = "".join(Path("/proc/net", name).read_text(encoding="ascii") for name in ("tcp", "tcp6"))
        rows = map(str.split, tables.splitlines())
        return sum(row[1].endswith(f":{self.port:04X}") and row[3] == "0A" for row in rows)

    def end(self):
        """Drains it; tells the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.read_to_the_end()
        return self.process.wait()


def serve_command(folder, *options):
    """The command line that serves what lies in a folder."""
    paths = ["--snapshot", folder / "snapshot", "--keys", folder / "index.key", "--senders", folder / "senders.toml"]
    return [COMMAND, "serve", "--insecure", *paths, "--as-of", AS_OF, *options]


def quick_command(folder, as_of):
    """The same with two workers, whose clients are let go within half a second."""
    return [sys.executable, Path(__file__).with_name("quick_supervisor.py"), folder, str(as_of)]


@contextmanager
def supervised(command):
    """Runs a command in a session of its own; whatever becomes of the test, nothing of it is left."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield Supervised(process)
        finally:
            # Workers that have lost their supervisor end by themselves.
            process.kill()
