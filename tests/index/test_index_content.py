from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_contents import contents, intervals, make_content, sample_content, u32

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.content import check_content, content_digest, first_of_each_key, sorted_pairs
from resolver_grpc.index.memory import MemoryIndex

KEY, CONTEXT = b"secret of the digest", b"key id 1, canonical 1"


@given(content=contents())
def test_pairs_are_sorted_and_distinct(content):
    keys, ordinals = sorted_pairs(content)
    found = [(key.tobytes(), ordinal) for key, ordinal in zip(keys, ordinals.tolist(), strict=True)]
    stated = zip((key.tobytes() for key in content.keys), content.ordinals.tolist(), strict=True)
    assert found == sorted(set(stated))
    firsts = first_of_each_key(keys).tolist()
    assert firsts == [place for place, (key, _) in enumerate(found) if not place or found[place - 1][0] != key]


def shuffled(content, seed):
    order = np.random.default_rng(seed).permutation(len(content.ordinals))
    doubled = np.concatenate([order, order[: len(order) // 2]])
    return replace(
        content,
        keys=content.keys[doubled],
        ordinals=content.ordinals[doubled],
        facts=dict(reversed(content.facts.items())),
        forwarding=dict(reversed(content.forwarding.items())),
        roads=dict(reversed(content.roads.items())),
    )


@given(content=contents(), seed=st.integers(0, 99))
def test_the_same_rows_in_any_order_have_the_same_digest(content, seed):
    assert content_digest(shuffled(content, seed), KEY, CONTEXT) == content_digest(content, KEY, CONTEXT)


def test_a_digest_has_16_bytes_and_hangs_on_key_and_context():
    content = sample_content(50)
    digests = {
        content_digest(content, KEY, CONTEXT),
        content_digest(content, b"another", CONTEXT),
        content_digest(content, KEY, b"another"),
    }
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {16}


SAMPLE = sample_content(50)
CHANGES = {
    "one owner more": {
        "owners": 51,
        "numbers": np.append(SAMPLE.numbers, np.array([b"1"], "S10")),
        "address_numbers": np.append(SAMPLE.address_numbers, u32([0])),
    },
    "a key": {"keys": SAMPLE.keys ^ np.uint8(1)},
    "an ordinal": {"ordinals": np.append(SAMPLE.ordinals[:-1], u32([49]))},
    "a pair less": {"keys": SAMPLE.keys[1:], "ordinals": SAMPLE.ordinals[1:]},
    "a number": {"numbers": np.append(SAMPLE.numbers[:-1], np.array([b"1"], "S10"))},
    "an address number": {"address_numbers": SAMPLE.address_numbers + np.uint32(1)},
    "a fact's name": {"facts": {**SAMPLE.facts, "claim": SAMPLE.facts["consent"]}},
    "a fact's time": {"facts": {**SAMPLE.facts, "protection": intervals((0, 0, 501))}},
    "a fact without owners": {"facts": {**SAMPLE.facts, "claim": intervals()}},
    "a forwarding": {"forwarding": {2: "other@advokaterne.dk"}},
    "no forwarding": {"forwarding": {}},
    "a road": {"roads": {bytes(16): 2}},
    "no roads": {"roads": {}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_part_counts(change):
    assert content_digest(replace(SAMPLE, **change), KEY, CONTEXT) != content_digest(SAMPLE, KEY, CONTEXT)


def test_intervals_that_say_the_same_in_other_words_have_the_same_digest():
    one = make_content(facts={"consent": intervals((1, 5, 9))})
    other = make_content(facts={"consent": intervals((1, 7, 9), (2, 4, 4), (1, 5, 8))})
    assert content_digest(one, KEY, CONTEXT) == content_digest(other, KEY, CONTEXT)


BAD = {
    "owners": [{"owners": -1}, {"owners": 2**31 + 1}],
    "keys": [{"keys": np.zeros((1, 15), np.uint8)}, {"keys": np.zeros((2, 16), np.uint8)}, {"keys": u32(range(16))}],
    "ordinals": [{"ordinals": u32([10])}, {"ordinals": np.array([1])}],
    "fact names": [{"facts": {"": intervals()}}, {"facts": {"x" * 512: intervals()}}],
    "facts": [
        {"facts": {"consent": intervals((10, 1, 2))}},
        {"facts": {"consent": replace(intervals((1, 1, 2)), starts=u32([1, 1]))}},
        {"facts": {"consent": replace(intervals((1, 1, 2)), ends=np.array([2]))}},
    ],
    "numbers": [
        {"numbers": np.array(["1"] * 9, "S10")},
        {"numbers": np.array(["1"] * 9 + [""], "S10")},
        {"numbers": np.array([b"1"] * 9 + [b"\xe6"], "S10")},
        {"numbers": np.array(["1"] * 10, "S11")},
    ],
    "address numbers": [{"address_numbers": u32([1])}, {"address_numbers": np.zeros(10, np.int64)}],
    "forwarding addresses": [
        {"forwarding": {10: "a@b.dk"}},
        {"forwarding": {-1: "a@b.dk"}},
        {"forwarding": {1: ""}},
        {"forwarding": {1: "a\0@b.dk"}},
        {"forwarding": {1: "ø" * 128}},
    ],
    "roads": [{"roads": {bytes(15): 1}}, {"roads": {bytes(16): 0}}, {"roads": {bytes(16): 3}}],
}


@pytest.mark.parametrize(("part", "fault"), [(part, fault) for part, faults in BAD.items() for fault in faults])
def test_a_content_that_no_index_could_hold_is_refused(part, fault):
    content = replace(make_content([(bytes(16), 1)]), **fault)
    for refuse in (check_content, MemoryIndex, lambda content: content_digest(content, KEY, CONTEXT)):
        with pytest.raises(SnapshotError, match=f"these {part};"):
            refuse(content)
