"""Looking source rows up in an index: one planted fault after another, each found and told without saying whose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from resolver_grpc.build.plain import draft_snapshot
from resolver_grpc.build.sampling import Sample
from resolver_grpc.build.verify_rows import verify_rows
from resolver_grpc.canonical.kvhx import parse_kvhx
from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.keys import KeyKind, MasterKey
from resolver_grpc.model import Fact
from resolver_grpc.snapshot.store import Snapshot
from small_register import (
    ANN,
    BO,
    EVA,
    FIRM,
    IDA,
    KVHX,
    MAILBOX_ROWS,
    NOON,
    OLD_IDA,
    PERSONS_ROWS,
    mailbox,
    person,
    quiet,
    write_tables,
)

KEY = MasterKey(b"v" * 32)
BAD = "0909889012"
EVERYONE = Sample(100, 0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    rows = {
        "persons": [*PERSONS_ROWS, person(BAD, "Ulf Uldum", house_number="12-14")],
        "mailboxes": [*MAILBOX_ROWS, mailbox(BAD)],
    }
    return write_tables(tmp_path_factory.mktemp("tables"), **rows)


@pytest.fixture(scope="module")
def draft(inputs):
    return draft_snapshot(inputs, KEY, NOON, quiet)


def ordinal_of(content, number):
    return int(np.flatnonzero(content.numbers == number.encode())[0])


def key_of(kind, text):
    return KEY.index_keys.key(kind, text)


def with_pairs(content, change):
    pairs = {
        (key.tobytes(), int(one))
        for keys, ordinals in content.pairs.partitions()
        for key, one in zip(keys, ordinals, strict=True)
    }
    change(pairs)
    keys, ordinals = zip(*sorted(pairs), strict=True)
    held = HeldPairs(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16), np.array(ordinals, np.uint32))
    return replace(content, pairs=held)


def another_key(content):
    lost = key_of(KeyKind.EMAIL, "ann@post.dk"), ordinal_of(content, ANN)

    def change(pairs):
        pairs.remove(lost)
        pairs.add((key_of(KeyKind.EMAIL, "ann@post.de"), lost[1]))

    return with_pairs(content, change)


def stranger(key, number):
    def plant(content):
        return with_pairs(content, lambda pairs: pairs.add((key, ordinal_of(content, number))))

    return plant


def instead(key, number, other):
    def plant(content):
        def change(pairs):
            pairs.remove((key, ordinal_of(content, number)))
            pairs.add((key, ordinal_of(content, other)))

        return with_pairs(content, change)

    return plant


def lost_fact(content):
    facts = dict(content.facts)
    held = facts[Fact.EXEMPT]
    facts[Fact.EXEMPT] = Intervals(held.ordinals[:0], held.starts[:0], held.ends[:0])
    return replace(content, facts=facts)


def shifted_fact(content):
    """A mailbox that is closed an hour before the horizon ends."""
    facts = dict(content.facts)
    held = facts[Fact.MAILBOX]
    ends = held.ends.copy()
    ends[0] = NOON + 7 * 86_400 - 14 * 3_600
    facts[Fact.MAILBOX] = Intervals(held.ordinals, held.starts, ends)
    return replace(content, facts=facts)


def other_number(content):
    numbers = content.numbers.copy()
    numbers[ordinal_of(content, ANN)] = EVA.encode()
    return replace(content, numbers=numbers)


def other_forwarding(content):
    return replace(content, forwarding={ordinal_of(content, FIRM): "post@farm.dk"})


def moved_together(content):
    addresses = content.address_numbers.copy()
    addresses[ordinal_of(content, BO)] = addresses[ordinal_of(content, IDA)]
    return replace(content, address_numbers=addresses)


def homeless(content):
    addresses = content.address_numbers.copy()
    addresses[ordinal_of(content, IDA)] = 0
    return replace(content, address_numbers=addresses)


KVHX_KEY = KEY.index_keys.place(parse_kvhx(KVHX))
ANN_AT_HOME = KEY.index_keys.place(parse_kvhx(KVHX), "ann", "bo")
ANNS_EMAIL = key_of(KeyKind.EMAIL, "ann@post.dk")
FAULTS = {
    "another key": (another_key, "is not found under a key"),
    "a stranger with the number": (stranger(key_of(KeyKind.CPR, ANN), BO), "is not found under the number"),
    "a stranger instead": (instead(key_of(KeyKind.CPR, ANN), ANN, BO), "another number or forwarding address"),
    "a stranger with an old number": (stranger(key_of(KeyKind.CPR, OLD_IDA), BO), "number"),
    "a stranger at home": (stranger(KVHX_KEY, IDA), "together with somebody who lives elsewhere"),
    "a stranger under the name": (stranger(ANN_AT_HOME, IDA), "together with somebody who lives elsewhere"),
    "a stranger with the e-mail": (stranger(ANNS_EMAIL, BO), "with others than those who claim it"),
    "somebody whose row was rejected": (stranger(key_of(KeyKind.CPR, BAD), BO), "although the tables know none"),
    "a lost fact": (lost_fact, "has other facts"),
    "a shifted fact": (shifted_fact, "has other facts"),
    "another's number": (other_number, "another number or forwarding address"),
    "another forwarding address": (other_forwarding, "another number or forwarding address"),
    "a moved neighbour": (moved_together, "together with somebody who lives elsewhere"),
    "no address": (homeless, "without an address, or none with one"),
}


def verify(inputs, draft, content, sample=EVERYONE):
    return verify_rows(inputs, Snapshot(draft.manifest, MemoryIndex(content)), KEY.index_keys, sample, quiet)


def test_an_index_without_a_fault_is_found_whole(inputs, draft):
    assert [check.amount for check in verify(inputs, draft, draft.content)] == [4, 8, 1]


@pytest.mark.parametrize(("plant", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found(inputs, draft, plant, fault):
    with pytest.raises(SnapshotError, match=fault) as raised:
        verify(inputs, draft, plant(draft.content))
    assert not [word for word in (ANN, BO, IDA, OLD_IDA, FIRM, BAD, "Ann", "post", "0751") if word in str(raised.value)]


def test_a_fault_outside_the_sample_is_not_looked_for(inputs, draft):
    """So small a sample may miss one, and another seed find it."""
    content = other_forwarding(draft.content)
    outcomes = set()
    for seed in range(20):
        try:
            verify(inputs, draft, content, Sample(1, seed))
        except SnapshotError:
            outcomes.add("found")
        else:
            outcomes.add("missed")
    assert outcomes == {"found", "missed"}


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("persons", {"rows": 8}),
        ("relations", {"rows": 1}),
        ("persons", {"rejected": 0}),
        ("mailboxes", {"rejected": 0}),
    ],
)
def test_a_manifest_that_counts_other_rows_is_found(inputs, draft, table, changes):
    """Fewer rejected rows than the sample alone meets can't be."""
    sources = tuple(replace(one, **changes) if one.table == table else one for one in draft.manifest.sources)
    stated = replace(draft, manifest=replace(draft.manifest, sources=sources))
    with pytest.raises(SnapshotError, match=f"rows of {table} and .* rejected, the table has"):
        verify(inputs, stated, draft.content)


def test_relations_are_among_the_facts(inputs, draft):
    facts = {name: held for name, held in draft.content.facts.items() if not name.startswith("opted_out/")}
    assert len(facts) < len(draft.content.facts)
    with pytest.raises(SnapshotError, match="has other facts"):
        verify(inputs, draft, replace(draft.content, facts=facts))
