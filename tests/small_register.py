"""A register small enough to know by heart, built and served for real: what many tests stand on."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from redaction import know
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.build.tables import TableMeta, write_table
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.key_file import create_key_file, read_key_ring
from resolver_grpc.keys import KeyRing, MasterKey
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.server.app import Server
from resolver_grpc.server.auditing import Auditing
from resolver_grpc.server.log import make_log
from resolver_grpc.server.senders import parse_sender
from resolver_grpc.server.served import open_served
from resolver_grpc.times import parse_time

REGISTER_DATE = "2026-11-01"
NOON = parse_time("2026-11-01T11:00:00Z")
KVHX = "07511234__12__3__tv"
LINE = "Vestergade 12, 3. tv, 8000 Aarhus C"

ANN, BO, ANN_TWO, PIA, EVA, IDA, OLD_IDA = (
    "0101801239",
    "0202812345",
    "0303823456",
    "0404834567",
    "0505845678",
    "0606856789",
    "0606856700",
)
FIRM = "13585628"


def person(number, full_name, **cells):
    home = {"municipality_code": "0751", "road_code": "1234", "short_street_name": "Vestergade", "postal_code": "8000"}
    return home | {"number": number, "status": "01", "full_name": full_name, "house_number": "12"} | cells


def mailbox(number, **cells):
    return {"number": number, "opened": "2024-01-01", "address_consent_given": "2024-01-01"} | cells


THIRD_LEFT = {"floor": "3", "door": "tv"}
PERSONS_ROWS = [
    person(ANN, "Ann Mo Bo", **THIRD_LEFT),
    person(BO, "Bo Bo", **THIRD_LEFT),
    person(ANN_TWO, "Ann Sø Bo", **THIRD_LEFT),
    person(PIA, "Pia Krag", house_number="14", protections="2026-01-01/2027-01-01"),
    person(EVA, "Eva Dam", house_number="14", status="80"),
    person(IDA, "Ida Ring", house_number="16", old_numbers=OLD_IDA),
]
CLAIM = {"email_verified": "2024-01-01", "email_claimed": "2024-01-01"}
MAILBOX_ROWS = [
    mailbox(ANN, email_address="ann@post.dk", **CLAIM),
    mailbox(BO, exempt_from="2026-01-01"),
    mailbox(ANN_TWO, address_consent_given=""),
    mailbox(PIA, email_address="pia@post.dk", **CLAIM),
    mailbox(EVA),
    mailbox(OLD_IDA),
    {
        "number": FIRM,
        "opened": "2024-01-01",
        "forwarding_address": "post@firm.dk",
        "forwarding_from": "2026-01-01",
    },
]
RELATION_ROWS = [
    {"number": IDA, "sender_id": "power", "relation": "OPTED_OUT", "effective_time": "2026-10-01"},
    {"number": ANN, "sender_id": "power", "relation": "SUBSCRIBED", "effective_time": "2026-10-01"},
]

SENDERS = [
    {"id": "power", "name": "Power", "cvr": "13585628", "class": "PRIVATE", "kinds": [k.name for k in Kind if k]},
    {"id": "town", "name": "Town", "cvr": "61126228", "class": "PUBLIC", "kinds": [k.name for k in Kind if k]},
    {"id": "shy", "name": "Shy", "cvr": "13585628", "class": "PRIVATE", "kinds": ["CPR"], "fallback": "LETTER"},
]
KNOWN_SENDERS = {one.id: one for one in map(parse_sender, SENDERS)}

QUERIES = [
    QueryRow("a", Kind.FULL_NAME, full_name="Ann Bo", address_line=LINE),
    QueryRow("b", Kind.FIRST_NAME, first_name="bo", kvhx=KVHX),
    QueryRow("c", Kind.ADDRESS, kvhx=KVHX),
    QueryRow("d", Kind.EMAIL, email_address="Ann@post.dk"),
    QueryRow("e", Kind.CPR, number=OLD_IDA),
    QueryRow("f", Kind.CVR, number=FIRM),
    QueryRow("g", Kind.HANDLE, handle=bytes(16)),
    QueryRow("h", Kind.FULL_NAME, full_name="Ann", address_line=LINE),
    QueryRow(
        "æ", Kind.FULL_NAME, full_name="Nobody Here", street_name="Vestergade", house_number="99", postal_code="8000"
    ),
    QueryRow("", Kind.UNSPECIFIED),
    QueryRow("i", Kind.EMAIL, email_address="pia@post.dk"),
    QueryRow("a", Kind.FULL_NAME, full_name="Ann Bo", address_line=LINE),
]


def quiet(_total, _description):
    """No progress bar."""
    return nullcontext(lambda _amount: None)


def write_tables(
    folder,
    persons=PERSONS_ROWS,
    mailboxes=MAILBOX_ROWS,
    relations=RELATION_ROWS,
    roads=(),
    suffix=".csv",
    change_sequence=7,
    register_date=REGISTER_DATE,
):
    """Writes the four tables and tells where."""
    paths = {}
    for table, rows in ((PERSONS, persons), (MAILBOXES, mailboxes), (RELATIONS, relations), (ROADS, roads)):
        know(rows)
        paths[table.name] = folder / f"{table.name}{suffix}"
        with write_table(
            paths[table.name], table, TableMeta(change_sequence, register_date if table is PERSONS else "")
        ) as out:
            for row in rows:
                out.write(row)
    return Inputs(**paths)


@dataclass(frozen=True)
class BuiltRegister:
    """A snapshot on disk, its key and what came of building it."""

    directory: Path
    key: MasterKey
    key_file: Path
    built: object


def build_register(folder, secret=None, **tables):
    """Builds a snapshot of some tables in a folder, under a random key unless a master key's 32 bytes are given."""
    key_file = folder / "index.key"
    if secret:
        key_file.touch(0o600)
        key_file.write_bytes(b64encode(secret))
    key = read_key_ring(key_file).active if secret else create_key_file(key_file)
    built = build_snapshot(write_tables(folder, **tables), folder / "snapshot", key, NOON, quiet)
    return BuiltRegister(folder / "snapshot", key, key_file, built)


@dataclass(frozen=True)
class RunningServer:
    """A real server on a free port."""

    target: str
    sender_ids: list[str]
    queries: list[QueryRow]


@contextmanager
def serving(
    register,
    senders=KNOWN_SENDERS,
    as_of=NOON,
    clock=None,
    queries=QUERIES,
    log=None,
    audit=None,
    changes=None,
    keep_log=None,
    **options,
):
    """Serves a snapshot from a thread of its own until the block ends; the options are the server's.

    Batches are recorded in the folder ``audit``, and changes taken into the log ``changes``, where there is one;
    ``keep_log`` is given that, once it is open.
    """
    change_log = ChangeLog(changes, KeyRing(register.key)) if changes else None
    if keep_log:
        keep_log(change_log)
    served = open_served(register.directory, register.key, senders, as_of, log=change_log)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start():
        auditing = Auditing(audit, [register.key], 1, log or make_log()) if audit else None
        server = Server(
            served, clock or (lambda: as_of), log or make_log(), audit=auditing, changes=change_log, **options
        )
        return server, await server.start("127.0.0.1:0")

    try:
        server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
        yield RunningServer(f"127.0.0.1:{port}", list(senders), queries)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    finally:
        served.snapshot.index.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
