"""Audits as the tests write them; run as a program, it writes one until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from functools import partial
from pathlib import Path

from resolver_grpc.audit.chain import Chain
from resolver_grpc.audit.record import Record
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.verify import Listener, verify_folder
from resolver_grpc.audit.writer import Audience, AuditWriter
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


class Heard:
    """What a writer tells its audience.

    Attributes:
        faults: why writing began to fail; an empty text where it no longer did.
        news: what the chain told.
        groups: how many records each write was to hold, and whether it does.
        noted: set whenever there is something new.
        is_well: set while writing works.
    """

    def __init__(self):
        self.faults, self.news, self.groups = [], [], []
        self.is_well, self.noted = asyncio.Event(), asyncio.Event()
        self.is_well.set()
        self.audience = Audience(self._changed, lambda *news: self.news.append(news), self._wrote)

    async def until(self, condition):
        while not condition():
            self.noted.clear()
            await self.noted.wait()

    def _changed(self, fault):
        self.faults.append(fault)
        if fault:
            self.is_well.clear()
        else:
            self.is_well.set()
        self.noted.set()

    def _wrote(self, records, _seconds, *, is_written):
        self.groups.append((records, is_written))
        self.noted.set()


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


def write_until_killed(folder, first, callers, tell, begun):
    """Writes records for several callers, and tells the number of each that was acknowledged; calls ``begun`` first."""

    async def call(writer, number):
        while True:
            await writer.write(partial(record, number))
            os.write(tell, b"%d\n" % number)
            number += callers

    async def run():
        writer = AuditWriter(folder, [KEYS], 1, Heard().audience)
        begun()
        await asyncio.gather(*(call(writer, first + number) for number in range(callers)))

    asyncio.run(run())


def program(how, when, folder, told, first, callers):
    """Is killed ``after`` so many seconds, or so many after it has ``begun`` to write."""

    def begun():
        if how == "begun":
            threading.Timer(float(when), die).start()

    tell = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    write_until_killed(Path(folder), int(first), int(callers), tell, begun)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from nursery import die, serve

    serve(program)
