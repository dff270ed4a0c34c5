"""The table of keys beside a dictionary."""

from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver_grpc.changes import key_table
from resolver_grpc.changes.key_table import LIST_BIT, PARTS, PLACE_BYTES, KeyTable

# Of two parts, and of few places in them, so that keys meet; one is what an empty place looks like.
keys = st.builds(
    lambda part, at, rest: bytes((part, 0, 0, 0)) + at.to_bytes(4, "little") + rest * 8,
    st.sampled_from([0, 255]),
    st.sampled_from([0, 1 << 31, (1 << 32) - 1]),
    st.sampled_from([b"\0", b"\1", b"\2", b"\3", b"\4", b"\5", b"\xff"]),
) | st.just(b"\xff" * 16)
ordinals = st.lists(st.integers(0, LIST_BIT - 1), max_size=5, unique=True).map(sorted)


WAYS = {"compiled": (key_table.place_of, key_table.regrown)} if find_spec("resolver_grpc._key_places") else {}
WAYS["plain"] = key_table.place_plainly, key_table.regrown_plainly


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def _way(request, monkeypatch):
    place_of, regrown = request.param
    monkeypatch.setattr(key_table, "place_of", place_of)
    monkeypatch.setattr(key_table, "regrown", regrown)
    monkeypatch.setattr(key_table, "_FEWEST", 2)


@pytest.mark.usefixtures("_way")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(keys, ordinals), max_size=60))
def test_it_is_a_dictionary_of_keys(told):
    table, wanted = KeyTable(), {}
    for key, under in told:
        assert table.get(key) == wanted.get(key)
        table.alter(key, lambda known, key=key, under=under: under if known == wanted.get(key) else None)
        wanted[key] = tuple(under)
    assert {key: table.get(key) for key in wanted} == wanted
    assert table.get(b"\0" * 15 + b"\1") is None


@pytest.mark.usefixtures("_way")
def test_it_grows_part_by_part_and_what_gave_way_stays_as_it_was():
    table = KeyTable()
    part, lists = table.parts[7], table.lists
    for number in range(1_000):
        table.put(bytes((7, 0, 0, 0)) + (number << 20).to_bytes(4, "little") + bytes(8), range(number, number + 3))
    assert len(table.parts[7]) // PLACE_BYTES >= 1_000 * 5 // 3
    assert part is not table.parts[7]
    assert len(part) == len(table.parts[8])
    assert lists is not table.lists
    assert len(table.parts) == PARTS
    assert all(
        table.get(bytes((7, 0, 0, 0)) + (number << 20).to_bytes(4, "little") + bytes(8))
        == (number, number + 1, number + 2)
        for number in range(1_000)
    )


def test_a_list_that_changes_over_and_over_takes_no_more_room():
    table, key = KeyTable(), bytes(16)
    for count in [100, 2, 128] * 1_000:
        table.put(key, range(count))
        assert table.get(key) == tuple(range(count))
    assert table.shape == 0


@pytest.mark.skipif("compiled" not in WAYS, reason="this installation has no compiled modules")
def test_the_compiled_functions_read_nothing_outside():
    place_of, regrown = WAYS["compiled"]
    full = bytearray(bytes(PLACE_BYTES) * 2)
    for part, key in ((full, b"\1" * 16), (full[:-1], bytes(16)), (bytearray(), bytes(16)), (full, bytes(15))):
        with pytest.raises(ValueError, match="no such key, and no room for it"):
            place_of(part, key)
    assert place_of(full, bytes(16)) == 0
    with pytest.raises(ValueError, match="no room for all keys"):
        regrown(bytearray(bytes(16) + bytes(4) + b"\1" * 20), 1)
