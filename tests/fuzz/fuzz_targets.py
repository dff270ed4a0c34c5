"""The targets by name, and what each is first tried with.

Seeds are made by code, so that they follow the formats; all of them are the tests' own making.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import cpr_lines
import fuzz_secrets
import fuzz_tables
import fuzz_texts
import jwt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from access_nursery import ACCESS, AUDIENCE, ISSUER
from fast_nursery import message_of, request_of
from fuzz_secrets import NOW, PUBLIC_PEM, SENDERS_TOML, SIGNING_KEY
from fuzz_tables import META, TABLES, opening_folder
from fuzz_texts import KVHX, LINES, POOL, TRICKS, bytes_of, opening_both_ways

from resolver_grpc.index.postings import encode_posting
from resolver_grpc.keys import MasterKey
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from small_register import MAILBOX_ROWS, PERSONS_ROWS, RELATION_ROWS

ROWS = (PERSONS_ROWS, MAILBOX_ROWS, RELATION_ROWS, [])


@dataclass(frozen=True)
class Target:
    """Something that takes bytes of any kind.

    Attributes:
        name: what it is called on the command line and in tables.
        run: takes what it needs, and an input; fails where a property doesn't hold.
        seeds: given what it needs, the first inputs.
        opening: gives what it needs for as long as a block lasts.
        longest: bytes of the longest input that is tried.
        examples: how many changed inputs the suite tries.
    """

    name: str
    run: Callable
    seeds: Callable
    opening: Callable = field(default=nullcontext)
    longest: int = 2_048
    examples: int = 80


def encoded(texts):
    return [text.encode() for text in texts]


def seeds_of_tables(write):
    """A file of each table, the first byte of which says what it holds."""
    return [bytes([place]) + write(table, rows) for place, (table, rows) in enumerate(zip(TABLES, ROWS, strict=True))]


def csv_of(table, rows):
    """A small table as CSV, and a cell that has to be quoted."""
    cells = [[row.get(name, "") for name in table.column_names] for row in rows[:3]]
    cells.append([column.example for column in table.columns])
    quoted = [",".join(f'"{cell}"' if "," in cell else cell for cell in one) for one in cells]
    return "\r\n".join([",".join(table.column_names), *quoted, ""]).encode()


def parquet_of(table, rows):
    """The same as Parquet."""
    held = {column.name: [row.get(column.name, "") for row in rows[:3]] + [column.example] for column in table.columns}
    written = pa.table({name: pa.array(cells, pa.string()) for name, cells in held.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(written.replace_schema_metadata({"resolver_grpc": META}), sink)
    return sink.getvalue().to_pybytes()


def extracts():
    """A full extract, and one followed by a change."""
    karen, ole = cpr_lines.KAREN, cpr_lines.OLE
    records = [
        *(cpr_lines.person(karen), cpr_lines.address(karen), cpr_lines.in_clear(karen), cpr_lines.name(karen)),
        *(cpr_lines.protection(karen), cpr_lines.old_number(karen, cpr_lines.OLD), cpr_lines.person(ole, "70")),
    ]
    full = b"".join(cpr_lines.encoded([cpr_lines.start(), *records, cpr_lines.end(len(records))]))
    changes = [cpr_lines.person(karen, "90"), cpr_lines.protection(karen)]
    started = cpr_lines.start("20011120", "20011119")
    change = b"".join(cpr_lines.encoded([started, *changes, cpr_lines.end(len(changes))]))
    return [full, full + b"\0" + change]


def tokens():
    """Tokens that are right, that are of others, and what is none."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "intake", "nbf": NOW - 60, "exp": NOW + 60}
    more = [claims, claims | {"sub": "Zaphod Beeblebrox"}, claims | {"exp": 1}, claims | {"aud": [AUDIENCE, "x"]}]
    signed = [jwt.encode(one, SIGNING_KEY, "EdDSA") for one in more]
    return encoded([f"Bearer {token}" for token in [*signed, jwt.encode(claims, "secret" * 8, "HS256")]] + ["Basic eA"])


def audits(audit):
    """The sound chain with its head, and cut."""
    head = audit.head.read_bytes()
    return [audit.sound + b"\0" + head, audit.sound[:-9] + b"\0" + head]


def key_files():
    """A ring of two keys with a comment, and the former form of one."""
    keys = [MasterKey(letter * 32) for letter in (b"o", b"n")]
    secrets = [base64.b64encode(key.secret).decode() for key in keys]
    lines = [f"{key.key_id} {secret}" for key, secret in zip(keys, secrets, strict=True)]
    return encoded([f"# Zaphod's\n{lines[0]} kept\n{lines[1]} active\n", secrets[0] + "\n"])


def parts_of_an_index():
    """Posting lists, short and long, and a page."""
    lists = [encode_posting(np.arange(0, 1000, step, np.uint32)) for step in (300, 2)]
    keys = sorted(bytes([number]) * 16 for number in range(9))
    return [*lists, b"".join(keys) + b"".join(struct.pack("<I", number) for number in range(9))]


SHIPMENTS = encoded(
    [
        "Reference;Navn;Adresse;Postnr;By\r\n1;Karen Elkjær;Nøddevej 12 B,2 th;9000;Aalborg\r\n",
        "sep=,\r\nid,fornavn,vejnavn,husnr,etage,dør,postnr by\r\n7,Åse,Gl. Kongevej,7,2,tv,1610 København V\r\n",
        'cpr\tcvr\te-mail\tkvhx\r\n010180-1239\t13585628\t"a@post.dk"\t04201074___6_st__tv\r\n',
    ]
)
WIRE = [request_of([message_of(one) for one in POOL[at : at + 3]], shipment_id="aften") for at in range(0, 30, 3)]

TARGETS = {
    target.name: target
    for target in [
        Target("wire", fuzz_texts.fuzz_wire, lambda _: WIRE, opening_both_ways),
        Target("query", fuzz_texts.fuzz_query, lambda _: [bytes_of(query) for query in POOL[:60]], opening_both_ways),
        Target("line", fuzz_texts.fuzz_line, lambda _: encoded(LINES), longest=300),
        Target("kvhx", fuzz_texts.fuzz_kvhx, lambda _: encoded(KVHX), longest=24),
        Target("names", fuzz_texts.fuzz_names, lambda _: encoded([*TRICKS, *LINES]), longest=600),
        Target(
            "fields", fuzz_texts.fuzz_fields, lambda _: encoded(["0101801239", "13585628", "Åse.bo+x@pøst.dk", "kld"])
        ),
        Target("csv", fuzz_tables.fuzz_csv, lambda _: seeds_of_tables(csv_of), opening_folder),
        Target("parquet", fuzz_tables.fuzz_parquet, lambda _: seeds_of_tables(parquet_of), opening_folder, 16_384),
        Target(
            "builder",
            fuzz_tables.fuzz_builder,
            lambda _: seeds_of_tables(csv_of),
            fuzz_tables.opening_register,
            examples=20,
        ),
        Target("extract", fuzz_tables.fuzz_extract, lambda _: extracts(), longest=4_096),
        Target("shipment", fuzz_tables.fuzz_shipment, lambda _: SHIPMENTS, opening_folder),
        Target("key_file", fuzz_secrets.fuzz_key_file, lambda _: key_files(), opening_folder),
        Target("senders", fuzz_secrets.fuzz_senders, lambda _: encoded([SENDERS_TOML]), opening_folder, 16_384),
        Target("access", fuzz_secrets.fuzz_access, lambda _: encoded([ACCESS]), fuzz_secrets.opening_access_folder),
        Target("token", fuzz_secrets.fuzz_token, lambda _: tokens(), fuzz_secrets.opening_tokens),
        Target("public_key", fuzz_secrets.fuzz_public_key, lambda _: [PUBLIC_PEM]),
        Target("audit", fuzz_secrets.fuzz_audit, audits, fuzz_secrets.opening_audit, 65_536),
        Target(
            "snapshot",
            fuzz_secrets.fuzz_snapshot,
            lambda _: [b"\0\0\1\0\7", b"\1\7\0\0x"],
            fuzz_secrets.opening_snapshot,
        ),
        Target(
            "manifest",
            fuzz_secrets.fuzz_manifest,
            lambda one: [one.files[MANIFEST_FILE]],
            fuzz_secrets.opening_snapshot,
            4_096,
        ),
        Target("index", fuzz_secrets.fuzz_index, lambda _: parts_of_an_index()),
    ]
}
