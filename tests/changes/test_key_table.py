"""The table of keys beside a dictionary."""

from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.changes.key_table import LIST_BIT, PARTS, PLACE_BYTES, KeyTable

# Of two parts, and of few places in them, so that keys meet; one is what an empty place looks like.
keys = st.builds(
    lambda part, at, rest: bytes((part, 0, 0, 0)) + at.to_bytes(4, "little") + rest * 8,
    st.sampled_from([0, 255]),
    st.sampled_from([0, 1 << 31, (1 << 32) - 1]),
    st.sampled_from([b"\0", b"\1", b"\2", b"\3", b"\4", b"\5", b"\xff"]),
) | st.just(b"\xff" * 16)
ordinals = st.lists(st.integers(0, LIST_BIT - 1), max_size=5, unique=True).map(sorted)


@settings(max_examples=100)
@given(st.lists(st.tuples(keys, ordinals), max_size=60))
def test_it_is_a_dictionary_of_keys(told):
    table, wanted = KeyTable(), {}
    for key, under in told:
        assert table.get(key) == wanted.get(key)
        table.alter(key, lambda known, key=key, under=under: under if known == wanted.get(key) else None)
        wanted[key] = tuple(under)
    assert {key: table.get(key) for key in wanted} == wanted
    assert table.get(b"\0" * 15 + b"\1") is None


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
