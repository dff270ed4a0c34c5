"""A built snapshot of which one bit flips: refused by whoever opens it, and by whoever verifies it."""

from __future__ import annotations

from random import Random

import pytest

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.restoring import read_content
from resolver_grpc.server.served import open_served
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.verify import verify_snapshot
from small_register import MAILBOX_ROWS, PERSONS_ROWS, build_register, mailbox, person

COUPLES = [f"{day:02d}01801{tail}" for day in range(1, 29) for tail in (123, 456)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Couples, whom their text and their KVHX lead to alike, and consents that end within the week and after."""
    return build_register(
        tmp_path_factory.mktemp("flipped"),
        persons=[*PERSONS_ROWS, *(person(number, "Kim Lund", house_number=f"{number[:2]}B") for number in COUPLES)],
        mailboxes=[
            *MAILBOX_ROWS,
            *(mailbox(number, address_consent_withdrawn=f"2026-11-{number[:2]}") for number in COUPLES),
        ],
    )


def test_the_snapshot_has_lists_that_keys_share_and_facts_that_change(built):
    """Or the flips below would miss what is stored for them."""
    manifest = read_manifest(built.directory)
    snapshot_id = bytes.fromhex(manifest.snapshot_id)
    restored = read_content(built.directory / INDEX_FILE, built.key.columns_secret, snapshot_id)
    assert 0 < restored.postings < manifest.counts["keys_of_several_owners"]
    assert len(restored.content.timelines()["consent"].instants) > 20


def refuses(look):
    try:
        look()
    except SnapshotError:
        return True
    return False


@pytest.mark.parametrize("name", [INDEX_FILE, MANIFEST_FILE])
def test_any_flipped_bit_is_refused_by_opening_to_serve_and_by_verifying(built, name):
    """Bits at random, and one of each stretch of the file's size in 4 KiB pages."""
    path = built.directory / name
    whole = path.read_bytes()
    random = Random(5)  # noqa: S311 - no secret, but the same bits each time
    places = [random.randrange(len(whole)) for _ in range(60)]
    places += [min(page + random.randrange(4_096), len(whole) - 1) for page in range(0, len(whole), 4_096)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        assert refuses(lambda: open_served(built.directory, built.key, {}, None))
        assert refuses(lambda: verify_snapshot(built.directory, built.key))
    path.write_bytes(whole)
    assert verify_snapshot(built.directory, built.key)
