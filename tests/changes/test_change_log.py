"""The log of changes: what is acknowledged is there, in order, once, under its key, whatever happens to the file."""

import random

import lmdb
import pytest
from log_nursery import KEY, RING, entry
from log_nursery import __file__ as nursery_program

from change_messages import ANN, EVENTS, FIRM, IDA, OF_FIRMS, message
from needles import Needles
from nursery import Nursery, mounted_disk, room_left
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.errors import ChangeIdTakenError, ChangeLogError
from resolver_grpc.keys import KeyRing, MasterKey

NEXT = MasterKey(b"next" + bytes(28))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "changes.log"


def written(path, count=40):
    with ChangeLog(path, RING) as log:
        log.append([entry(number) for number in range(count)])
    return path


def contents(path, ring=RING, since=1):
    with ChangeLog(path, ring) as log:
        return list(log.read_from(since))


def expected(numbers, first=1):
    return [(first + place, *entry(number)[1:]) for place, number in enumerate(numbers)]


def test_entries_are_read_as_they_were_appended_from_any_sequence_on(path):
    with ChangeLog(path, RING) as log:
        assert (log.last_sequence(), list(log.read_from(1))) == (0, [])
        assert log.append([entry(0)]) == [1]
        assert log.append([entry(number) for number in range(1, 2500)]) == list(range(2, 2501))
        assert log.append([]) == []
        assert log.last_sequence() == 2500
    assert contents(path) == expected(range(2500))
    assert contents(path, since=1777) == expected(range(1776, 2500), 1777)
    assert contents(path, since=2501) == []


def test_what_is_appended_while_somebody_reads_is_read_too(path):
    with ChangeLog(path, RING) as log:
        log.append([entry(0)])
        read = log.read_from(1)
        assert next(read) == expected([0])[0]
        log.append([entry(1)])
        assert list(read) == expected([1], 2)


def test_the_same_change_again_has_the_sequence_that_it_had(path):
    with ChangeLog(path, RING) as log:
        assert log.append([entry(0), entry(1), entry(0)]) == [1, 2, 1]
        assert log.append([entry(1)]) == [2]
        assert log.append([entry(0), entry(2)]) == [1, 3]
    assert contents(path) == expected(range(3))


def test_another_change_of_the_same_id_is_refused_and_nothing_of_its_group_is_written(path):
    with ChangeLog(path, RING) as log:
        log.append([entry(0)])
        for group in ([entry(1), entry(0, b"other")], [entry(1), entry(1, b"other")]):
            with pytest.raises(ChangeIdTakenError) as refused:
                log.append(group)
            assert refused.value.metadata == {"position": "1"}
        assert log.last_sequence() == 1
        assert log.append([entry(1)]) == [2]


def test_what_was_trimmed_is_gone_and_the_sequences_go_on(path):
    with ChangeLog(path, RING) as log:
        log.append([entry(number) for number in range(10)])
        log.trim(4)
        log.trim(2)
        assert [read.sequence for read in log.read_from(5)] == list(range(5, 11))
        with pytest.raises(ChangeLogError, match="holds changes from 5 on"):
            list(log.read_from(4))
        log.trim(100)
        assert (log.last_sequence(), list(log.read_from(11))) == (10, [])
    with ChangeLog(path, RING) as log:
        assert log.append([entry(3)]) == [11]


def test_after_a_rotation_older_entries_are_read_and_known_under_their_key(path):
    written(path, 3)
    both = KeyRing(NEXT, (KEY,))
    with ChangeLog(path, both) as log:
        assert log.append([entry(1), entry(7)]) == [2, 4]
        with pytest.raises(ChangeIdTakenError):
            log.append([entry(2, b"other")])
    assert contents(path, both) == expected([0, 1, 2, 7])
    with ChangeLog(path, KeyRing(NEXT)) as log:
        assert [read.content for read in log.read_from(4)] == [entry(7).content]
        with pytest.raises(ChangeLogError, match="under a key not held"):
            list(log.read_from(1))


def test_two_logs_of_one_key_share_no_hash_and_no_cipher(tmp_path):
    files = [written(tmp_path / name, 1).read_bytes() for name in ("one", "two")]
    with ChangeLog(tmp_path / "one", RING) as one, ChangeLog(tmp_path / "two", RING) as two:
        keys = [log._active for log in (one, two)]
    assert keys[0].hash_id("feed-0") in files[0]
    assert keys[0].hash_id("feed-0") not in files[1]
    with pytest.raises(ValueError, match="no entry"):
        keys[1].open(1, keys[0].seal(1, entry(0)))


def test_an_entry_is_none_at_another_sequence_and_never_twice_under_one_nonce(path):
    with ChangeLog(path, RING) as log:
        key = log._active
    first, second = key.seal(1, entry(0)), key.seal(1, entry(0))
    assert first != second
    with pytest.raises(ValueError, match="no entry"):
        key.open(2, first)
    for at in range(len(first)):
        changed = bytearray(first)
        changed[at] ^= 1
        with pytest.raises(ValueError, match="no entry"):
            key.open(1, bytes(changed))


def test_nothing_personal_stands_in_the_file(path):
    """Of every event, whatever it carries, as it is on the wire; the change's id may name somebody too."""
    changes = [message(name, FIRM if name in OF_FIRMS else ANN, change_id=f"{ANN}-{name}") for name in EVENTS]
    with ChangeLog(path, RING) as log:
        log.append([Entry(one.change_id, one.SerializeToString()) for one in changes])
    rows = [
        {"number": ANN, "old_numbers": f"{IDA};{FIRM}", "full_name": "Ann Mo Bo", "short_street_name": "Vestergade"},
        {"email_address": "ann@post.dk", "forwarding_address": "post@firm.dk"},
        {"email_address": "curator@law.dk"},
    ]
    needles = Needles(rows)
    assert needles.found_in(changes[4].SerializeToString())
    for file in path.parent.iterdir():
        assert not needles.found_in(file.read_bytes())
        assert b"consent-archive" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def refused(path, ring=RING):
    with pytest.raises(ChangeLogError) as error:
        contents(path, ring)
    assert "\n" not in error.value.message
    return error.value.message


def test_under_another_key_it_is_refused(path):
    assert "another key" in refused(written(path), KeyRing(NEXT))


@pytest.mark.parametrize("content", [b"x", b"x" * 4096, b"x" * 100_000, bytes(8192)])
def test_a_file_that_is_no_log_is_refused(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    assert "is no log of changes" in refused(path)


def test_a_file_of_lmdb_that_is_no_log_is_refused(path):
    with lmdb.open(str(path), subdir=False, mode=0o600) as environment, environment.begin(write=True) as writing:
        writing.put(b"another", b"program")
    assert "is damaged" in refused(path)


def test_a_file_that_others_may_read_is_refused(path):
    written(path).chmod(0o640)
    assert "chmod 600" in refused(path)


def test_in_a_folder_that_is_not_there_it_is_refused(tmp_path):
    assert "can't be opened" in refused(tmp_path / "nowhere" / "changes.log")


def test_a_cut_file_is_refused_wherever_it_was_cut(path):
    whole = written(path, 400).read_bytes()
    for length in (1, 4096, 8192, 12288, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "cut off" in refused(path)


def test_a_file_of_which_the_last_changes_are_gone_is_refused(path):
    """An older copy of the file is whole in itself; only the one beside it knows better."""
    old = written(path, 3).read_bytes()
    with ChangeLog(path, RING) as log:
        log.append([entry(number) for number in range(3, 6)])
    path.write_bytes(old)
    assert "holds less than was written to it" in refused(path)


def test_without_the_file_beside_it_or_with_a_damaged_one_it_is_refused(path):
    beside = written(path).with_name("changes.log.last")
    sound = beside.read_bytes()
    for damaged in (b"", sound[:-1], sound[:-1] + b"?", sound[:9] + b"?" + sound[10:]):
        beside.write_bytes(damaged)
        assert "is damaged" in refused(path)
    beside.unlink()
    refused(path)


def flips(size, seed):
    """Places of bytes: all that mean something on the first pages, and some of the rest."""
    dice = random.Random(seed)  # noqa: S311 - a choice of test data
    known = [page + at for page in (0, 4096) for at in (*range(16, 24), 48, 96, 100, 128, 136, 137, 144, 152)]
    return [*dice.sample(known, 12), *(dice.randrange(8192, size) for _ in range(20))]


def test_a_flipped_byte_is_refused_or_does_no_harm(path):
    """Never another change than was appended, and never one less."""
    with ChangeLog(path, RING) as log:
        for first in range(0, 300, 50):
            log.append([entry(number) for number in range(first, first + 50)])
    whole, sound = path.read_bytes(), expected(range(300))
    places = flips(len(whole), seed=26)
    outcomes = [outcome_of_flip(path, whole, place) for place in places]
    assert all(outcome == sound or isinstance(outcome, str) for outcome in outcomes)
    assert 0 < sum(isinstance(outcome, str) for outcome in outcomes) < len(places)


def outcome_of_flip(path, whole, place):
    """What is read of a file with a byte changed, or the sentence that refuses it."""
    path.write_bytes(whole[:place] + bytes((whole[place] ^ 0xFF,)) + whole[place + 1 :])
    try:
        return contents(path)
    except ChangeLogError as error:
        return error.message


def test_a_full_disk_refuses_and_the_log_goes_on_once_there_is_room(tmp_path):
    with mounted_disk(tmp_path / "disk", "1m") as disk, ChangeLog(disk / "changes.log", RING) as log:
        log.append([entry(0)])
        with room_left(disk, 8192), pytest.raises(ChangeLogError, match="has room"):
            log.append([entry(number, bytes(4000)) for number in range(1, 200)])
        assert log.last_sequence() == 1
        assert log.append([entry(1)]) == [2]
        assert list(log.read_from(1)) == expected(range(2))


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery(nursery_program)
    yield nursery
    nursery.close()


def test_all_that_was_acknowledged_is_there_however_often_it_is_killed(nursery, tmp_path):
    """Start after start on one log, which this process has open and reads meanwhile."""
    path, told = tmp_path / "changes.log", tmp_path / "told"
    dice = random.Random(26)  # noqa: S311 - a choice of test data
    with ChangeLog(path, RING) as log:
        for start in range(20):
            assert nursery.fate("after", dice.uniform(0.1, 0.6), path, told, start * 1_000_000) == "died"
            numbers = [int(read.content.removeprefix(b"change ")) for read in log.read_from(1)]
            assert len(numbers) == log.last_sequence() == len(set(numbers))
    acknowledged = [tuple(map(int, line.split())) for line in told.read_bytes().split(b"\n")[:-1]]
    assert len(acknowledged) >= 20
    assert all(numbers[sequence - 1] == number for number, sequence in acknowledged)
    kept = contents(path)
    assert kept[: len(numbers)] == expected(numbers)
    # The last group may have been on the disk when the kill came before LMDB had told the readers of it.
    assert len(kept) - len(numbers) <= 7


def test_what_was_worked_out_is_no_part_of_a_change_and_left_out_where_it_is_very_long(path):
    """Two processes over two snapshots work out two things of one change."""
    with ChangeLog(path, RING) as log:
        assert log.append([entry(1), entry(1)._replace(after=b"otherwise")]) == [1, 1]
        assert log.append([entry(2)._replace(after=bytes(1 << 16)), entry(3)._replace(after=bytes((1 << 16) - 1))]) == [
            2,
            3,
        ]
    assert [len(read.after) for read in contents(path)] == [len(entry(1).after), 0, (1 << 16) - 1]
