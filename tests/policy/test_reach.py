"""Who may be reached which way, over every combination of the facts that could matter."""

from itertools import product

import pytest

from resolver_grpc.model import Fact, Kind, SenderClass
from resolver_grpc.policy.reach import CONDITIONS, condition, reachable

OTHERS = (Fact.CONTESTED, Fact.EXEMPT, Fact.FORWARDING)
JUDGED = [fact for fact in Fact if fact not in OTHERS]
ADDRESS_KINDS = (Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS)


def may_be_reached(kind, sender_class, held):
    """Domain rules, section 5, as they are written."""
    is_open = Fact.MAILBOX in held and Fact.LOGIN in held
    if sender_class is SenderClass.PRIVATE and Fact.PRIVATE_CLOSED in held:
        is_open = False
    if kind in {Kind.CPR, Kind.CVR}:
        return is_open
    if Fact.PROTECTION in held:
        return False
    if kind is Kind.EMAIL:
        return is_open and Fact.REGISTERED in held and Fact.CLAIM in held
    return is_open and Fact.RESIDENT in held and Fact.CONSENT in held


@pytest.mark.parametrize("sender_class", SenderClass)
@pytest.mark.parametrize("kind", CONDITIONS)
def test_every_combination_of_facts_agrees_with_the_rules(kind, sender_class):
    """One owner for each combination, all judged at once."""
    combinations = [
        {fact for fact, holds in zip(JUDGED, bits, strict=True) if holds}
        for bits in product([False, True], repeat=len(JUDGED))
    ]
    sets = {fact: frozenset(i for i, held in enumerate(combinations) if fact in held) for fact in JUDGED}
    expected = {i for i, held in enumerate(combinations) if may_be_reached(kind, sender_class, held)}
    assert reachable(condition(kind, sender_class), sets) == expected
    assert 0 < len(expected) < len(combinations)


@pytest.mark.parametrize("kind", CONDITIONS)
def test_what_is_judged_later_keeps_nobody_from_being_a_candidate(kind):
    for sender_class in SenderClass:
        found = condition(kind, sender_class)
        assert not {*found.all_of, *found.none_of} & set(OTHERS)


def test_every_kind_that_leads_to_candidates_has_a_condition():
    assert set(CONDITIONS) == {*ADDRESS_KINDS, Kind.EMAIL, Kind.CPR, Kind.CVR}
