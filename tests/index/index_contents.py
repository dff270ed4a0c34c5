"""Contents to test indexes with: small ones from plain lists, random ones from hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.layout import ALWAYS, FOREVER, STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.pairs import HeldPairs

COLUMNS_KEY = bytes(range(32))
SNAPSHOT_ID = bytes(range(100, 116))


def u32(values):
    return np.array(list(values), np.uint32)


def intervals(*rows):
    """Makes intervals of rows (ordinal, start, end)."""
    return Intervals(*(u32(row[i] for row in rows) for i in range(3)))


def keys_of(keys):
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)


def held_pairs(pairs):
    """Makes pairs in memory of (key, ordinal)."""
    pairs = list(pairs)
    return HeldPairs(keys_of(key for key, _ in pairs), u32(ordinal for _, ordinal in pairs))


def all_pairs(pairs):
    """Gives pairs as two arrays, sorted."""
    parts = list(pairs.partitions())
    keys = np.concatenate([np.empty((0, 16), np.uint8), *(keys for keys, _ in parts)])
    return keys, np.concatenate([u32([]), *(ordinals for _, ordinals in parts)])


def listed(pairs):
    """Gives pairs as a list of (key, ordinal), sorted."""
    keys, ordinals = all_pairs(pairs)
    return list(zip((key.tobytes() for key in keys), ordinals.tolist(), strict=True))


def make_content(pairs=(), owners=10, **parts):
    """Makes a content of pairs (key, ordinal), or of what holds pairs; what is not given is small and plain."""
    filled = {
        "pairs": pairs if hasattr(pairs, "partitions") else held_pairs(pairs),
        "numbers": np.array([f"{ordinal:010d}" for ordinal in range(owners)], "S10"),
        "address_numbers": u32(ordinal // 2 for ordinal in range(owners)),
    }
    return Content(owners=owners, **(filled | parts))


def sample_content(owners=2_000):
    """Makes a content that has something of everything: several buckets, short and long posting lists."""
    random = np.random.default_rng(7)
    keys = random.integers(0, 256, (owners * 2, 16), dtype=np.uint8)
    shared, crowded = keys[0], keys[1]
    residents = u32(range(0, 3 * min(300, owners // 3), 3))
    pairs = HeldPairs(
        np.concatenate([keys, np.tile(shared, (2, 1)), np.tile(crowded, (len(residents), 1))]),
        np.concatenate([np.tile(np.arange(owners, dtype=np.uint32), 2), u32((3, 5)), residents]),
    )
    return make_content(
        pairs,
        owners,
        facts={
            "consent": intervals(*((ordinal, ALWAYS, FOREVER) for ordinal in range(owners))),
            "protection": intervals((0, ALWAYS, 500), (0, 700, 900), (9, 800, FOREVER)),
            "subscribed/nordkraft": intervals((3, 1_000, FOREVER)),
        },
        forwarding={2: "post@advokaterne.dk", 7: "blåbærgrød@post.dk"},
        roads={bytes(16): STREET_SHARED, bytes(range(16)): TOWN_TELLS},
    )


# Few heads and few tails, so that keys collide in their first half and in whole.
KEYS = st.builds(
    lambda head, tail: head + tail,
    st.sampled_from([bytes(8), b"\0" * 7 + b"\1", b"\x80" * 8, b"\xff" * 8]) | st.binary(min_size=8, max_size=8),
    st.sampled_from([bytes(8), b"\0" * 7 + b"\2", b"\xff" * 8]) | st.binary(min_size=8, max_size=8),
)
TIMES = st.sampled_from([ALWAYS, FOREVER, FOREVER - 1]) | st.integers(1, 12)
_FACT_NAMES = st.sampled_from(["mailbox", "login", "subscribed/nordkraft", "opted_out/sømærket"])
_ADDRESSES = st.sampled_from(["post@advokaterne.dk", "ø@bådene.dk", "a@b.dk"])


def interval_rows(owners):
    return st.lists(st.tuples(st.integers(0, owners - 1), TIMES, TIMES), max_size=12)


@st.composite
def contents(draw):
    owners = draw(st.integers(1, 9))
    ordinals = st.integers(0, owners - 1)
    rows = draw(st.dictionaries(_FACT_NAMES, interval_rows(owners), max_size=3))
    return make_content(
        draw(st.lists(st.tuples(KEYS, ordinals), max_size=40)),
        owners,
        facts={name: intervals(*fact) for name, fact in rows.items()},
        forwarding=draw(st.dictionaries(ordinals, _ADDRESSES, max_size=4)),
        roads=draw(st.dictionaries(KEYS, st.sampled_from([STREET_SHARED, TOWN_TELLS]), max_size=4)),
    )
