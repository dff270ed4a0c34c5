"""Chains: what is written, day after day and after each way to end."""

import errno
import json
import os
import stat

import pytest
from audit_nursery import DAY, KEYRING, KEYS, NOON, Clock, chain, crash, faults_of, numbers_in, record

from nursery import mounted_disk, room_left
from resolver_grpc.audit.chain import RECORDS_TO_A_CHECKPOINT, SECONDS_TO_A_CHECKPOINT, Chain, News
from resolver_grpc.audit.naming import chain_name, list_chains
from resolver_grpc.audit.sealing import AuditKeys, seal_line
from resolver_grpc.audit.verify import verify_folder
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Reason, Route


def bodies(folder, name):
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def test_a_line_says_who_asked_and_what_was_told_and_nothing_else(tmp_path):
    one = chain(tmp_path)
    counts = {(Route.MAILBOX, Reason.DELIVERABLE): 2, (Route.REJECT, Reason.NOT_FOUND): 1}
    one.append([record(7, counts=counts, targets=2, shipment="ab")])
    one.close()
    (name,) = list_chains(tmp_path)
    opening, batch, close = bodies(tmp_path, name)
    assert {field: value for field, value in batch.items() if field != "seal"} == {
        "type": "batch",
        "time": "2026-11-01T12:00:00.000Z",
        "judged": "2026-10-26T07:33:20Z",
        "caller": "loopback",
        "role": "delivery",
        "sender": "power",
        "shipment": "ab",
        "counts": {"MAILBOX/DELIVERABLE": 2, "REJECT/NOT_FOUND": 1},
        "targets": 2,
        "snapshot": "5e",
        "change_sequence": 7,
        "policy_version": 1,
        "refusal": "",
        "worker": 1,
        "sequence": 1,
    }
    assert (opening["type"], opening["file"], opening["key"], opening["continues"]) == ("open", name, KEYS.key_id, [])
    assert (close["type"], close["batches"], close["sequence"]) == ("close", 1, 2)


def test_lines_are_canonical_and_the_seal_stands_last(tmp_path):
    one = chain(tmp_path)
    one.append([record(sender_id="nørre")])
    (name,) = list_chains(tmp_path)
    for line in (tmp_path / name).read_bytes().splitlines():
        body = json.loads(line)
        assert list(body)[-1] == "seal"
        seal = body.pop("seal")
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        assert line.decode() == f'{canonical[:-1]},"seal":"{seal}"}}'


def test_files_are_their_owners_alone(tmp_path):
    one = chain(tmp_path)
    one.append([record()])
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_new_day_begins_a_file_that_names_the_former_ones_end(tmp_path):
    clock, told = Clock(), []
    one = chain(tmp_path, clock=clock, told=told)
    one.append([record(1)])
    clock.now += DAY
    one.append([record(2)])
    one.close()
    first, second = list_chains(tmp_path)
    assert (first[:14], second[:14]) == ("audit-20261101", "audit-20261102")
    close = bodies(tmp_path, first)[-1]
    assert bodies(tmp_path, second)[0]["continues"] == [[first, close["sequence"], close["seal"]]]
    assert [(news, end.file) for news, end in told] == [(News.CHECKPOINT, first), (News.CHECKPOINT, second)]
    assert faults_of(tmp_path) == []


def test_a_clock_that_goes_back_a_day_stays_in_its_file(tmp_path):
    clock = Clock()
    one = chain(tmp_path, clock=clock)
    clock.now -= DAY
    one.append([record(1)])
    assert len(list_chains(tmp_path)) == 1


def test_checkpoints_come_after_so_many_records(tmp_path):
    told = []
    one = chain(tmp_path, told=told)
    for _ in range(3):
        one.append([record()] * (RECORDS_TO_A_CHECKPOINT // 2))
    (news,) = told
    (name,) = list_chains(tmp_path)
    lines = bodies(tmp_path, name)
    assert (lines[news[1].sequence]["type"], lines[news[1].sequence]["batches"]) == ("checkpoint", 1000)
    assert lines[news[1].sequence]["seal"] == news[1].seal


def test_checkpoints_come_after_so_much_time(tmp_path):
    clock, told = Clock(), []
    one = chain(tmp_path, clock=clock, told=told)
    assert not one.is_checkpoint_due
    one.append([record()])
    assert not one.is_checkpoint_due
    clock.now += SECONDS_TO_A_CHECKPOINT
    assert one.is_checkpoint_due
    one.append([])
    assert not one.is_checkpoint_due
    assert len(told) == 1


def test_the_next_start_goes_on_from_a_chain_that_was_killed(tmp_path):
    former = chain(tmp_path)
    former.append([record(1)])
    crash(former)
    one = chain(tmp_path, clock=Clock(NOON + 60))
    one.append([record(2)])
    first, second = list_chains(tmp_path)
    assert [end[:2] for end in bodies(tmp_path, second)[0]["continues"]] == [[first, 1]]
    assert faults_of(tmp_path) == []
    assert numbers_in(tmp_path) == [1, 2]


@pytest.mark.parametrize("size", [1, 30, 200])
def test_an_unfinished_line_is_no_tampering_and_is_taken_away_by_the_next_start(tmp_path, size):
    former = chain(tmp_path)
    former.append([record(1)])
    crash(former)
    (name,) = list_chains(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole + whole[-300:][:size].strip(b"\n"))
    assert faults_of(tmp_path) == []
    assert verify_folder(tmp_path, KEYRING).chains[name].unfinished > 0
    chain(tmp_path, clock=Clock(NOON + 60)).close()
    assert (tmp_path / name).read_bytes() == whole
    assert faults_of(tmp_path) == []


def test_a_chain_in_use_is_not_gone_on_from(tmp_path):
    """A worker that is being replaced writes its last records beside its successor."""
    leaving = chain(tmp_path)
    successor = chain(tmp_path, clock=Clock(NOON + 1))
    leaving.append([record(1)])
    successor.append([record(2)])
    assert [body["continues"] for name in list_chains(tmp_path) for body in bodies(tmp_path, name)[:1]] == [[], []]
    leaving.close()
    chain(tmp_path, clock=Clock(NOON + 2)).close()
    assert faults_of(tmp_path) == []


def test_an_end_that_was_tampered_with_is_not_vouched_for(tmp_path):
    former = chain(tmp_path)
    former.append([record(1)])
    former.append([record(2)])
    crash(former)
    (name,) = list_chains(tmp_path)
    lines = (tmp_path / name).read_bytes().splitlines(keepends=True)
    (tmp_path / name).write_bytes(b"".join(lines[:-1]))
    told = []
    one = chain(tmp_path, clock=Clock(NOON + 60), told=told)
    assert [(news, end.file) for news, end in told] == [(News.UNFIT, name)]
    one.append([record(3)])
    assert [fault.file for fault in faults_of(tmp_path)] == [name]


def test_a_chain_goes_on_from_one_under_an_older_key(tmp_path):
    former = chain(tmp_path)
    former.append([record(1)])
    former.close()
    newer = AuditKeys.of(MasterKey(b"newer" + bytes(27)))
    told = []
    one = Chain(tmp_path, [newer, KEYS], 1, Clock(NOON + 60), lambda *news: told.append(news))
    one.append([record(2)])
    one.close()
    assert [news for news, _ in told] == [News.CHECKPOINT]
    assert verify_folder(tmp_path, KEYRING | {newer.key_id: newer}).faults == []
    assert "key file doesn't hold" in faults_of(tmp_path)[0].what


@pytest.mark.parametrize("harm", ["remove", "rename", "cut", "grow", "replace"])
def test_a_file_that_somebody_else_harms_is_lost_and_the_next_record_says_so(tmp_path, harm):
    told = []
    one = chain(tmp_path, told=told)
    one.append([record(1)])
    (name,) = list_chains(tmp_path)
    path, text = tmp_path / name, (tmp_path / name).read_bytes()
    if harm == "cut":
        os.truncate(path, len(text) - 1)
    elif harm == "grow":
        path.write_bytes(text + b"x")
    elif harm == "rename":
        path.rename(tmp_path / "elsewhere")
    else:
        path.unlink()
    if harm == "replace":
        path.write_bytes(text)
    one.append([record(2)])
    assert [news for news, _ in told] == [News.LOST]
    # A file with every byte in its place is as good as the one that it replaced.
    assert bool(faults_of(tmp_path)) is (harm != "replace")
    assert 2 in numbers_in(tmp_path)


def test_without_its_folder_nothing_is_written_until_it_is_there_again(tmp_path):
    folder = tmp_path / "audit"
    folder.mkdir()
    one = chain(folder)
    one.append([record(1)])
    folder.rename(tmp_path / "away")
    with pytest.raises(OSError, match="No such file"):
        one.append([record(2)])
    with pytest.raises(OSError, match="No such file"):
        one.append([])
    folder.mkdir()
    one.append([record(3)])
    one.close()
    assert numbers_in(folder) == [3]
    assert "is gone" in faults_of(folder)[0].what


def test_a_record_that_a_full_disk_refused_is_taken_back_and_the_chain_goes_on(tmp_path):
    with mounted_disk(tmp_path / "disk", "256k") as disk:
        one = chain(disk)
        one.append([record(1)])
        with room_left(disk, 8192):
            with pytest.raises(OSError, match="No space"):
                one.append([record(2)] * 100)
            with pytest.raises(OSError, match="No space"):
                one.append([record(2)] * 100)
        one.append([record(3)])
        one.close()
        assert numbers_in(disk) == [1, 3]
        assert faults_of(disk) == []


def test_a_new_day_on_a_full_disk_begins_once_there_is_room(tmp_path):
    with mounted_disk(tmp_path / "disk", "256k") as disk:
        clock = Clock()
        one = chain(disk, clock=clock)
        one.append([record(1)])
        clock.now += DAY
        with room_left(disk, 0), pytest.raises(OSError, match="No space"):
            one.append([record(2)] * 20)
        one.append([record(3)])
        one.close()
        assert numbers_in(disk) == [1, 3]
        assert faults_of(disk) == []


def test_a_record_is_synced_before_it_counts(tmp_path, monkeypatch):
    one = chain(tmp_path)
    (name,) = list_chains(tmp_path)
    sync, synced = os.fdatasync, []

    def watched(file):
        sync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", watched)
    one.append([record(1), record(2)])
    assert synced == [(tmp_path / name).stat().st_size]


def test_what_could_not_be_synced_is_taken_back_and_the_chain_goes_on(tmp_path, monkeypatch):
    one = chain(tmp_path)
    one.append([record(1)])

    def fail(_file):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            one.append([record(2)])
    one.append([record(3)])
    one.close()
    assert numbers_in(tmp_path) == [1, 3]
    assert faults_of(tmp_path) == []


def test_a_name_is_taken_once(tmp_path):
    """Two files of one worker begun in one microsecond: the second is refused, and the first unharmed."""

    def still():
        return NOON

    one = chain(tmp_path, clock=still)
    one.append([record(1)])
    with pytest.raises(FileExistsError):
        chain(tmp_path, clock=still)
    one.append([record(2)])
    one.close()
    assert list_chains(tmp_path) == [chain_name(NOON, 1)]
    assert faults_of(tmp_path) == []


def test_shipments_stand_as_hashes_that_senders_cant_join():
    hashes = {KEYS.hash_shipment(*one) for one in (("a", "bc"), ("ab", "c"), ("a", "bd"), ("b", "bc"))}
    assert len(hashes) == 4
    assert KEYS.hash_shipment("a", "bc") == KEYS.hash_shipment("a", "bc")
    assert KEYS.hash_shipment("a", "") == ""
    other = AuditKeys.of(MasterKey(b"o" * 32))
    assert other.hash_shipment("a", "bc") not in hashes


def test_a_seal_depends_on_the_line_before_it():
    lines = {seal_line(KEYS.lines, former, {"sequence": 1})[0] for former in (bytes(16), b"x" * 16)}
    assert len(lines) == 2
