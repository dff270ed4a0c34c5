"""What intake is told: who has a mailbox comes out only with that person's consent (domain rules, section 8)."""

import itertools

import pytest

from resolver_grpc.model import Kind, Reason, Role, Route, Sender, SenderClass
from resolver_grpc.policy import disclosure
from resolver_grpc.policy.disclosure import MISSES as COUNTED
from resolver_grpc.policy.disclosure import tells_numbers, tells_targets, told
from resolver_grpc.policy.table import Candidates, Facts, decide

KINDS = frozenset(Kind) - {Kind.UNSPECIFIED}
FLAGS = (False, True)
MISSES = {Reason.NOT_FOUND, Reason.HELD_FOR_SENDER}
HIDDEN = {Reason.OPTED_OUT, Reason.NOT_SUBSCRIBED}
SENDERS = [
    Sender("s", "S", "13585628", *traits, kinds=KINDS)
    for traits in itertools.product(SenderClass, FLAGS, FLAGS, FLAGS, (Route.REJECT, Route.LETTER))
]


def every_facts():
    """All facts of queries that can be read, with handles from each kind."""
    ways = [(kind, None) for kind in KINDS] + [(Kind.HANDLE, kind) for kind in KINDS - {Kind.HANDLE}]
    for (kind, came_from), posted, candidates, *owner in itertools.product(ways, FLAGS, Candidates, *[FLAGS] * 5):
        flags = dict(zip(("exempt", "opted_out", "bound", "subscribed", "forwarding"), owner, strict=True))
        facts = Facts(kind, posted, candidates=candidates, came_from=came_from, **flags)
        yield facts
        if Kind.ADDRESS in (kind, came_from):
            yield from (facts._replace(personal_content=True), facts._replace(several_roads=True))


FACTS = list(every_facts())


def as_it_is_written(facts, sender):
    """Section 8 once more: the table's answer, or row 5 or 6, with the one exception."""
    outcome = decide(facts, sender)
    if outcome.reason not in HIDDEN:
        return outcome
    is_fallback = outcome.reason is Reason.OPTED_OUT and sender.hold
    if sender.hold and sender.terms_consent and facts.kind not in {Kind.ADDRESS, Kind.HANDLE} and not is_fallback:
        return Route.HOLD, Reason.HELD_FOR_SENDER
    letter = sender.fallback is Route.LETTER and facts.can_be_posted
    return Route.LETTER if letter else Route.REJECT, Reason.NOT_FOUND


def test_intake_is_told_what_section_8_says():
    met = set()
    for facts, sender in itertools.product(FACTS, SENDERS):
        outcome = told(facts, sender, Role.INTAKE)
        assert outcome == as_it_is_written(facts, sender)
        assert outcome.reason not in HIDDEN
        met.add(outcome.reason)
    assert met == {reason for reason in Reason if reason < Reason.INVALID_KIND} - HIDDEN - {Reason.KIND_NOT_ALLOWED}


def test_delivery_is_told_the_table():
    for facts, sender in itertools.product(FACTS, SENDERS):
        assert told(facts, sender, Role.DELIVERY) == decide(facts, sender)


@pytest.mark.parametrize("sender", [one for one in SENDERS if not one.hold])
def test_without_hold_whoever_isn_t_reached_is_as_one_whom_nobody_knows(sender):
    for facts in FACTS:
        if decide(facts, sender).reason in HIDDEN:
            assert told(facts, sender, Role.INTAKE) == decide(facts._replace(candidates=Candidates.NONE), sender)


def test_the_one_exception_is_the_opt_out_whose_notice_the_sender_has():
    """It lets letters wait for those who may enrol; who opted out has enrolled, and told it so."""
    sender = Sender("s", "S", "13585628", SenderClass.PRIVATE, terms_consent=True, hold=True, kinds=KINDS)
    facts = Facts(Kind.FULL_NAME, candidates=Candidates.ONE, opted_out=True)
    assert told(facts, sender, Role.INTAKE) == (Route.REJECT, Reason.NOT_FOUND)
    missed = told(facts._replace(candidates=Candidates.NONE), sender, Role.INTAKE)
    assert missed == (Route.HOLD, Reason.HELD_FOR_SENDER)


def test_numbers_are_delivery_s_and_an_address_has_no_targets_for_intake():
    assert {role for role in Role if tells_numbers(role)} == {Role.DELIVERY}
    hidden = {(kind, role) for kind in KINDS for role in Role if not tells_targets(kind, role)}
    assert hidden == {(Kind.ADDRESS, role) for role in Role if role is not Role.DELIVERY}


def test_roles_that_resolve_nothing_are_told_no_more_than_intake():
    for facts, role in itertools.product(FACTS[::7], (Role.REGISTRAR, Role.OPERATOR)):
        assert told(facts, SENDERS[0], role) == told(facts, SENDERS[0], Role.INTAKE)


def test_a_miss_is_what_intake_sees_as_one_whoever_is_told():
    """Budgets count the same whichever role asks."""
    for facts, sender in itertools.product(FACTS, SENDERS):
        is_miss = told(facts, sender, Role.INTAKE).reason in MISSES
        assert [told(facts, sender, role).reason in COUNTED for role in Role] == [is_miss] * len(Role)


def test_the_table_is_asked_as_often_whatever_intake_is_told(monkeypatch):
    """So the time tells nothing of whether something was withheld."""
    asked = []

    def watched(facts, sender):
        asked.append(facts)
        return decide(facts, sender)

    monkeypatch.setattr(disclosure, "decide", watched)
    for facts, sender in itertools.product(FACTS[::7], SENDERS[::3]):
        asked.clear()
        told(facts, sender, Role.INTAKE)
        assert len(asked) == 2
