"""A content and its manifest, written and published: the last step of whatever makes a snapshot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from resolver_grpc.build.report import Stages
from resolver_grpc.index.content import Content
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.writer import write_index
from resolver_grpc.snapshot.files import measure_file
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, Manifest, encode_manifest
from resolver_grpc.snapshot.publish import publish


def publish_content(
    target: Path, content: Content, manifest: Manifest, columns_secret: bytes, stages: Stages
) -> tuple[Manifest, bool]:
    """Writes a snapshot and publishes it.

    Args:
        target: its directory, in one that exists.
        content: what its index holds.
        manifest: what it says of itself, but for the file's size and digest.
        columns_secret: the secret of the columns, 32 bytes.
        stages: shows how far the work is.

    Returns:
        The whole manifest, and whether the snapshot is new.

    Raises:
        SnapshotError: something else stands at the target, or the disk refuses.
    """

    def write(directory: Path) -> None:
        nonlocal manifest
        index_file = directory / INDEX_FILE
        snapshot_id = bytes.fromhex(manifest.snapshot_id)
        with stages(content.pairs.counts.pairs, "writing the index") as advance:
            sizes = write_index(index_file, content, columns_secret, snapshot_id, advance)
        with stages(0, "measuring the index"):
            size, digest = measure_file(index_file)
        report = {**manifest.report, "bytes": sizes, "seconds": stages.rounded()}
        manifest = replace(manifest, file_size=size, file_digest=digest, report=report)
        (directory / MANIFEST_FILE).write_bytes(encode_manifest(manifest))

    is_new = publish(target, write)
    return manifest, is_new
