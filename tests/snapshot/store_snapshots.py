"""Snapshots that verify, under a key of their own, for what needs more than two files in a folder."""

from __future__ import annotations

import numpy as np
from snapshot_files import make_manifest

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.index.content import Content, content_digest
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.layout import ALWAYS, FOREVER, INDEX_FILE, STREET_SHARED
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.index.writer import write_index
from resolver_grpc.keys import MasterKey
from resolver_grpc.snapshot.files import measure_file
from resolver_grpc.snapshot.identity import identity_context
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, encode_manifest

KEY = MasterKey(b"s" * 32)


def some_content(owners):
    """A content with something of everything: a posting list, facts, a forwarding, a road."""
    random = np.random.default_rng(owners)
    everyone = np.arange(owners, dtype=np.uint32)
    keys = random.integers(0, 256, (owners, 16), dtype=np.uint8)
    return Content(
        owners=owners,
        pairs=HeldPairs(
            np.concatenate([keys, keys[:2]]), np.append(everyone, [owners - 1, owners - 1]).astype(np.uint32)
        ),
        facts={"consent": Intervals(everyone, np.full(owners, ALWAYS, "u4"), np.full(owners, FOREVER, "u4"))},
        numbers=np.array([f"{ordinal:010d}" for ordinal in range(owners)], "S10"),
        address_numbers=np.ones(owners, np.uint32),
        forwarding={1: "post@firm.dk"},
        roads={bytes(16): STREET_SHARED},
    )


def make_snapshot(directory, size=3, /, written=None, **changes):
    """Writes a snapshot and gives its id: whole, unless another content or manifest is asked for."""
    content = some_content(size)
    stated = {
        "key_id": KEY.key_id,
        "canonical_version": CANONICAL_VERSION,
        "owners": size,
        "counts": {"keys": size, "keys_of_several_owners": 2, "persons": size, "addresses": 1, "told": 9},
    }
    manifest = make_manifest(**stated)
    context = identity_context(KEY.key_id, CANONICAL_VERSION, manifest.register_date, manifest.change_sequence)
    snapshot_id = content_digest(content, KEY.snapshot_secret, context)
    directory.mkdir(exist_ok=True)
    write_index(directory / INDEX_FILE, written or content, KEY.columns_secret, snapshot_id)
    file_size, file_digest = measure_file(directory / INDEX_FILE)
    stated |= {"snapshot_id": snapshot_id.hex(), "file_size": file_size, "file_digest": file_digest}
    (directory / MANIFEST_FILE).write_bytes(encode_manifest(make_manifest(**(stated | changes))))
    return snapshot_id.hex()
