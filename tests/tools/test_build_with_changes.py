"""The program that builds, with a log of changes: what is later than the tables is in the snapshot."""

import pytest

from resolver_grpc.build.tables import TableMeta, encode_meta
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.handles import Handles
from resolver_grpc.key_file import create_key_file, read_key_ring, rotate_key_file
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.resolve import Resolver
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from small_register import ANN, BO, KNOWN_SENDERS, PIA, REGISTER_DATE, write_tables
from tool_nursery import run_here

HANDLES = Handles([bytes(32)])
EXPORTED = 7
"""The sequence that the tables state."""
LATER = parse_time("2026-11-02")


def message(place, event, number=ANN, **fields):
    made = pb.Change(change_id=f"feed-{place}", number=number, effective_day="2026-11-01")
    getattr(made, event).CopyFrom(type(getattr(made, event))(**fields))
    return made


def fill(path, ring, *messages):
    """Lets a log have as many changes as the tables hold, and then some."""
    before = [message(place, "logged_in") for place in range(EXPORTED)]
    with ChangeLog(path, ring) as log:
        log.append([Entry(one.change_id, one.SerializeToString()) for one in (*before, *messages)])


@pytest.fixture
def folder(tmp_path):
    create_key_file(tmp_path / "index.key")
    write_tables(tmp_path)
    moved = {"status": "01", "full_name": "Bo Bo", "house_number": "14", "postal_code": "8000"}
    moved |= {"municipality_code": "0751", "road_code": "1234", "short_street_name": "Vestergade"}
    fill(
        tmp_path / "changes.log",
        read_key_ring(tmp_path / "index.key"),
        message("a", "address_consent_withdrawn", evidence_reference="archive/1"),
        message("b", "moved", BO, person=pb.Person(**moved)),
    )
    return tmp_path


def tables_in(folder):
    names = ("persons", "mailboxes", "relations", "roads")
    return [word for name in names for word in (f"--{name}", folder / f"{name}.csv")]


def build(folder, *words):
    told = ("--keys", folder / "index.key", "--out", folder / "snapshot", "--changes", folder / "changes.log")
    return run_here("build_snapshot", *tables_in(folder), *told, *words)


def reached(folder, query):
    key = read_key_ring(folder / "index.key").active
    snapshot = open_snapshot(folder / "snapshot", key.columns_secret, key.key_id, 1)
    (decision,) = Resolver(snapshot.index, key.index_keys, 0, HANDLES).resolve([query], KNOWN_SENDERS["power"], LATER)
    snapshot.index.close()
    return [target.number for target in decision.targets]


def test_what_is_later_than_the_tables_is_in_the_snapshot_and_the_manifest_says_how_far(folder):
    done = build(folder)
    assert (done.exit_code, done.stderr) == (0, "")
    assert read_manifest(folder / "snapshot").change_sequence == EXPORTED + 2
    assert [source.change_sequence for source in read_manifest(folder / "snapshot").sources] == [EXPORTED] * 4
    assert read_manifest(folder / "snapshot").report["changes"] == {"folded in": 2}
    assert "with all changes up to 9" in done.stdout
    vestergade = {"street_name": "Vestergade", "postal_code": "8000"}
    at_home = QueryRow("", Kind.ADDRESS, house_number="12", floor="3", door="tv", **vestergade)
    assert reached(folder, at_home) == []
    assert reached(folder, QueryRow("", Kind.FULL_NAME, full_name="Bo Bo", house_number="14", **vestergade)) == [BO]


def test_the_rows_are_held_to_the_snapshot_with_the_changes_and_not_without_them(folder):
    assert build(folder).exit_code == 0
    told = (folder / "snapshot", "--keys", folder / "index.key", *tables_in(folder))
    done = run_here("verify_snapshot", *told, "--changes", folder / "changes.log")
    assert (done.exit_code, done.stderr) == (0, "")
    done = run_here("verify_snapshot", *told)
    assert done.exit_code == 2
    assert "build the snapshot again" in done.stderr


def test_changes_that_are_acknowledged_later_are_not_asked_of_the_snapshot(folder):
    assert build(folder).exit_code == 0
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        later = message("c", "mailbox_closed", PIA)
        log.append([Entry(later.change_id, later.SerializeToString())])
    told = (folder / "snapshot", "--keys", folder / "index.key", *tables_in(folder))
    assert run_here("verify_snapshot", *told, "--changes", folder / "changes.log").exit_code == 0


def no_log(folder):
    (folder / "changes.log").unlink()


def trimmed(folder):
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        log.trim(EXPORTED + 1)


def another_log(folder):
    for path in folder.glob("changes.log*"):
        path.unlink()
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        one = message("x", "logged_in")
        log.append([Entry(one.change_id, one.SerializeToString())])


def of_another_key(folder):
    (folder / "index.key").unlink()
    create_key_file(folder / "index.key")


def damaged(folder):
    content = (folder / "changes.log").read_bytes()
    (folder / "changes.log").write_bytes(content[: len(content) // 2])


def of_another_version(folder):
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        log.append([Entry("strange", pb.Change(change_id="strange", number=ANN).SerializeToString())])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_log, "There is no log of changes at"),
        (trimmed, "it begins at 9; export the table anew"),
        (another_log, "it is another log than the one that the table was exported beside"),
        (of_another_key, "is under another key"),
        (damaged, "is cut off"),
        (of_another_version, "The entry 10 of the log holds no change that this program knows"),
    ],
)
def test_a_log_that_does_not_go_with_the_tables_is_refused_in_one_line(folder, spoil, sentence):
    spoil(folder)
    done = build(folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert ANN not in done.stderr
    assert not (folder / "snapshot").exists()


def test_a_log_trimmed_as_far_as_the_oldest_table_goes_is_enough(folder):
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        log.trim(EXPORTED)
    assert build(folder).exit_code == 0


def test_a_log_from_before_a_rotation_of_keys_is_folded_in(folder):
    rotate_key_file(folder / "index.key")
    assert build(folder).exit_code == 0
    assert reached(folder, QueryRow("", Kind.CPR, number=ANN)) == [ANN]


def test_a_table_that_is_newer_than_the_others_takes_its_own_part_of_a_change_alone(folder):
    """Persons as of after the move, at which the row says otherwise: the row counts, the consent is the log's."""
    meta = encode_meta(TableMeta(EXPORTED + 2, REGISTER_DATE))
    (folder / "persons.csv.meta.json").write_bytes(meta + b"\n")
    done = build(folder)
    assert (done.exit_code, done.stderr) == (0, "")
    assert read_manifest(folder / "snapshot").report["changes"] == {"folded in": 2}
    third = {"street_name": "Vestergade", "house_number": "12", "floor": "3", "door": "tv", "postal_code": "8000"}
    assert reached(folder, QueryRow("", Kind.FULL_NAME, full_name="Bo Bo", **third)) == [BO]
    assert reached(folder, QueryRow("", Kind.FULL_NAME, full_name="Ann Bo", **third)) == []
