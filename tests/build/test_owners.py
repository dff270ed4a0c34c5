"""Who is an owner, and what a bad row does to them; the rows are real, nothing is built."""

import pytest

from blank_rows import ANN, BO, FIRM, IDA, KIM, LIS, at, mailbox, person, relation, sources_of
from resolver_grpc.build.owners import CONTRADICTED, OWNER_OUT, STATED_TWICE, join_owners
from resolver_grpc.build.sources import TWICE
from resolver_grpc.index.layout import FOREVER
from resolver_grpc.model import Fact

SINCE_2026 = (at("2026-01-01"), FOREVER)
BAD = {"house_number": "12-14"}


def join(**tables):
    sources = sources_of(**tables)
    owners = {owner.number: owner for owner in join_owners(sources)}
    return owners, [(reject.table, reject.row, reject.problem) for reject in sources.rejects.rows]


def claim(number, email_address="shared@post.dk", **cells):
    usual = {"email_verified": "2026-01-01", "email_claimed": "2026-01-01"}
    return mailbox(number, email_address=email_address, **(usual | cells))


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        *[(status, {Fact.RESIDENT, Fact.REGISTERED}) for status in ("01", "03", "05", "07")],
        ("20", {Fact.REGISTERED}),
        *[(status, set()) for status in ("30", "50", "60", "70", "80", "90")],
    ],
)
def test_the_status_tells_who_lives_there_and_who_may_be_reached_by_email(status, facts):
    owners, _ = join(persons=[person(ANN, status=status)], mailboxes=[mailbox(ANN)])
    assert {fact for fact in (Fact.RESIDENT, Fact.REGISTERED) if fact in owners[ANN].facts} == facts


def test_only_mailboxes_make_owners_and_outside_the_register_only_the_number_reaches():
    owners, rejects = join(
        persons=[person(ANN), person(BO)], mailboxes=[mailbox(ANN), claim(KIM), claim(FIRM)], relations=[relation(BO)]
    )
    assert owners.keys() == {ANN, KIM, FIRM}
    assert rejects == []
    for number in (KIM, FIRM):
        assert not {Fact.RESIDENT, Fact.REGISTERED, Fact.PROTECTION} & owners[number].facts.keys()
        assert owners[number].person is None


def test_an_old_number_brings_its_mailbox_and_its_relations_to_the_current_person():
    owners, rejects = join(
        persons=[
            person(KIM, status="60", current_number=IDA, protections="?"),
            person(IDA, old_numbers=LIS, protections="2026-01-01/"),
        ],
        mailboxes=[mailbox(KIM)],
        relations=[relation(LIS), relation(IDA, relation="BOUND")],
    )
    assert rejects == []
    assert owners.keys() == {IDA}
    assert (owners[IDA].old_numbers, owners[IDA].person.number) == ((KIM, LIS), IDA)
    assert owners[IDA].facts[Fact.PROTECTION] == [SINCE_2026]
    assert owners[IDA].facts.keys() >= {"subscribed/power", "bound/power"}


@pytest.mark.parametrize(
    ("tables", "problems"),
    [
        pytest.param(
            {"persons": [person(ANN, **BAD)]},
            [("persons", 1, "house_number can't be read"), ("mailboxes", 1, OWNER_OUT)],
            id="a bad person",
        ),
        pytest.param(
            {"persons": [person(ANN), person(ANN), person(ANN)]},
            [("persons", 2, TWICE), ("persons", 1, TWICE), ("persons", 3, TWICE), ("mailboxes", 1, OWNER_OUT)],
            id="a person three times",
        ),
        pytest.param(
            {"persons": [person(ANN, **BAD), person(ANN)]},
            [("persons", 1, "house_number can't be read"), ("persons", 2, TWICE), ("mailboxes", 1, OWNER_OUT)],
            id="a person twice, one bad",
        ),
        pytest.param(
            {"persons": [person(ANN), person(KIM, old_numbers=ANN)]},
            [("persons", 1, CONTRADICTED), ("persons", 2, CONTRADICTED), ("mailboxes", 1, OWNER_OUT)],
            id="an old number that is still in use",
        ),
        pytest.param(
            {"persons": [person(ANN, current_number=KIM)]},
            [("persons", 1, CONTRADICTED), ("mailboxes", 1, OWNER_OUT)],
            id="a replaced number that is still in use",
        ),
        pytest.param(
            {"persons": [person(ANN), person(KIM, status="60", current_number=ANN, **BAD)]},
            [("persons", 2, "house_number can't be read"), ("persons", 1, OWNER_OUT), ("mailboxes", 1, OWNER_OUT)],
            id="a bad row under an old number",
        ),
        pytest.param(
            {"mailboxes": [mailbox(ANN), mailbox(ANN, closed="?")]},
            [("mailboxes", 2, "closed can't be read"), ("mailboxes", 1, TWICE)],
            id="a bad mailbox beside a good one",
        ),
        pytest.param(
            {"mailboxes": [mailbox(ANN), mailbox(ANN)]},
            [("mailboxes", 1, TWICE), ("mailboxes", 2, TWICE)],
            id="two mailboxes",
        ),
        pytest.param(
            {"persons": [person(ANN, old_numbers=KIM)], "mailboxes": [mailbox(ANN), mailbox(KIM)]},
            [("mailboxes", 1, TWICE), ("mailboxes", 2, TWICE)],
            id="a mailbox under the old and one under the current number",
        ),
        pytest.param(
            {"relations": [relation(ANN, effective_time="soon")]},
            [("relations", 1, "effective_time can't be read"), ("mailboxes", 1, OWNER_OUT)],
            id="a bad relation",
        ),
        pytest.param(
            {"persons": [person(ANN, old_numbers=KIM)], "relations": [relation(KIM, relation="?")]},
            [
                ("relations", 1, "relation is none of SUBSCRIBED, BOUND, OPTED_OUT"),
                ("mailboxes", 1, OWNER_OUT),
            ],
            id="a bad relation of an old number",
        ),
        pytest.param(
            {"relations": [relation(ANN), relation(ANN, effective_time="2026-02-01")]},
            [("relations", 1, STATED_TWICE), ("relations", 2, STATED_TWICE), ("mailboxes", 1, OWNER_OUT)],
            id="a relation twice",
        ),
    ],
)
def test_a_rejected_row_takes_its_owner_out_and_nobody_else(tables, problems):
    tables = {"persons": [person(ANN)], "mailboxes": [mailbox(ANN)], **tables}
    tables["mailboxes"] = [*tables["mailboxes"], mailbox(BO)]
    owners, rejects = join(**tables)
    assert owners.keys() == {BO}
    assert rejects == problems


def test_rows_without_a_readable_number_take_nobody_out():
    owners, rejects = join(persons=[person("1")], mailboxes=[mailbox("?"), mailbox(ANN)], relations=[relation("")])
    assert owners.keys() == {ANN}
    assert [row[:2] for row in rejects] == [("persons", 1), ("mailboxes", 1), ("relations", 1)]


@pytest.mark.parametrize(
    ("tables", "contested"),
    [
        pytest.param({"mailboxes": []}, "...", id="nobody else"),
        pytest.param({"mailboxes": [claim(BO, "bo@post.dk")]}, "...", id="another address"),
        pytest.param({"mailboxes": [claim(BO, "Shared@POST.dk")]}, ".++", id="the same in capitals"),
        pytest.param({"mailboxes": [claim(BO, email_verified="")]}, "...", id="never verified"),
        pytest.param({"mailboxes": [claim(BO, email_dropped="2026-06-01")]}, ".+.", id="dropped"),
        pytest.param({"mailboxes": [claim(BO, closed="2020-01-01")]}, ".++", id="a closed mailbox"),
        pytest.param({"mailboxes": [claim(FIRM)]}, ".++", id="an organisation"),
        pytest.param({"mailboxes": [claim(BO, email_verified="", closed="?")]}, "+++", id="a rejected row, always"),
        pytest.param(
            {"mailboxes": [claim(BO, email_dropped="2026-06-01"), mailbox(BO)]}, "+++", id="a doubled row, always"
        ),
        pytest.param({"persons": [person(BO, **BAD)], "mailboxes": [claim(BO)]}, ".++", id="a rejected person's"),
        pytest.param(
            {
                "persons": [person(BO, current_number=KIM)],
                "mailboxes": [claim(BO, email_dropped="2026-06-01"), mailbox(BO)],
            },
            "+++",
            id="a doubled row under a number that the register contradicts",
        ),
    ],
)
def test_a_claim_is_contested_while_another_owner_claims_the_address(tables, contested):
    """Asked on the day before the claim, the day before it is dropped in some cases, and the day of that."""
    tables["persons"] = [person(ANN), *tables.get("persons", [])]
    tables["mailboxes"] = [claim(ANN), *tables["mailboxes"]]
    owners, _ = join(**tables)
    spans = owners[ANN].facts.get(Fact.CONTESTED, [])
    instants = [at("2025-12-31"), at("2026-05-31"), at("2026-06-01")]
    found = ["+" if any(span.start <= instant < span.end for span in spans) else "." for instant in instants]
    assert "".join(found) == contested


def test_a_rejected_persons_road_still_counts():
    roads = [
        {"municipality_code": "0101", "road_code": code, "street_name": "Nygade", "postal_code": "8000"}
        for code in ("0001", "0002")
    ]
    sources = sources_of(persons=[person(ANN, **roads[0]), person(BO, **roads[1], **BAD)])
    assert sources.roads.shared().streets == {("8000", "nygade")}


def test_rejects_are_counted_by_table_and_problem_a_row_once():
    _, _ = join()
    sources = sources_of(mailboxes=[mailbox("?"), mailbox("!"), mailbox(ANN, closed="?")])
    sources.rejects.add("mailboxes", 3, OWNER_OUT)
    assert sources.rejects.count("mailboxes") == 3
    assert sources.rejects.by_problem() == {
        ("mailboxes", "number can't be read"): 2,
        ("mailboxes", "closed can't be read"): 1,
        ("mailboxes", OWNER_OUT): 1,
    }
