"""Verifies a published snapshot as a whole, from its files and its key alone.

What belongs here: the order of the checks, and what the content must agree with its manifest about. The
digests come first, because LMDB is not safe on damaged files. Last the content is read back and named again:
an index that is sound in itself, but not the one that was built, gets another id.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.layout import INDEX_FILE, STREET_SHARED
from resolver_grpc.index.restoring import read_content
from resolver_grpc.snapshot.identity import identity_context
from resolver_grpc.snapshot.store import open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from resolver_grpc.index.content import Content
    from resolver_grpc.index.restoring import Restored
    from resolver_grpc.keys import MasterKey
    from resolver_grpc.snapshot.manifest import Manifest

_CPR_DIGITS: Final = 10


class Check(NamedTuple):
    """One line of what was checked.

    Attributes:
        part: of the snapshot.
        amount: how many there were.
        unit: of what, in the plural.
        finding: what was found to hold.
    """

    part: str
    amount: int
    unit: str
    finding: str


def verify_snapshot(directory: Path, key: MasterKey) -> list[Check]:
    """Checks everything that a snapshot says of itself.

    Args:
        directory: where it was published, or a generation of a store.
        key: the secret that it was built with.

    Returns:
        What was checked, in order; all of it holds.

    Raises:
        SnapshotError: the first fault.
    """
    # As the server does: digests, versions, key, then pages, slots, facts, roads and columns.
    snapshot = open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION)
    snapshot.index.close()
    manifest = snapshot.manifest
    try:
        restored = read_content(directory / INDEX_FILE, key.columns_secret, bytes.fromhex(manifest.snapshot_id))
        _check_counts(manifest, restored)
        _check_id(manifest, restored.content, key)
    except SnapshotError as error:
        raise SnapshotError(f"{directory / INDEX_FILE}: {error.message}", **error.metadata) from error
    return _checks(manifest, restored)


def _check_counts(manifest: Manifest, restored: Restored) -> None:
    """Holds the manifest to what can be counted again; a count of what only the tables tell is left out."""
    for name, count in _count(restored).items():
        if manifest.counts.get(name, count) != count:
            raise SnapshotError(
                f"The manifest counts {manifest.counts[name]:,} {name.replace('_', ' ')}, the index holds {count:,}; "
                "build the snapshot again.",
                field=f"counts of {name}",
            )


def _count(restored: Restored) -> dict[str, int]:
    content = restored.content
    persons = int(np.count_nonzero(np.char.str_len(content.numbers) == _CPR_DIGITS))
    return {
        "persons": persons,
        "organisations": content.owners - persons,
        "keys": content.pairs.counts.keys,
        "keys_of_several_owners": content.pairs.counts.shared_keys,
        "addresses": int(content.address_numbers.max(initial=0)),
        "shared_streets": sum(tag == STREET_SHARED for tag in content.roads.values()),
    }


def _check_id(manifest: Manifest, content: Content, key: MasterKey) -> None:
    context = identity_context(
        manifest.key_id, manifest.canonical_version, manifest.register_date, manifest.change_sequence
    )
    if content_digest(content, key.snapshot_secret, context).hex() != manifest.snapshot_id:
        raise SnapshotError("The content is not the one that the snapshot id names; build the snapshot again.")


def _checks(manifest: Manifest, restored: Restored) -> list[Check]:
    content = restored.content
    counted = manifest.counts.keys() & _count(restored).keys()
    return [
        Check("manifest", len(fields(manifest)), "fields", "well-formed, digest as stated, versions and key known"),
        Check("index file", manifest.file_size, "bytes", "size and digest as stated"),
        Check("pages", restored.buckets, "pages", "every key in its bucket, in order, every slot in range"),
        Check("posting lists", restored.postings, "lists", "in order and in range, each used"),
        Check("facts", len(content.facts), "facts", "changes in order and in range"),
        Check("columns", content.owners, "owners", "deciphered, complete"),
        Check("roads", len(content.roads), "entries", "tags known"),
        Check("counts", len(counted), f"of {len(manifest.counts)} counts", "counted again, as stated"),
        Check("snapshot id", content.pairs.counts.pairs, "pairs of key and owner", "the content's, worked out again"),
    ]
