"""The decision table: every row, that it is total, and that the documentation prints it (domain rules, section 7)."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from resolver_grpc.model import Kind, Reason, Route, Sender, SenderClass
from resolver_grpc.policy import table
from resolver_grpc.policy.table import RULES, Candidates, Facts, Outcome, decide, reaches_resident, table_markdown

KINDS = frozenset(Kind) - {Kind.UNSPECIFIED}


def sender(**traits):
    traits = {"sender_class": SenderClass.PRIVATE, "kinds": KINDS} | traits
    if traits["sender_class"] is SenderClass.PUBLIC:
        traits["mandatory"] = True
    return Sender("nordkraft", "Nordkraft", "13585628", **traits)


PRIVATE = sender()
PUBLIC = sender(sender_class=SenderClass.PUBLIC)
POSTING = sender(fallback=Route.LETTER)
ONE = Facts(Kind.FULL_NAME, candidates=Candidates.ONE)
BY_CPR = Facts(Kind.CPR, candidates=Candidates.ONE)


@pytest.mark.parametrize(
    ("row", "facts", "sender", "route", "reason"),
    [
        (1, Facts(Kind.CPR, unreadable=Reason.INVALID_NUMBER), PRIVATE, Route.REJECT, Reason.INVALID_NUMBER),
        (1, ONE._replace(unreadable=Reason.INVALID_DOOR), sender(kinds=frozenset()), Route.REJECT, Reason.INVALID_DOOR),
        (2, ONE, sender(kinds=frozenset({Kind.CPR})), Route.REJECT, Reason.KIND_NOT_ALLOWED),
        (
            3,
            Facts(Kind.ADDRESS, personal_content=True, several_roads=True, candidates=Candidates.ONE),
            POSTING,
            Route.REJECT,
            Reason.PERSONAL_CONTENT,
        ),
        (
            4,
            Facts(Kind.ADDRESS, several_roads=True, candidates=Candidates.ONE),
            POSTING,
            Route.REJECT,
            Reason.AMBIGUOUS_ADDRESS,
        ),
        (4, Facts(Kind.ADDRESS, several_roads=True), POSTING, Route.REJECT, Reason.AMBIGUOUS_ADDRESS),
        (5, Facts(Kind.EMAIL), sender(hold=True, terms_consent=True), Route.HOLD, Reason.HELD_FOR_SENDER),
        (5, Facts(Kind.FULL_NAME, several_roads=True), sender(hold=True, terms_consent=True), Route.HOLD, None),
        (6, Facts(Kind.EMAIL), sender(hold=True), Route.REJECT, Reason.NOT_FOUND),
        (6, Facts(Kind.EMAIL), sender(terms_consent=True), Route.REJECT, Reason.NOT_FOUND),
        (6, Facts(Kind.ADDRESS), sender(hold=True, terms_consent=True), Route.REJECT, Reason.NOT_FOUND),
        (6, Facts(Kind.HANDLE), sender(hold=True, terms_consent=True), Route.REJECT, Reason.NOT_FOUND),
        (6, Facts(Kind.EMAIL), POSTING, Route.LETTER, Reason.NOT_FOUND),
        (6, Facts(Kind.EMAIL, can_be_posted=False), POSTING, Route.REJECT, Reason.NOT_FOUND),
        (
            7,
            ONE._replace(candidates=Candidates.SEVERAL, opted_out=True),
            POSTING,
            Route.REJECT,
            Reason.AMBIGUOUS_RECIPIENT,
        ),
        (8, ONE._replace(exempt=True), PUBLIC, Route.LETTER, Reason.EXEMPT),
        (8, BY_CPR._replace(exempt=True, can_be_posted=False), PUBLIC, Route.LETTER, Reason.EXEMPT),
        (9, ONE._replace(opted_out=True, subscribed=True), PRIVATE, Route.REJECT, Reason.OPTED_OUT),
        (9, ONE._replace(opted_out=True), POSTING, Route.LETTER, Reason.OPTED_OUT),
        (9, BY_CPR._replace(opted_out=True, can_be_posted=False), POSTING, Route.REJECT, Reason.OPTED_OUT),
        (10, BY_CPR, sender(terms_consent=True), Route.MAILBOX, Reason.SUBSCRIBED_BY_TERMS),
        (10, BY_CPR._replace(kind=Kind.CVR), sender(terms_consent=True), Route.MAILBOX, Reason.SUBSCRIBED_BY_TERMS),
        (11, BY_CPR, PRIVATE, Route.REJECT, Reason.NOT_SUBSCRIBED),
        (11, BY_CPR._replace(kind=Kind.CVR), POSTING, Route.LETTER, Reason.NOT_SUBSCRIBED),
        (12, BY_CPR._replace(kind=Kind.CVR, forwarding=True), PUBLIC, Route.FORWARD, Reason.FORWARDED),
        (13, ONE, PRIVATE, Route.MAILBOX, Reason.DELIVERABLE),
        (13, ONE._replace(exempt=True), PRIVATE, Route.MAILBOX, Reason.DELIVERABLE),
        (13, ONE._replace(opted_out=True), PUBLIC, Route.MAILBOX, Reason.DELIVERABLE),
        (13, ONE._replace(opted_out=True), sender(mandatory=True), Route.MAILBOX, Reason.DELIVERABLE),
        (13, ONE._replace(opted_out=True, bound=True), PRIVATE, Route.MAILBOX, Reason.DELIVERABLE),
        (13, BY_CPR._replace(subscribed=True), PRIVATE, Route.MAILBOX, Reason.DELIVERABLE),
        (13, BY_CPR._replace(bound=True), PRIVATE, Route.MAILBOX, Reason.DELIVERABLE),
        (13, BY_CPR, PUBLIC, Route.MAILBOX, Reason.DELIVERABLE),
        (13, BY_CPR._replace(forwarding=True, subscribed=True), PRIVATE, Route.MAILBOX, Reason.DELIVERABLE),
    ],
)
def test_each_row_decides_what_the_rules_say(row, facts, sender, route, reason):
    first = next(rule for rule in RULES if rule.applies(facts, sender))
    assert first.number == row
    assert decide(facts, sender).route is route
    assert reason is None or decide(facts, sender).reason is reason


def every_sender():
    for traits in itertools.product(
        SenderClass, (True, False), (True, False), (True, False), (Route.REJECT, Route.LETTER), (KINDS, frozenset())
    ):
        names = ("sender_class", "mandatory", "terms_consent", "hold", "fallback", "kinds")
        yield sender(**dict(zip(names, traits, strict=True)))


def every_facts():
    flags = (True, False)
    return itertools.starmap(
        Facts,
        itertools.product(
            KINDS, flags, (None, Reason.INVALID_NAME), flags, flags, Candidates, flags, flags, flags, flags, flags
        ),
    )


def by_hand(facts, sender):  # noqa: C901, PLR0911 - that is what it is for
    """The table once more, as a chain of ifs."""
    mandatory = sender.mandatory or facts.bound
    fallback = Route.LETTER if sender.fallback is Route.LETTER and facts.can_be_posted else Route.REJECT
    by_number = facts.kind in {Kind.CPR, Kind.CVR}
    public = sender.sender_class is SenderClass.PUBLIC
    if facts.unreadable:
        return Route.REJECT, facts.unreadable
    if facts.kind not in sender.kinds:
        return Route.REJECT, Reason.KIND_NOT_ALLOWED
    if facts.kind is Kind.ADDRESS and (facts.personal_content or facts.several_roads):
        return Route.REJECT, Reason.PERSONAL_CONTENT if facts.personal_content else Reason.AMBIGUOUS_ADDRESS
    if not facts.candidates:
        if sender.hold and sender.terms_consent and facts.kind not in {Kind.ADDRESS, Kind.HANDLE}:
            return Route.HOLD, Reason.HELD_FOR_SENDER
        return fallback, Reason.NOT_FOUND
    if facts.candidates is Candidates.SEVERAL and facts.kind is not Kind.ADDRESS:
        return Route.REJECT, Reason.AMBIGUOUS_RECIPIENT
    if facts.exempt and public:
        return Route.LETTER, Reason.EXEMPT
    if facts.opted_out and not mandatory:
        return fallback, Reason.OPTED_OUT
    if by_number and not mandatory and not facts.subscribed:
        return (
            (Route.MAILBOX, Reason.SUBSCRIBED_BY_TERMS) if sender.terms_consent else (fallback, Reason.NOT_SUBSCRIBED)
        )
    if facts.forwarding and public:
        return Route.FORWARD, Reason.FORWARDED
    return Route.MAILBOX, Reason.DELIVERABLE


def test_the_table_is_total_and_agrees_with_the_rules_as_a_chain_of_ifs():
    senders = list(every_sender())
    met = set()
    for facts in every_facts():
        for one in senders:
            outcome = decide(facts, one)
            assert outcome == by_hand(facts, one)
            met.add(outcome)
    reasons = {reason for reason in Reason if reason < Reason.INVALID_KIND} | {Reason.INVALID_NAME}
    assert {outcome.reason for outcome in met} == reasons
    assert {outcome.route for outcome in met} == set(Route)
    assert Outcome(Route.LETTER, Reason.EXEMPT) in met


@pytest.mark.parametrize(
    ("facts", "sender", "reached"),
    [
        (Facts(Kind.ADDRESS), PRIVATE, True),
        (Facts(Kind.ADDRESS, exempt=True), PUBLIC, False),
        (Facts(Kind.ADDRESS, exempt=True), PRIVATE, True),
        (Facts(Kind.ADDRESS, opted_out=True), PRIVATE, False),
        (Facts(Kind.ADDRESS, opted_out=True, bound=True), PRIVATE, True),
    ],
)
def test_each_resident_of_an_address_is_judged_by_itself(facts, sender, reached):
    assert reaches_resident(facts, sender) is reached


def test_the_documentation_prints_the_table():
    documentation = Path(__file__).parents[2] / "docs" / "decision-table.md"
    assert table_markdown() in documentation.read_text(encoding="utf-8")


def test_the_rows_are_numbered_in_order():
    assert [rule.number for rule in RULES] == list(range(1, 14))


def test_every_row_is_asked_whichever_decides(monkeypatch):
    """So the time tells nothing of which one did."""
    asked = []

    def watched(rule):
        def applies(facts, sender):
            asked.append(rule.number)
            return rule.applies(facts, sender)

        return replace(rule, applies=applies)

    monkeypatch.setattr(table, "RULES", tuple(map(watched, RULES)))
    for facts in (ONE, BY_CPR, Facts(Kind.EMAIL), Facts(Kind.CPR, unreadable=Reason.INVALID_NUMBER)):
        asked.clear()
        decide(facts, PRIVATE)
        assert asked == [rule.number for rule in RULES]
