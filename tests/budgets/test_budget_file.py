"""The file of budgets: what several processes share, what a kill leaves, and what is refused."""

import random
import struct
import subprocess
import sys

import pytest
from budget_nursery import __file__ as nursery_program
from budget_nursery import keys, sender, spend
from hypothesis import given, settings
from hypothesis import strategies as st

from nursery import Nursery, mounted_disk, room_left
from resolver_grpc.budgets import budget_file
from resolver_grpc.budgets.account import SLOT_BYTES
from resolver_grpc.budgets.budget_file import BudgetFile, Sketch
from resolver_grpc.errors import BudgetFileError, OverBudgetError

HEAD = 128


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery(nursery_program)
    yield nursery
    nursery.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "budgets"


def account_in(path, sender_id):
    file = BudgetFile(path)
    try:
        with file.page_of(sender_id) as page:
            return page.read()
    finally:
        file.close()


def test_it_is_made_for_its_owner_alone_and_nothing_is_left_beside_it(path):
    BudgetFile(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["budgets"]


def test_what_was_spent_is_there_when_it_is_opened_again(path):
    file = BudgetFile(path)
    for number in range(30):
        spend(file, sender(), [number])
        spend(file, sender("town"), [], [number, number + 1])
    file.close()
    # Two keys may share a register.
    assert 29 <= round(account_in(path, "power").misses) <= 30
    assert 29 <= round(account_in(path, "town").addresses) <= 31


def test_two_that_are_open_see_what_the_other_spends_and_the_senders_it_adds(path):
    one, two = BudgetFile(path), BudgetFile(path)
    spend(one, sender(), [1, 2, 3])
    assert round(spend(two, sender(), [3, 4]).misses) == 4
    spend(two, sender("town"), [1])
    assert round(spend(one, sender("town"), [2]).misses) == 2
    assert path.stat().st_size == HEAD + 2 * SLOT_BYTES


_LOCKING = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    for place in map(int, sys.argv[2:]):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            print("free")
        except BlockingIOError:
            print("locked")
"""


def test_while_a_slot_is_written_no_other_process_may_and_all_others_may_be(path):
    file = BudgetFile(path)
    for one in ("power", "town"):
        spend(file, sender(one), [1])
    ends = [HEAD, HEAD + SLOT_BYTES - 1, HEAD + SLOT_BYTES]
    looking = [sys.executable, "-c", _LOCKING, path, *map(str, ends)]
    with file.page_of("power"):
        assert subprocess.run(looking, capture_output=True, text=True, check=True).stdout.split() == [
            "locked",
            "locked",
            "free",
        ]
    assert subprocess.run(looking, capture_output=True, text=True, check=True).stdout.split() == ["free"] * 3


def test_processes_that_spend_at_once_lose_nothing(path, tmp_path):
    """Three of them, one sender: each key that any of them spent is there."""
    program = [sys.executable, "-c", _SPENDING, path]
    spending = [subprocess.Popen([*program, str(first)]) for first in range(3)]
    assert [one.wait() for one in spending] == [0, 0, 0]
    file = BudgetFile(path)
    with file.page_of("power") as page:
        before = page.read_sketch(Sketch.MISSES).tolist()
    spend(file, sender(), range(900))
    with file.page_of("power") as page:
        assert page.read_sketch(Sketch.MISSES).tolist() == before


_SPENDING = f"""
import sys; sys.path[:0] = [{str(nursery_program).rpartition("/")[0]!r}]
from pathlib import Path
from budget_nursery import BudgetFile, sender, spend
file = BudgetFile(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 900, 3):
    spend(file, sender(), [number])
"""


def test_a_file_whose_making_is_killed_at_any_step_is_there_whole_or_not_at_all(nursery, path):
    fates = []
    for step in range(1, 30):
        fates.append(nursery.fate("step", step, path))
        BudgetFile(path).close()
        assert [one.name for one in path.parent.iterdir()] == ["budgets"]
        path.unlink()
        if fates[-1] != "died":
            break
    assert fates.count("died") > 3
    assert fates[-1] == 0


def test_killed_at_any_instant_it_opens_again_with_all_that_was_told(nursery, path, tmp_path):
    """Start after start; whatever was settled before its end was told is counted."""
    dice = random.Random(1)  # noqa: S311 - a choice of test data
    for start in range(12):
        after = dice.uniform(0.001, 0.12)
        assert nursery.fate("after", after, path, tmp_path / "told", start * 1_000_000, 1) == "died"
        BudgetFile(path).close()
    told = [int(line) for line in (tmp_path / "told").read_bytes().split(b"\n")[:-1]]
    assert len(told) > 100
    file = BudgetFile(path)
    with file.page_of("shared") as page:
        before = page.read_sketch(Sketch.MISSES).tolist()
    # What was told changes nothing any more.
    spend(file, sender("shared"), told)
    with file.page_of("shared") as page:
        assert page.read_sketch(Sketch.MISSES).tolist() == before


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda _: b"", "is no file of budgets; name another file"),
        (lambda _: b"something else, as long as a head is or longer", "is no file of budgets"),
        (lambda data: data[:20], "is no file of budgets"),
        (lambda data: data[:16] + b"\2" + data[17:], "is of version 2, and this program reads 1"),
        (lambda data: data[:20] + b"\1" + data[21:], "is damaged"),
        (lambda data: data[:16] + struct.pack("<I", 101801239) + data[20:], "is damaged"),
        (lambda data: data[:-1], "is cut off"),
        (lambda data: data[:HEAD], "is cut off"),
        (lambda data: data[:HEAD] + bytes(64) + data[HEAD + 64 :], "is damaged"),
        (lambda data: data[:HEAD] + data[HEAD + SLOT_BYTES :] + data[HEAD + SLOT_BYTES :], "is damaged"),
    ],
)
def test_what_is_no_whole_file_of_this_version_is_refused_in_one_line_that_says_what_to_do(path, damage, sentence):
    file = BudgetFile(path)
    for one in (sender(), sender("town")):
        spend(file, one, [1])
    file.close()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BudgetFileError) as error:
        BudgetFile(path)
    assert sentence in error.value.message
    assert "\n" not in error.value.message
    assert ";" in error.value.message


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, HEAD + 2 * SLOT_BYTES - 1), byte=st.integers(0, 255))
def test_a_file_with_any_byte_changed_is_refused_or_goes_on(tmp_path_factory, place, byte):
    path = tmp_path_factory.getbasetemp() / "changed-budgets"
    path.unlink(missing_ok=True)
    file = BudgetFile(path)
    spend(file, sender(), [1, 2], [3])
    spend(file, sender("town"), [1])
    file.close()
    data = bytearray(path.read_bytes())
    data[place] = byte
    path.write_bytes(data)
    try:
        file = BudgetFile(path)
        for one in (sender(rate=10**9), sender("town", rate=10**9)):
            spend(file, one, [4], [5])
        file.close()
    except (BudgetFileError, OverBudgetError):
        pass


def test_a_slot_that_was_never_finished_is_written_over(path):
    file = BudgetFile(path)
    spend(file, sender(), [1])
    with path.open("ab") as end:
        end.write(b"half a slot")
    spend(file, sender("town"), [1, 2])
    file.close()
    assert round(account_in(path, "town").misses) == 2
    assert round(account_in(path, "power").misses) == 1


def test_a_file_that_others_may_read_is_refused(path):
    BudgetFile(path).close()
    path.chmod(0o640)
    with pytest.raises(BudgetFileError, match="others may read it; run `chmod 600` on it"):
        BudgetFile(path)


@pytest.mark.parametrize("place", ["nowhere/budgets", "."])
def test_a_place_where_no_file_can_be_is_refused(tmp_path, place):
    with pytest.raises(BudgetFileError, match="budgets can't be kept there: "):
        BudgetFile(tmp_path / place)


def test_a_file_that_is_moved_away_or_replaced_while_it_is_open_is_noticed(path):
    file = BudgetFile(path)
    spend(file, sender(), [1])
    away = path.with_name("away")
    path.rename(away)
    with pytest.raises(BudgetFileError, match="can't be kept there: No such file"):
        spend(file, sender(), [2])
    BudgetFile(path).close()
    with pytest.raises(BudgetFileError, match="was replaced while it was in use"):
        spend(file, sender(), [2])
    away.rename(path)
    assert round(spend(file, sender(), [2]).misses) == 2


def test_there_is_an_end_to_the_senders_that_it_holds(path, monkeypatch):
    monkeypatch.setattr(budget_file, "MOST_SENDERS", 2)
    file = BudgetFile(path)
    for one in "ab":
        spend(file, sender(one), [1])
    with pytest.raises(BudgetFileError, match="has room for 2 senders; stop the servers and move it away"):
        spend(file, sender("c"), [1])
    spend(file, sender("a"), [2])


def test_a_full_disk_is_an_error_and_what_was_there_stays(tmp_path):
    with mounted_disk(tmp_path / "small", "256k") as disk:
        path = disk / "budgets"
        file = BudgetFile(path)
        spend(file, sender(), [1])
        with room_left(disk, 0):
            assert "No space left" in _error_of_adding(file)
        assert round(spend(file, sender(), [2]).misses) == 2
        file.close()
        BudgetFile(path).close()


def _error_of_adding(file):
    """Adds senders until one can't be; tells why."""
    with pytest.raises(BudgetFileError) as error:  # noqa: PT012 - which of them it is depends on the size of pages
        for number in range(40):
            spend(file, sender(f"s{number}"), [1])
    return error.value.message


def test_nothing_that_can_be_guessed_stands_in_it(path):
    """Neither keys nor the leading half of one."""
    file = BudgetFile(path)
    spend(file, sender(), range(100), range(100))
    file.close()
    data = path.read_bytes()
    assert not [number for number in range(100) for half in (slice(8), slice(8, 16)) if keys(number)[half] in data]
