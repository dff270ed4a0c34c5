"""Logs of changes as the tests write them; run as a program, it writes one until it is killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.keys import KeyRing, MasterKey

KEY = MasterKey(b"changes" + bytes(25))
RING = KeyRing(KEY)


def entry(number, content=None):
    keys = tuple(bytes((number % 251,)) * 16 for _ in range(number % 4))
    after = b"after %d" % number if number % 3 else b""
    return Entry(f"feed-{number}", b"change %d" % number if content is None else content, keys, after)


def program(how, when, path, *words):
    if how == "step":
        die_at_step(int(when), str(Path(path).parent))
        with ChangeLog(Path(path), RING) as log:
            log.trim(int(words[0]))
        return
    append(path, *words)


def append(path, told, first):
    """Appends groups of one to seven entries; tells number and sequence of each that was acknowledged."""
    tell = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log, number = ChangeLog(Path(path), RING), int(first)
    while True:
        numbers = range(number, number + 1 + number % 7)
        sequences = log.append([entry(one) for one in numbers])
        os.write(tell, b"".join(b"%d %d\n" % told for told in zip(numbers, sequences, strict=True)))
        number = numbers[-1] + 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from nursery import die_at_step, serve

    serve(program)
