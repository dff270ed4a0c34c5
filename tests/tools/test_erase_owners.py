"""The programs that compact and erase: what the log told is in the new snapshot, who was erased is in nothing."""

import shutil

import lmdb
import pytest

from nursery import Nursery
from resolver_grpc.build.tables import TableMeta, encode_meta
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry, read_entry
from resolver_grpc.handles import Handles
from resolver_grpc.index.layout import COLUMNS_DATABASE, INDEX_FILE
from resolver_grpc.index.restoring import read_content
from resolver_grpc.key_file import create_key_file, read_key_ring
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.resolve import Resolver
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import current_generation, generation_numbers, pinned_numbers
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from small_register import (
    ANN,
    BO,
    IDA,
    KNOWN_SENDERS,
    MAILBOX_ROWS,
    OLD_IDA,
    PERSONS_ROWS,
    REGISTER_DATE,
    RELATION_ROWS,
    write_tables,
)
from tool_nursery import __file__ as nursery_program
from tool_nursery import run_here

EXPORTED = 7
STEPS = (10, 40, 60, 75, 85, 95, 105, 115)
"""Of what the program asks of the operating system: while it compacts, places, removes generations and trims."""
LATER = parse_time("2026-11-03")
MOVED = {"status": "01", "house_number": "14", "postal_code": "8000", "short_street_name": "Vestergade"}
MOVED |= {"municipality_code": "0751", "road_code": "1234"}
EVIDENCE = {"evidence_reference": "archive/1"}
OF_ANN = [
    ("address_consent_given", ANN, {"person": pb.Person(full_name="Ann Mo Bo", **MOVED), **EVIDENCE}),
    ("subscribed", ANN, {"sender_id": "town"}),
    ("erased", ANN, {}),
]
OF_OTHERS = [
    ("moved", BO, {"person": pb.Person(full_name="Bo Bo", **MOVED | {"house_number": "18"})}),
    ("erased", IDA, {}),
    ("logged_in", BO, {}),
]


def append(folder, events, day="2026-11-02"):
    """Lets the log take events, and gives its last sequence."""
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        last = log.last_sequence()
        for place, (event, number, fields) in enumerate(events, start=last + 1):
            made = pb.Change(change_id=f"feed-{place}", number=number, effective_day=day)
            getattr(made, event).CopyFrom(type(getattr(made, event))(**fields))
            log.append([Entry(made.change_id, made.SerializeToString())])
        return log.last_sequence()


def tables_in(folder):
    return [word for name in ("persons", "mailboxes", "relations") for word in (f"--{name}", folder / f"{name}.csv")]


def succeed(program, *words):
    done = run_here(program, *words)
    assert not done.stderr
    assert done.exit_code == 0
    return done.stdout


def build(folder, name, *words):
    told = ("--keys", folder / "index.key", "--out", folder / name)
    return succeed("build_snapshot", *tables_in(folder), *told, *words)


def place(folder, name):
    succeed("publish_snapshot", "place", folder / "store", folder / name, "--keys", folder / "index.key")
    shutil.rmtree(folder / name)


@pytest.fixture
def folder(tmp_path):
    """A store of two generations, the first of them pinned, and a log with changes after both."""
    create_key_file(tmp_path / "index.key")
    write_tables(tmp_path)
    append(tmp_path, [("logged_in", BO, {})] * EXPORTED)
    build(tmp_path, "first")
    place(tmp_path, "first")
    append(tmp_path, OF_ANN[:2])
    build(tmp_path, "second", "--changes", tmp_path / "changes.log")
    place(tmp_path, "second")
    succeed("publish_snapshot", "pin", tmp_path / "store", "1")
    append(tmp_path, [*OF_ANN[2:], *OF_OTHERS])
    return tmp_path


def key_in(folder):
    return read_key_ring(folder / "index.key").active


def reached(folder, directory, *queries):
    key = key_in(folder)
    snapshot = open_snapshot(directory, key.columns_secret, key.key_id, 1)
    resolver = Resolver(snapshot.index, key.index_keys, 0, Handles([key.handles_secret]))
    decisions = resolver.resolve(list(queries), KNOWN_SENDERS["power"], LATER)
    snapshot.index.close()
    return [[target.number for target in decision.targets] for decision in decisions]


def named(name, house):
    place = {"street_name": "Vestergade", "house_number": house, "postal_code": "8000"}
    return QueryRow("", Kind.FULL_NAME, full_name=name, **place)


def of_number(number):
    return QueryRow("", Kind.CPR, number=number)


def needles_of(folder, numbers):
    """What must be found nowhere: the keys of some owners, the columns' chunks, their entries and ids in the log."""
    key, needles = key_in(folder), set()
    for generation in (folder / "store" / "generations").iterdir():
        snapshot_id = bytes.fromhex(read_manifest(generation).snapshot_id)
        content = read_content(generation / INDEX_FILE, key.columns_secret, snapshot_id).content
        owners = {number.decode(): ordinal for ordinal, number in enumerate(content.numbers.tolist())}
        mine = {owners[number] for number in numbers if number in owners}
        for keys, ordinals in content.pairs.partitions():
            needles |= {one.tobytes() for one, ordinal in zip(keys, ordinals.tolist(), strict=True) if ordinal in mine}
        with lmdb.open(str(generation / INDEX_FILE), subdir=False, readonly=True, lock=False, max_dbs=9) as index:
            columns = index.open_db(COLUMNS_DATABASE, create=False)
            with index.begin() as reading:
                needles |= {bytes(chunk) for _, chunk in reading.cursor(columns)}
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log, log._file.reading() as opened:
        file, reading = opened
        for place, sealed in reading.cursor(file.entries):
            sequence = int.from_bytes(place, "big")
            read = read_entry(sequence, log._active.open(sequence, sealed))
            if pb.Change.FromString(read.content).number in numbers:
                needles |= {sealed, sealed[24:56], log._active.hash_id(f"feed-{read.sequence}")}
    return needles


def kept_in(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".csv", ".json", ".key"}]
    files += (folder / "store").rglob("manifest.json")
    return {path: path.read_bytes() for path in files}


def erase(folder):
    told = (
        folder / "store",
        folder / "changes.log",
        "--keys",
        folder / "index.key",
        "--erased",
        folder / "erased.list",
    )
    return succeed("erase_owners", *told)


def test_of_who_was_erased_nothing_stands_in_anything_that_is_kept(folder):
    """Neither keys nor ciphertexts, of the snapshots, of the log, of the list, of generations pinned or not."""
    needles = needles_of(folder, {ANN, IDA})
    before = kept_in(folder)
    assert len(needles) > 30
    assert all(any(needle in content for content in before.values()) for needle in needles)
    told = erase(folder)
    assert "2 numbers are new on it, 2 in all" in told
    after = kept_in(folder)
    assert not {(path.name, len(needle)) for path, content in after.items() for needle in needles if needle in content}
    assert generation_numbers(folder / "store") == [3]
    assert not pinned_numbers(folder / "store")
    assert not (folder / ".store.erasing").exists()


def test_all_others_are_reached_as_the_changes_say(folder):
    erase(folder)
    live = current_generation(folder / "store")
    assert read_manifest(live).change_sequence == EXPORTED + 6
    found = reached(folder, live, named("Bo Bo", "18"), named("Bo Bo", "12"), named("Ann Bo", "14"), of_number(OLD_IDA))
    assert found == [[BO], [], [], []]
    succeed("verify_snapshot", live, "--keys", folder / "index.key")


def test_erasing_again_changes_nothing(folder):
    erase(folder)
    before = {
        path: content for path, content in kept_in(folder).items() if path.suffix != ".last" and "lock" not in path.name
    }
    told = erase(folder)
    assert "0 numbers are new on it, 2 in all" in told
    assert "generation 3 is live; removed none" in told
    assert {path: content for path, content in kept_in(folder).items() if path in before} == before


def test_killed_at_any_step_the_store_is_whole_and_the_next_run_ends_the_work(folder):
    """Each time the live generation verifies; at last nothing of who was erased is left, nor of the killed."""
    needles = needles_of(folder, {ANN, IDA})
    told = (
        folder / "store",
        folder / "changes.log",
        "--keys",
        folder / "index.key",
        "--erased",
        folder / "erased.list",
    )
    nursery = Nursery(nursery_program)
    endings = [nursery.fate("step", step, folder, folder / "said.txt", "erase_owners", *told) for step in STEPS]
    nursery.close()
    assert endings.count("died") >= 5
    erase(folder)
    live = current_generation(folder / "store")
    assert read_manifest(live).change_sequence == EXPORTED + 6
    succeed("verify_snapshot", live, "--keys", folder / "index.key")
    assert generation_numbers(folder / "store") == [int(live.name)]
    assert not {path.name for path, content in kept_in(folder).items() for needle in needles if needle in content}
    assert not list(folder.glob(".*"))


def test_a_build_leaves_them_out_for_as_long_as_a_table_carries_them(folder):
    erase(folder)
    for name in ("persons", "mailboxes", "relations"):
        meta = TableMeta(EXPORTED + 6, REGISTER_DATE if name == "persons" else "")
        (folder / f"{name}.csv.meta.json").write_bytes(encode_meta(meta) + b"\n")
    append(folder, [("logged_in", BO, {}), ("mailbox_opened", ANN, {})])
    words = ("--changes", folder / "changes.log", "--erased", folder / "erased.list")
    told = build(folder, "third", *words, "--rejects", folder / "rejects")
    assert "Of 2 erased numbers the tables carry 2, who were left out" in told
    assert reached(folder, folder / "third", of_number(ANN), of_number(OLD_IDA), of_number(IDA)) == [[], [], []]
    assert read_manifest(folder / "third").report["changes"] == {"folded in": 1}
    assert read_manifest(folder / "third").sources[0].rows == len(PERSONS_ROWS)
    succeed("verify_snapshot", folder / "third", "--keys", folder / "index.key", *tables_in(folder), *words)
    left = [[row for row in rows if row["number"] != ANN] for rows in (PERSONS_ROWS, MAILBOX_ROWS, RELATION_ROWS)]
    write_tables(folder, *left)
    told = build(folder, "fourth", "--erased", folder / "erased.list", "--forget-erased")
    assert "the tables carry 1" in told
    assert "dropped 1, whom no table carries any more" in told
    assert reached(folder, folder / "fourth", of_number(OLD_IDA)) == [[]]


def test_rejected_rows_keep_their_numbers_behind_rows_that_are_left_out(folder):
    erase(folder)
    write_tables(folder, persons=[*PERSONS_ROWS, PERSONS_ROWS[1] | {"number": "0909889012", "house_number": "12-14"}])
    build(folder, "third", "--erased", folder / "erased.list", "--rejects", folder / "rejects")
    assert (folder / "rejects").read_text().splitlines()[1:] == ["persons,7,house_number can't be read"]


def test_a_compacted_snapshot_holds_what_the_log_told_and_verifies(folder):
    told = (folder / "store", folder / "changes.log", "--keys", folder / "index.key")
    assert "with all changes up to 13; 0 erased" in succeed("compact_snapshot", *told, "--out", folder / "compacted")
    found = reached(folder, folder / "compacted", named("Bo Bo", "18"), named("Ann Bo", "14"), of_number(ANN))
    assert found == [[BO], [], []]
    succeed("verify_snapshot", folder / "compacted", "--keys", folder / "index.key")
    place(folder, "compacted")
    assert generation_numbers(folder / "store") == [1, 2, 3]


def spoilt_list(folder):
    (folder / "erased.list").write_text("0101801239\n")


def of_another_key(folder):
    (folder / "erased.list").write_text(f"{'ab' * 8} {'cd' * 16}\n")


def no_log(folder):
    for path in folder.glob("changes.log*"):
        path.unlink()


def trimmed_past_the_live_one(folder):
    with ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key")) as log:
        log.trim(EXPORTED + 4)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoilt_list, "erased.list: line 1 is no `KEY-ID HASH`"),
        (of_another_key, "The key file holds no key 'abababababababab'"),
        (no_log, "There is no log of changes at"),
        (trimmed_past_the_live_one, "holds changes from 12 on"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_the_store_stays_as_it_was(folder, spoil, sentence):
    spoil(folder)
    told = (
        folder / "store",
        folder / "changes.log",
        "--keys",
        folder / "index.key",
        "--erased",
        folder / "erased.list",
    )
    done = run_here("erase_owners", *told)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert ANN not in done.stderr
    assert generation_numbers(folder / "store") == [1, 2]
