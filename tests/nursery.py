"""Programs that don't live to the end, and disks that are too small: what the tests of crashes share.

A nursery is a process that has imported everything and forks a program for each line that it is told, so that a
death costs milliseconds. ``fate`` runs in it, ``Nursery`` is what a test holds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest


class Nursery:
    """A process that starts programs and lets them die; its own program calls ``serve``."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def fate(self, *words):
        """Tells how a program ended: ``died``, or by which exit code."""
        print(json.dumps([str(word) for word in words]), file=self.process.stdin)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0


def serve(run):
    """Forks for each line, tells how it ended, until there are no more lines.

    Args:
        run: takes the line's words; how and when to die are the first two.
    """
    for line in sys.stdin:
        words = json.loads(line)
        sys.stdout.write(json.dumps(fate(run, *words)) + "\n")
        sys.stdout.flush()


def fate(run, how, when, *words):
    """Lets a program die: ``after`` so many seconds, or when the program itself sees to it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = run(how, when, *words) or 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    if how == "after":
        time.sleep(float(when))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return "died" if code == -signal.SIGKILL else code


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(step, folder):
    """Dies at the Nth thing that is asked of the operating system about a folder (Python's audit events)."""
    left = step
    # What is removed is named within its folder, and what is locked not at all.
    always = {"os.remove", "os.rmdir", "fcntl.flock"}

    def count(event, arguments):
        nonlocal left
        left -= event in always or any(str(argument).startswith(folder) for argument in arguments)
        if left == 0:
            left = -1  # killing is an event too
            die()

    sys.addaudithook(count)


@contextmanager
def mounted_disk(folder, size):
    """A file system of some size (``512k``) in a new folder; skips where none can be mounted."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no file system can be mounted here, so that none can be filled")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def room_left(folder, amount):
    """Fills the file system of a folder but for so many bytes, as long as the block lasts."""
    filling = folder / "filling"
    with filling.open("wb") as file:
        stat = os.statvfs(folder)
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, max(1, stat.f_bavail * stat.f_frsize - amount))
    try:
        yield
    finally:
        filling.unlink()


def tool(name):
    """One of the programs of ``tools/``."""
    return Path(__file__).parents[1] / "tools" / f"{name}.py"
