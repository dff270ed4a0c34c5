"""Flags of owners and relations against the sets that they are made of, carried from instant to instant."""

import numpy as np
import pytest
from fast_nursery import SENDERS, dice_of, facts_of, intervals_of, sender
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.fastpath.standing import BY_ADDRESS, BY_EMAIL, CONTESTED, OPEN, Standing
from resolver_grpc.index.content import Content
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.model import Fact, Kind, Relation, SenderClass
from resolver_grpc.policy import compiled
from resolver_grpc.policy.reach import condition, reachable

INSTANTS = [0, *range(995, 1_015), 2**32 - 2]
REACHED_BY = {
    BY_ADDRESS: (Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS),
    BY_EMAIL: (Kind.EMAIL,),
    OPEN: (Kind.CPR, Kind.CVR),
}
OWN_FACTS = {compiled.EXEMPT: Fact.EXEMPT, compiled.FORWARDING: Fact.FORWARDING, CONTESTED: Fact.CONTESTED}
RELATIONS = {
    compiled.OPTED_OUT: Relation.OPTED_OUT,
    compiled.BOUND: Relation.BOUND,
    compiled.SUBSCRIBED: Relation.SUBSCRIBED,
}
MANY = [sender(f"sender {number}") for number in range(70)]


def index_of(dice, owners, sender_ids=("s", "town")):
    facts = {name: fact for name, fact in facts_of(dice, owners, sender_ids).items() if dice.random() < 0.9}
    facts |= {Relation.BOUND.to(one.id): intervals_of(dice, owners, 0.4) for one in MANY}
    return MemoryIndex(
        Content(
            owners=owners,
            pairs=HeldPairs(np.zeros((1, 16), np.uint8), np.zeros(1, np.uint32)),
            facts=facts,
            numbers=np.array(["0"] * owners, "S10"),
            address_numbers=np.zeros(owners, np.uint32),
        )
    )


def owner_flags(facts, owners, sender_class):
    """The flags of each owner, asked one by one."""
    sets = {flag: facts[fact] for flag, fact in OWN_FACTS.items()}
    for flag, kinds in REACHED_BY.items():
        reached = [reachable(condition(kind, sender_class), facts) for kind in kinds]
        assert len(set(map(tuple, reached))) == 1
        sets[flag] = reached[0]
    return [sum(flag for flag, held in sets.items() if ordinal in held) for ordinal in range(owners)]


def relation_flags(facts, owners, sender_id):
    """The flags of relations as the policy's code has them, asked one by one."""
    sets = {flag: facts[relation.to(sender_id)] for flag, relation in RELATIONS.items()}
    return [sum(flag for flag, held in sets.items() if ordinal in held) for ordinal in range(owners)]


def unpacked(flags, owners):
    return [(int(flags[ordinal // 2]) >> 4 * (ordinal % 2) & 0xF) << 1 for ordinal in range(owners)]


@given(
    st.integers(0, 99),
    st.sampled_from([1, 2, 7, 8, 33]),
    st.lists(
        st.tuples(st.sampled_from(INSTANTS), st.sampled_from([*SENDERS.values(), *MANY[:3]])), min_size=1, max_size=25
    ),
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_flags_are_the_sets_whatever_was_asked_before(seed, owners, asked):
    """Instants go back and forth; what was handed out earlier stays what it was."""
    index, standing = index_of(dice_of(seed), owners), Standing(owners)
    handed_out = []
    for instant, one in asked:
        facts = index.facts_at(instant)
        of_owners, of_relations = standing.owner_flags(facts, one.sender_class), standing.relation_flags(facts, one)
        assert of_owners.tolist() == owner_flags(facts, owners, one.sender_class)
        assert unpacked(of_relations, owners) == relation_flags(facts, owners, one.id)
        assert of_relations.shape == ((owners + 1) // 2,)
        handed_out += [(flags, flags.copy()) for flags in (of_owners, of_relations)]
    for flags, copy in handed_out:
        np.testing.assert_array_equal(flags, copy)


@pytest.mark.parametrize("owners", [32, 33])
def test_more_senders_than_are_remembered_keep_their_own_relations(owners):
    dice = dice_of(owners)
    index, standing = index_of(dice, owners), Standing(owners)
    handed_out = []
    for instant in (1_000, 1_008, 1_003):
        facts = index.facts_at(instant)
        for one in [*MANY, *reversed(MANY), *dice.choices(MANY, k=40)]:
            flags = standing.relation_flags(facts, one)
            assert unpacked(flags, owners) == relation_flags(facts, owners, one.id)
            handed_out.append((flags, flags.copy()))
    assert len(standing._of_relations) < len(MANY)
    for flags, copy in handed_out:
        np.testing.assert_array_equal(flags, copy)


@pytest.mark.parametrize("owners", [9, 10])
def test_every_instant_forwards_and_backwards(owners):
    for seed in range(6):
        index, standing = index_of(dice_of(seed), owners), Standing(owners)
        for instant in [*INSTANTS, *reversed(INSTANTS)]:
            facts = index.facts_at(instant)
            for sender_class in SenderClass:
                flags = standing.owner_flags(facts, sender_class)
                assert flags.tolist() == owner_flags(facts, owners, sender_class)
            assert unpacked(standing.relation_flags(facts, SENDERS["s"]), owners) == relation_flags(facts, owners, "s")


def test_flags_that_stay_as_they_were_are_not_copied():
    index, standing = index_of(dice_of(1), 9), Standing(9)
    facts = index.facts_at(5)
    assert standing.owner_flags(facts, SenderClass.PUBLIC) is standing.owner_flags(facts, SenderClass.PUBLIC)
    assert standing.relation_flags(facts, MANY[0]) is standing.relation_flags(facts, MANY[0])


def test_what_is_asked_for_again_is_not_worked_out_anew():
    """Each slice of a batch asks, and to compare the sets of millions takes milliseconds."""
    facts = index_of(dice_of(3), 64).facts_at(1_000)
    standing, asking = Standing(64), SENDERS["s"]
    owners, relations = standing.owner_flags(facts, asking.sender_class), standing.relation_flags(facts, asking)
    object.__setattr__(facts, "_sets", None)
    assert standing.owner_flags(facts, asking.sender_class) is owners
    assert standing.relation_flags(facts, asking) is relations
