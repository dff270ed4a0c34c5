"""Sketches count distinct keys; the oracles are a set, and the same registers worked out key by key."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.budgets import sketch
from resolver_grpc.budgets.sketch import REGISTERS, STANDARD_ERROR, estimate, mark, salt_of

SECRET, DAY = b"s" * 32, 739_577
MASK = (1 << 64) - 1


@pytest.fixture(params=["compiled", "numpy"], autouse=True, scope="module")
def loops(request):
    """Both are held to the same oracles; where there is no compiled module both are numpy's."""
    with pytest.MonkeyPatch.context() as loops:
        if request.param == "numpy":
            loops.setattr(sketch, "mark_keys", sketch.mark_by_numpy)
            loops.setattr(sketch, "weigh", sketch.weigh_by_numpy)
        yield


def key_of(number):
    return blake2b(number.to_bytes(8, "big"), digest_size=16).digest()


def blank():
    return np.zeros(REGISTERS, np.uint8)


def sketch_of(keys, sender_id="power", day=DAY, secret=SECRET):
    registers = blank()
    mark(registers, keys, salt_of(secret, sender_id, day))
    return registers


def registers_by_hand(keys):
    """One key after the other, in whole numbers: 12 bits choose the register, the run of zeros in the others counts."""
    salt = blake2b(b"739577 power", digest_size=16, key=SECRET).digest()
    factors = [int.from_bytes(half, "little") | 1 for half in (salt[:8], salt[8:])]
    registers = [0] * REGISTERS
    for key in keys:
        halves = [int.from_bytes(half, "little") for half in (key[:8], key[8:])]
        text = f"{(halves[0] * factors[0] + halves[1] * factors[1]) & MASK:064b}"
        place, rest = int(text[:12], 2), text[12:]
        registers[place] = max(registers[place], len(rest) - len(rest.lstrip("0")) + 1)
    return registers


keys = st.lists(st.one_of(st.integers(0, 500).map(key_of), st.binary(min_size=16, max_size=16)), max_size=80)


@given(keys)
def test_registers_are_those_worked_out_key_by_key(some):
    assert sketch_of(some).tolist() == registers_by_hand(some)


@given(keys, keys)
def test_neither_order_nor_repetition_nor_the_cut_into_runs_changes_a_sketch(some, more):
    registers = sketch_of([b"".join(some), b"".join(more)])
    assert (registers == sketch_of([*reversed(more), *some, *more])).all()
    assert not mark(registers, some, salt_of(SECRET, "power", DAY))
    assert (np.maximum(sketch_of(some), sketch_of(more)) == registers).all()


@given(st.sets(st.integers(0, 1 << 40), max_size=60))
def test_few_keys_are_counted_almost_exactly(numbers):
    """Two that share a register count as one; of 60 more than 8 do so once in ever."""
    counted = estimate(sketch_of(map(key_of, numbers)))
    assert len(numbers) - 8 <= counted <= len(numbers) + 1


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 200_000), st.integers(0, 1 << 30))
def test_an_estimate_errs_by_no_more_than_it_should(count, seed):
    """Five standard errors, which one in a million passes."""
    registers = sketch_of([np.random.default_rng(seed).bytes(16 * count)])
    assert abs(estimate(registers) / count - 1) < 5 * STANDARD_ERROR


@pytest.mark.parametrize("count", [3_000, 10_000, 20_000])
def test_estimates_are_not_off_to_one_side(count):
    """About where other estimators change from one formula to another."""
    dice = np.random.default_rng(count)
    errors = [estimate(sketch_of([dice.bytes(16 * count)])) / count - 1 for _ in range(60)]
    assert abs(np.mean(errors)) < 4 * STANDARD_ERROR / 60**0.5
    assert np.std(errors) < 1.5 * STANDARD_ERROR


def test_nothing_is_nothing():
    assert estimate(blank()) == 0.0
    assert sketch_of([]).tolist() == sketch_of([b""]).tolist() == blank().tolist()


def test_any_bytes_of_a_file_have_an_estimate():
    assert np.isfinite(estimate(np.full(REGISTERS, 255, np.uint8)))


@given(st.integers(1, 1 << 30))
def test_both_loops_give_the_same(seed):
    keys, ways = np.random.default_rng(seed).bytes(16 * 500), []
    for way in (sketch.mark_keys, sketch.mark_by_numpy):
        registers = blank()
        way(keys, *salt_of(SECRET, "power", DAY), registers)
        ways.append(registers.tolist())
    assert ways[0] == ways[1] == registers_by_hand([keys[at : at + 16] for at in range(0, len(keys), 16)])
    told, expected = sketch.weigh(registers), sketch.weigh_by_numpy(registers)
    assert told[0] == expected[0]
    assert told[1] == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.parametrize("halves", [((1 << 64) - 1, 1), (0, 0), (1, 0), (1 << 11, 0), (1 << 63, 0), (1 << 52, 1 << 63)])
def test_hashes_at_either_end_of_their_range(halves):
    """With a salt of ones, so that the key's halves are added up to its hash."""
    key = b"".join(half.to_bytes(8, "little") for half in halves)
    hashed, registers = sum(halves) & MASK, blank()
    mark(registers, [key], sketch.Salt(1, 1))
    text = f"{hashed:064b}"
    assert registers[int(text[:12], 2)] == 53 - len(text[12:].lstrip("0"))
    assert np.count_nonzero(registers) == 1


@pytest.mark.parametrize("other", [{"sender_id": "town"}, {"day": 739_578}, {"secret": b"o" * 32}])
def test_sketches_of_other_senders_days_and_keys_have_nothing_in_common(other):
    """One can't be held against another: of 300 keys no more meet in a register than chance lets."""
    some = [key_of(number) for number in range(300)]
    one, two = sketch_of(some), sketch_of(some, **other)
    assert np.count_nonzero(one & two) < 60
