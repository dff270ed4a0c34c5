"""Small snapshots to test with: a few owners, written as a builder would."""

from __future__ import annotations

import numpy as np

from resolver_grpc.index.content import Content, content_digest
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.index.writer import write_index
from resolver_grpc.snapshot.files import measure_file
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, Manifest, Source, encode_manifest

COLUMNS_KEY = bytes(range(32))
KEY_ID = "4f1c"
CANONICAL_VERSION = 3
KEY = b"\7" * 16


def make_manifest(**changes):
    values = {
        "format_version": 1,
        "canonical_version": CANONICAL_VERSION,
        "key_id": KEY_ID,
        "snapshot_id": "0123456789abcdef" * 2,
        "file_size": 12_288,
        "file_digest": "0123456789abcdef" * 4,
        "owners": 3,
        "counts": {"keys": 1, "roads": 0},
        "sources": (Source("persons", "ab" * 32, 1_100, 2, 17), Source("mailboxes", "cd" * 32, 80, 0, 17)),
        "register_date": "2026-11-22",
        "change_sequence": 17,
        "build_time": "2026-11-22T03:04:05Z",
        "report": {"seconds": {"sorting keys": 0.25}, "keys": {"CPR": 1}},
    }
    return Manifest(**(values | changes))


def write_snapshot(folder, owners=3, **changes):
    """Writes both files of a snapshot into a folder."""
    content = Content(
        owners=owners,
        pairs=HeldPairs(np.frombuffer(KEY, np.uint8).reshape(1, 16), np.array([owners - 1], np.uint32)),
        numbers=np.array([f"{ordinal:08d}" for ordinal in range(owners)], "S10"),
        address_numbers=np.zeros(owners, np.uint32),
    )
    snapshot_id = content_digest(content, COLUMNS_KEY, KEY_ID.encode())
    write_index(folder / INDEX_FILE, content, COLUMNS_KEY, snapshot_id)
    size, digest = measure_file(folder / INDEX_FILE)
    stated = {"owners": owners, "file_size": size, "file_digest": digest, "snapshot_id": snapshot_id.hex()}
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(make_manifest(**(stated | changes))))
