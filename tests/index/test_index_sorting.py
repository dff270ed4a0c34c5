"""Orders found by sorting packed numbers are those that Python's sort finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.index.sorting import order_of_hashes, order_of_keys, order_of_numbers

HALVES = st.sampled_from([bytes(8), b"\xff" * 8, bytes(7) + b"\1", bytes(7) + b"\2", b"h" * 8]) | st.binary(
    min_size=8, max_size=8
)
KEYS = st.lists(st.builds(lambda high, low: high + low, HALVES, HALVES), max_size=30)
NUMBERS = st.integers(0, 5) | st.sampled_from([-1, 2**31, 2**33, 2**62, 2**63 - 1])
COLUMNS = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[NUMBERS] * width), min_size=1, max_size=30))


def stable_order(rows):
    return sorted(range(len(rows)), key=lambda place: rows[place])


@given(KEYS)
def test_keys_are_put_in_the_order_of_their_bytes(keys):
    """Also those that agree in the bits that are sorted first, and equal ones keep their order."""
    assert order_of_keys(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)).tolist() == stable_order(keys)


@given(KEYS)
def test_hashes_of_one_word_are_put_in_order(keys):
    high = [int.from_bytes(key[:8], "big") for key in keys]
    assert order_of_hashes(np.array(high, np.uint64)).tolist() == stable_order(high)


@given(COLUMNS)
def test_rows_of_numbers_are_put_in_order(rows):
    """Whether they have room in one word or not, and where some are below 0."""
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    assert order_of_numbers(*columns).tolist() == stable_order(rows)


def test_no_rows_are_in_order():
    assert order_of_numbers(np.zeros(0, np.uint32)).tolist() == []
    assert order_of_keys(np.zeros((0, 16), np.uint8)).tolist() == []
