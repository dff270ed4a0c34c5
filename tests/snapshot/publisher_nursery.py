"""Starts publishers that don't live to the end: a program that forks one for each line that it is told.

A line holds a store, a snapshot and how the publisher is to die: ``step N`` at the Nth thing that it asks of
the operating system about the store (Python's audit events), ``after S`` seconds. Answered with ``died`` or
``ended``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from store_snapshots import KEY

from resolver_grpc.snapshot.placing import place, prune


def publish(store, snapshot):
    place(store, snapshot, KEY)
    prune(store, 2)


def die_at(step, store):
    left = step
    # What is removed is named within its folder, and what is locked not at all.
    always = {"os.remove", "os.rmdir", "fcntl.flock"}

    def count(event, arguments):
        nonlocal left
        left -= event in always or any(str(argument).startswith(store) for argument in arguments)
        if left == 0:
            left = -1  # killing is an event too
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def fate(store, snapshot, how, when):
    child = os.fork()
    if child == 0:
        if how == "step":
            die_at(int(when), store)
        publish(Path(store), Path(snapshot))
        os._exit(0)
    if how == "after":
        time.sleep(float(when))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return "died" if status else "ended"


def main():
    for line in sys.stdin:
        sys.stdout.write(fate(*line.split()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
