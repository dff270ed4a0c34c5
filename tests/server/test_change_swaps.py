"""Changes and snapshots: what a new one contains isn't laid over it, and what doesn't fit the log is refused."""

import pytest
from access_nursery import entrance, outcome, write_access
from change_nursery import Registrar, fresh_id

from change_messages import message, person
from hot_swap_store import Following, make_current, server_following
from resolver_grpc.build.snapshot import build_snapshot
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.key_file import create_key_file, read_key_ring
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.snapshot.placing import place
from resolver_grpc.v1.change_service_pb2 import WatchChangesRequest
from small_register import ANN, BO, KVHX, NOON, quiet, write_tables

BY_ADDRESS = QueryRow("", Kind.ADDRESS, kvhx=KVHX)


def sent(name, number, **fields):
    return message(name, number, "2026-10-31T12:00:00Z", fresh_id(), **fields)


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """The same register, exported at some change sequences, under one key."""
    folder = tmp_path_factory.mktemp("exported")
    key = create_key_file(folder / "index.key")
    built = {}
    for sequence in (0, 1, 9):
        (folder / str(sequence)).mkdir()
        inputs = write_tables(folder / str(sequence), change_sequence=sequence)
        built[sequence] = folder / f"snapshot-{sequence}"
        build_snapshot(inputs, built[sequence], key, NOON, quiet)
    return folder / "index.key", key, built


@pytest.fixture
def followed(snapshots, tmp_path):
    """A server of generations 1, 2 and 3, exported at sequences 0, 1 and 9, of which the first is live."""
    key_file, key, built = snapshots
    store = tmp_path / "store"
    for sequence in (0, 1, 9):
        place(store, built[sequence], key)
    make_current(store, 1)
    options = entrance(write_access(tmp_path))
    following = Following(store, key, changes=ChangeLog(tmp_path / "log", read_key_ring(key_file)), options=options)
    with server_following(following) as address:
        registrar = Registrar(address)
        with registrar.channel:
            yield following, registrar


def wait_for(followed, number):
    """Makes a generation the live one, and waits until it is served or refused; tells why it is refused."""
    following, _ = followed
    make_current(following.path, number)
    while not (told := [line for line in following.logged if line.get("generation") == number]):
        pass
    return told[-1].get("reason", "")


def test_what_a_new_snapshot_contains_is_not_laid_over_it_and_later_changes_are(followed):
    """The export at 1 says that Ann consents still: by that and the change at 2 alone is answered."""
    _, registrar = followed
    registrar.took(sent("address_consent_withdrawn", ANN), sent("address_consent_withdrawn", BO))
    assert registrar.ask(BY_ADDRESS) == ("NOT_FOUND", [])
    assert wait_for(followed, 2) == ""
    assert registrar.ask(BY_ADDRESS) == ("DELIVERABLE", [ANN])
    assert registrar.resolve(BY_ADDRESS).change_sequence == 2
    registrar.took(sent("address_consent_withdrawn", ANN))
    assert registrar.ask(BY_ADDRESS) == ("NOT_FOUND", [])


def test_who_moved_is_found_over_a_former_snapshot_also_after_changes_that_were_taken_over_a_newer_one(followed):
    """Over the newer one nobody is told the home any more, so that its keys don't stand in the log with the login."""
    _, registrar = followed
    record = person(full_name="Bo Bo", house_number="18")
    at_home = QueryRow("", Kind.FULL_NAME, full_name="Bo Bo", address_line="Vestergade 18, 8000 Aarhus C")
    registrar.took(sent("moved", BO, person=record))
    assert wait_for(followed, 2) == ""
    registrar.took(sent("logged_in", BO))
    assert wait_for(followed, 1) == ""
    assert registrar.ask(at_home) == ("DELIVERABLE", [BO])


def test_a_snapshot_ahead_of_the_log_is_refused_and_the_former_goes_on(followed):
    _, registrar = followed
    registrar.took(sent("address_consent_withdrawn", ANN))
    assert "up to 9, and the log ends with 1" in wait_for(followed, 3)
    assert registrar.ask(BY_ADDRESS) == ("DELIVERABLE", [BO])


def test_a_snapshot_that_the_log_does_not_reach_back_to_is_refused(followed):
    following, registrar = followed
    registrar.took(*(sent("logged_in", ANN) for _ in range(5)))
    assert wait_for(followed, 2) == ""
    following.changes.trim(3)
    assert "up to 0, and the log holds them from 4 on" in wait_for(followed, 1)
    watching = registrar.changes.WatchChanges(WatchChangesRequest(from_sequence=3), metadata=registrar.registrar)
    assert outcome(lambda: next(watching)) == ("OUT_OF_RANGE", "CHANGES_TRIMMED")
    registrar.took(sent("logged_in", ANN))
