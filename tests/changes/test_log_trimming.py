"""Trimming: what is left of a log is right, what was removed is nowhere, whoever has it open, whenever it is killed."""

import json
import select

import pytest
from log_nursery import KEY, RING, entry
from log_nursery import __file__ as nursery_program

from nursery import Nursery
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_check import walk
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.keys import KeyRing, MasterKey

ENTRIES = 40


@pytest.fixture
def path(tmp_path):
    (tmp_path / "log").mkdir()
    with ChangeLog(tmp_path / "log" / "changes.log", RING) as log:
        for number in range(ENTRIES):
            log.append([entry(number, b"change %d" % number + bytes(number * 40))])
    return tmp_path / "log" / "changes.log"


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery(nursery_program)
    yield nursery
    nursery.close()


def sealed_in(path):
    """The bytes of each entry by its sequence, and of the hash of its change's id, as they stand in the file now."""
    with ChangeLog(path, RING) as log, log._file.reading() as (file, reading):
        entries = dict(reading.cursor(file.entries))
        hashes = {place: log._active.hash_id(f"feed-{place - 1}") for place in range(1, ENTRIES + 1)}
        return {int.from_bytes(place, "big"): sealed for place, sealed in entries.items()}, hashes


def left_in(folder, needles):
    """Which of some needles stand in a file of a folder."""
    contents = [file.read_bytes() for file in folder.iterdir()]
    return [number for number, needle in needles.items() if any(needle in content for content in contents)]


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def test_nothing_of_what_was_trimmed_stands_in_any_file(path):
    entries, hashes = sealed_in(path)
    middles = {number: sealed[24:60] for number, sealed in entries.items()}
    assert left_in(path.parent, middles) == left_in(path.parent, hashes) == list(range(1, ENTRIES + 1))
    size = path.stat().st_size
    with ChangeLog(path, RING) as log:
        log.trim(30)
        kept = list(range(31, ENTRIES + 1))
        assert [read.sequence for read in log.read_from(31)] == kept
    assert left_in(path.parent, middles) == left_in(path.parent, hashes) == kept
    assert path.stat().st_size < size
    assert walk(str(path.resolve()))


def test_after_trimming_the_names_are_the_log_the_file_it_leads_to_its_lock_and_the_last_sequence(path):
    with ChangeLog(path, RING) as log:
        log.trim(10)
        assert names_in(path.parent) == ["changes.log", "changes.log.1", "changes.log.1-lock", "changes.log.last"]
        log.trim(20)
    assert path.is_symlink()
    assert names_in(path.parent) == ["changes.log", "changes.log.2", "changes.log.2-lock", "changes.log.last"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in path.parent.iterdir())


def test_ids_of_what_is_left_are_known_and_those_of_what_was_trimmed_forgotten(path):
    with ChangeLog(path, RING) as log:
        log.trim(39)
        assert log.append([entry(39, b"change 39" + bytes(39 * 40))]) == [40]
        assert log.append([entry(3)]) == [41]


def test_a_log_of_which_all_was_trimmed_goes_on(path):
    with ChangeLog(path, RING) as log:
        log.trim(ENTRIES)
        assert (log.first_sequence(), log.last_sequence()) == (ENTRIES + 1, ENTRIES)
    with ChangeLog(path, RING) as log:
        assert log.append([entry(99)]) == [ENTRIES + 1]
        assert [read.content for read in log.read_from(ENTRIES + 1)] == [b"change 99"]


def test_trimming_to_where_it_is_trimmed_already_changes_nothing(path):
    with ChangeLog(path, RING) as log:
        log.trim(10)
        file = path.resolve()
        log.trim(10)
        log.trim(0)
        assert path.resolve() == file


def test_what_an_older_key_seals_is_kept_as_it_is(path):
    ring = KeyRing(MasterKey(b"next" + bytes(28)), (KEY,))
    with ChangeLog(path, ring) as log:
        log.append([entry(50)])
        log.trim(20)
        assert [read.sequence for read in log.read_from(21)] == list(range(21, ENTRIES + 2))


def test_whoever_has_the_log_open_follows(nursery, path, tmp_path):
    """Another process appends all the time, this one trims and reads; every acknowledged change has its sequence."""
    told = tmp_path / "told"
    told.touch()
    print(json.dumps(["after", "1.5", str(path), str(told), "1000000"]), file=nursery.process.stdin)
    trims = 0
    with ChangeLog(path, RING) as log:
        while log.last_sequence() < ENTRIES + 40:
            pass
        for _ in range(8):
            trims += 1
            log.trim(log.last_sequence() - 20)
            before = log.last_sequence()
            while log.last_sequence() < before + 30 and not told_to_end(nursery):
                pass
        assert json.loads(nursery.process.stdout.readline()) == "died"
        kept = {read.sequence: read.content for read in log.read_from(log.first_sequence())}
        last = log.last_sequence()
    acknowledged = [tuple(map(int, line.split())) for line in told.read_bytes().split(b"\n")[:-1]]
    assert trims == 8
    assert sorted(kept) == list(range(min(kept), last + 1))
    assert acknowledged[-1][1] <= last
    assert len({sequence for _, sequence in acknowledged}) == len(acknowledged)
    assert all(kept[sequence] == b"change %d" % number for number, sequence in acknowledged if sequence in kept)


def told_to_end(nursery):
    """Whether the other process is dead, so that nobody waits for it."""
    return bool(select.select([nursery.process.stdout], [], [], 0)[0])


def test_killed_at_any_step_the_log_is_whole_and_trimming_again_leaves_nothing_behind(nursery, path):
    entries, _ = sealed_in(path)
    middles = {number: sealed[24:60] for number, sealed in entries.items()}
    deaths, up_to = 0, 0
    for step in range(1, 60, 2):
        up_to = min(up_to + 1, ENTRIES - 1)
        ending = nursery.fate("step", step, path, up_to)
        with ChangeLog(path, RING) as log:
            first = log.first_sequence()
            assert first in {up_to, up_to + 1}
            assert [read.sequence for read in log.read_from(first)] == list(range(first, ENTRIES + 1))
            log.trim(up_to)
            assert len(names_in(path.parent)) == 4
        assert left_in(path.parent, middles) == list(range(up_to + 1, ENTRIES + 1))
        deaths += ending == "died"
    assert deaths >= 5
    assert ending == 0


def test_a_log_whose_name_leads_nowhere_is_refused_and_not_begun_anew(path):
    with ChangeLog(path, RING) as log:
        log.trim(10)
        path.resolve().unlink()
        with pytest.raises(ChangeLogError, match="restore the log"):
            log.last_sequence()
