"""Audits as the tests write them; run as a program, it writes one until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from resolver_grpc.audit.chain import Chain
from resolver_grpc.audit.record import Record
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.verify import Listener, verify_folder
from resolver_grpc.audit.writer import AuditWriter
from resolver_grpc.keys import MasterKey

KEY = MasterKey(b"audit" + bytes(27))
KEYS = AuditKeys.of(KEY)
KEYRING = {KEYS.key_id: KEYS}
NOON = 1_793_534_400.0
DAY = 86_400.0


class Clock:
    """A clock that a test sets; a little later whenever it is asked."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        self.now += 0.000_001
        return self.now


def record(number=0, **fields):
    known = {"sender_id": "power", "counts": {(1, 1): 3, (5, 7): 2}, "targets": 3}
    return Record(1_793_000_000, "loopback", "delivery", "5e", number, 1, **known | fields)


def chain(folder, worker=1, clock=None, told=None):
    """A chain; what it tells is appended to ``told``."""
    told = [] if told is None else told
    return Chain(folder, [KEYS], worker, clock or Clock(), lambda *news: told.append(news))


def numbers_in(folder):
    """The numbers of the records that hold, sorted."""
    numbers = []
    verify_folder(folder, KEYRING, listener=Listener(lambda body: numbers.append(body["change_sequence"])))
    return sorted(numbers)


def faults_of(folder, checkpoints=(), kept_from=""):
    return verify_folder(folder, KEYRING, checkpoints, kept_from).faults


def crash(file):
    """What is left when the process that writes a chain is killed: the lock is gone, and nothing else is done."""
    file._file.release()


def write_until_killed(folder, first, callers, tell):
    """Writes records for several callers, and tells the number of each that was acknowledged."""

    async def call(writer, number):
        while True:
            await writer.write(record(number))
            os.write(tell, b"%d\n" % number)
            number += callers

    async def run():
        writer = AuditWriter(chain(folder, clock=time.time), lambda _fault: None)
        await asyncio.gather(*(call(writer, first + number) for number in range(callers)))

    asyncio.run(run())


def program(_how, _when, folder, told, first, callers):
    tell = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    write_until_killed(Path(folder), int(first), int(callers), tell)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from nursery import serve

    serve(program)
