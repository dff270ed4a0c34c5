from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_contents import all_pairs, contents, held_pairs, intervals, make_content, sample_content, u32

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.content import check_content, content_digest
from resolver_grpc.index.intervals import timeline_of
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.pairs import HeldPairs

KEY, CONTEXT = b"secret of the digest", b"key id 1, canonical 1"


def shuffled(content, seed):
    keys, ordinals = all_pairs(content.pairs)
    order = np.random.default_rng(seed).permutation(len(ordinals))
    doubled = np.concatenate([order, order[: len(order) // 2]])
    return replace(
        content,
        pairs=HeldPairs(keys[doubled], ordinals[doubled]),
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
SAMPLE_KEYS, SAMPLE_ORDINALS = all_pairs(SAMPLE.pairs)
CHANGES = {
    "one owner more": {
        "owners": 51,
        "numbers": np.append(SAMPLE.numbers, np.array([b"1"], "S10")),
        "address_numbers": np.append(SAMPLE.address_numbers, u32([0])),
    },
    "a key": {"pairs": HeldPairs(SAMPLE_KEYS ^ np.uint8(1), SAMPLE_ORDINALS)},
    "a key's leading byte": {"pairs": HeldPairs(SAMPLE_KEYS ^ np.uint8([128] + [0] * 15), SAMPLE_ORDINALS)},
    "an ordinal": {"pairs": HeldPairs(SAMPLE_KEYS, np.append((SAMPLE_ORDINALS[0] + 1) % 50, SAMPLE_ORDINALS[1:]))},
    "a pair less": {"pairs": HeldPairs(SAMPLE_KEYS[1:], SAMPLE_ORDINALS[1:])},
    "no pairs": {"pairs": held_pairs([])},
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


def test_a_timeline_says_what_its_intervals_said():
    facts = {"consent": intervals((1, 5, 9), (2, 0, 7)), "claim": intervals()}
    made = make_content(facts={name: timeline_of(stated) for name, stated in facts.items()})
    assert content_digest(made, KEY, CONTEXT) == content_digest(make_content(facts=facts), KEY, CONTEXT)


def test_a_timeline_is_made_once():
    content = sample_content(50)
    made = content.timelines()
    assert list(made) == sorted(content.facts)
    assert all(content.timelines()[name] is timeline for name, timeline in made.items())


BAD = {
    "owners": [{"owners": -1}, {"owners": 2**31 + 1}],
    "ordinals": [{"pairs": held_pairs([(bytes(16), 10)])}],
    "fact names": [{"facts": {"": intervals()}}, {"facts": {"x" * 512: intervals()}}],
    "facts": [
        {"facts": {"consent": intervals((10, 1, 2))}},
        {"facts": {"consent": replace(intervals((1, 1, 2)), starts=u32([1, 1]))}},
        {"facts": {"consent": replace(intervals((1, 1, 2)), ends=np.array([2]))}},
        {"facts": {"consent": timeline_of(intervals((10, 1, 2)))}},
        {"facts": {"consent": timeline_of(intervals((10, 0, 2**32 - 1)))}},
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
