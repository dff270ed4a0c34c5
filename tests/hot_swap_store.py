"""A store whose generations differ visibly, and a server that follows it, with everything it opened at hand."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import structlog

from resolver_grpc.build.population.brute_force import World, decide
from resolver_grpc.build.snapshot import build_snapshot
from resolver_grpc.errors import SnapshotError
from resolver_grpc.key_file import create_key_file
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.server.app import Server
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.reload import Reload, Store
from resolver_grpc.server.served import open_served
from resolver_grpc.server.sums import Outcome
from resolver_grpc.snapshot.changing import moving_current
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, encode_manifest
from small_register import (
    ANN,
    ANN_TWO,
    BO,
    KNOWN_SENDERS,
    KVHX,
    MAILBOX_ROWS,
    NOON,
    OLD_IDA,
    PERSONS_ROWS,
    REGISTER_DATE,
    RELATION_ROWS,
    quiet,
    write_tables,
)

SENDER = KNOWN_SENDERS["town"]
TELLING_QUERIES = [
    QueryRow("1", Kind.ADDRESS, kvhx=KVHX),
    QueryRow("2", Kind.FIRST_NAME, first_name="Ann", kvhx=KVHX),
    QueryRow("3", Kind.FIRST_NAME, first_name="Bo", kvhx=KVHX),
    QueryRow("4", Kind.FULL_NAME, full_name="Ida Ring", address_line="Vestergade 16, 8000 Aarhus C"),
    QueryRow("5", Kind.EMAIL, email_address="ann@post.dk"),
    QueryRow("6", Kind.CPR, number=OLD_IDA),
]
"""Whose decisions together tell any two of 32 registers apart."""


def mailboxes_of(variant):
    """Who agreed to be found by address, and whether Ann claims her e-mail address, by the bits of a number."""
    agreed = {number for bit, number in enumerate((ANN, BO, ANN_TWO, OLD_IDA)) if variant >> bit & 1}
    rows = []
    for row in MAILBOX_ROWS:
        consent = {"address_consent_given": "2024-01-01" if row["number"] in agreed else ""}
        claim = {"email_claimed": ""} if row["number"] == ANN and not variant >> 4 & 1 else {}
        rows.append(row | consent | claim)
    return rows


def decisions_of(variant, queries=TELLING_QUERIES, sender=SENDER):
    """What the brute force decides from a register."""
    world = World(PERSONS_ROWS, mailboxes_of(variant), RELATION_ROWS, (), date.fromisoformat(REGISTER_DATE))
    return [decide(query, sender, world, NOON, personal_content=False) for query in queries]


@dataclass(frozen=True)
class Variants:
    """Snapshots of registers that differ, under one key."""

    key: MasterKey
    key_file: Path
    folders: list[Path]

    @property
    def ids(self):
        return [read_manifest(folder).snapshot_id for folder in self.folders]


def build_variants(folder, count):
    """Builds the snapshots of so many registers, from number 0 on."""
    key = create_key_file(folder / "index.key")
    folders = []
    for variant in range(count):
        tables = folder / f"tables-{variant}"
        tables.mkdir()
        inputs = write_tables(tables, mailboxes=mailboxes_of(variant))
        folders.append(folder / f"snapshot-{variant}")
        build_snapshot(inputs, folders[-1], key, NOON, quiet)
    return Variants(key, folder / "index.key", folders)


def make_current(store, number):
    """Makes a number the live one, whole or not, as a publisher does."""
    with moving_current(store, number):
        pass


def change_manifest(directory, **changes):
    """States something else in a manifest, well-formed."""
    (directory / MANIFEST_FILE).write_bytes(encode_manifest(replace(read_manifest(directory), **changes)))


def is_open(served):
    try:
        served.snapshot.index.find([bytes(16)])
    except SnapshotError:
        return False
    return True


OUTCOMES = {"generation taken up": Outcome.TAKEN_UP, "generation refused": Outcome.REFUSED}
"""What is logged of new generations, and as what it is counted."""


@dataclass
class Following:
    """A store as it is followed: what was opened, what was open at each opening, what was logged."""

    path: Path
    key: MasterKey
    as_of: int | None = NOON
    before: object = staticmethod(lambda: None)
    changes: object = None
    options: dict = field(default_factory=dict)
    opened: list = field(default_factory=list)
    open_at_openings: list = field(default_factory=list)
    openings: int = 0
    logged: list = field(default_factory=list)
    counted: list = field(default_factory=list)

    def open(self, directory, sighting):
        self.openings += 1
        self.before()
        self.open_at_openings.append(self.still_open())
        served = open_served(directory, self.key, KNOWN_SENDERS, self.as_of, sighting, log=self.changes)
        self.opened.append(served)
        return served

    def still_open(self):
        return [served.generation for served in self.opened if is_open(served)]

    @property
    def store(self):
        return Store(self.path, self.open)

    @property
    def log(self):
        def keep(_logger, level, event):
            self.logged.append({"level": level} | event)
            raise structlog.DropEvent

        return structlog.wrap_logger(None, processors=[keep])

    def events(self):
        return [(line["event"], line.get("generation")) for line in self.logged]

    @contextmanager
    def reload(self, clock=lambda: NOON):
        """What follows the store, without a server around it; call its coroutines under ``asyncio.run``."""
        in_service = InService(self.store.open_live())
        try:
            yield Reload(self.store, in_service, clock, self.log, self.counted.append), in_service
        finally:
            asyncio.run(in_service.close())
        assert self.still_open() == []
        assert self.counted == [OUTCOMES[line["event"]] for line in self.logged if line["event"] in OUTCOMES]


@contextmanager
def server_following(following, clock=lambda: NOON, interval=0.005):
    """A real server on a free port that follows the store; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    served = following.store.open_live()

    async def start():
        server = Server(
            served, clock, following.log, following.store, interval, changes=following.changes, **following.options
        )
        return server, await server.start("127.0.0.1:0")

    try:
        server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert following.still_open() == []
