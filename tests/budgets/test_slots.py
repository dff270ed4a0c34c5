"""What is done to a slot: the compiled steps write the very bytes that those in Python write, and say the same."""

import struct

import pytest
from budget_nursery import MOST, NOON, keys
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.budgets import slots
from resolver_grpc.budgets.account import SLOT_BYTES
from resolver_grpc.budgets.budget_file import BudgetFile
from resolver_grpc.budgets.sketch import salt_of
from resolver_grpc.errors import BudgetFileError
from resolver_grpc.model import Limits

HEAD, SENDER = 128, 64
TODAY = 739_577
SALT = salt_of(b"s" * 32, "power", TODAY)

compiled = pytest.mark.skipif(slots.charge is slots.charge_by_python, reason="the package has no compiled modules")
numbers = st.lists(st.integers(0, 60), max_size=12)
charges = st.tuples(
    st.just("charge"),
    st.integers(0, 2),
    st.sampled_from([1, 7, MOST]),
    st.builds(Limits, st.integers(1, 40), st.just(1), st.sampled_from([1, 3, 1_000])),
    st.one_of(st.integers(-3, 3), st.floats(-20_000, 20_000)),
)
counts = st.tuples(st.just("count"), st.integers(0, 2), numbers, numbers)


def do(page, how, step):
    """Takes one step, each way by its own function; what it says."""
    charge, count = how
    match step:
        case "charge", day, queries, limits, seconds:
            return charge(page, TODAY + day, queries, MOST, limits, NOON + seconds)
        case "count", day, misses, addresses:
            return count(page, TODAY + day, keys(*misses), keys(*addresses), SALT)


@compiled
@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(charges, counts), max_size=12))
def test_both_ways_say_and_write_the_same(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("slots")
    ways = {"python": (slots.charge_by_python, slots.count_by_python), "compiled": (slots.charge, slots.count)}
    said, left = {}, {}
    for name, how in ways.items():
        file = BudgetFile(folder / name)
        with file.page_of("power") as page:
            said[name] = [do(page, how, step) for step in steps]
        file.close()
        left[name] = (folder / name).read_bytes()
    assert said["compiled"] == said["python"]
    assert left["compiled"] == left["python"]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param((slots.charge_by_python, slots.count_by_python), id="python"),
        pytest.param((slots.charge, slots.count), id="compiled", marks=compiled),
    ],
)
@pytest.mark.parametrize(
    ("place", "data"),
    [
        (0, b"q"),
        (SENDER - 1, b"q"),
        (SENDER, struct.pack("<d", float("nan"))),
        (SENDER, struct.pack("<d", -1.0)),
        (SENDER + 12, struct.pack("<d", float("inf"))),
        (SENDER + 20, struct.pack("<d", -0.5)),
    ],
)
def test_a_slot_that_holds_no_account_of_the_sender_is_damaged_and_stays_as_it_is(tmp_path, how, place, data):
    path = tmp_path / "budgets"
    file = BudgetFile(path)
    file.page_of("power")
    with path.open("r+b") as changed:
        changed.seek(HEAD + place)
        changed.write(data)
    before = path.read_bytes()
    for step in (("charge", 0, 1, Limits(10, 10, 10), 0), ("count", 0, [1], [2])):
        with pytest.raises(BudgetFileError, match="is damaged"), file.page_of("power") as page:
            do(page, how, step)
    assert path.read_bytes() == before
    assert len(before) == HEAD + SLOT_BYTES
    file.close()


@compiled
def test_a_slot_that_was_cut_off_is_damaged_and_half_a_key_is_none(tmp_path):
    path = tmp_path / "budgets"
    file = BudgetFile(path)
    page = file.page_of("power")
    with pytest.raises(ValueError, match="half a key"):
        slots.count(page, TODAY, bytes(15), b"", SALT)
    path.write_bytes(path.read_bytes()[:-1])
    slots.count(page, TODAY, keys(1), b"", SALT)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="no account"):
        slots.count(page, TODAY, b"", keys(1), SALT)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="no account"):
        slots.charge(page, TODAY, 1, MOST, Limits(1, 1, 1), NOON)
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        slots.charge(page, TODAY, 1, MOST, Limits(1, 1, 1), NOON)
