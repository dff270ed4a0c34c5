"""Cases in which resolver and brute force once disagreed, each decided from the domain rules; both must say so now."""

from datetime import date

import pytest

from resolver_grpc.build.population.brute_force import World, decide
from resolver_grpc.build.population.dates import last_second_of_login
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.model import Kind, QueryRow, Sender, SenderClass
from resolver_grpc.times import five_years_after, parse_time
from test_differential import resolver_of, without_handles

ANN, BO, OLD_ANN = "0101801239", "0202812345", "0303823456"
DAY = date(2026, 11, 1)
PRIVATE = Sender("s", "S", "13585628", SenderClass.PRIVATE, mandatory=True, kinds=frozenset(Kind))
LINE = "Vestergade 12, 8000 Aarhus C"
CLAIM = {"email_address": "ann@post.dk", "email_verified": "2024-01-01", "email_claimed": "2024-01-01"}
DROPPED = CLAIM | {"email_dropped": "2025-01-01"}
ROADLESS = {"municipality_code": "", "road_code": ""}


def person(number=ANN, full_name="Ann Bo", **cells):
    home = {"municipality_code": "0751", "road_code": "1234", "street_name": "Vestergade", "postal_code": "8000"}
    return home | {"number": number, "status": "01", "full_name": full_name, "house_number": "12"} | cells


def mailbox(number=ANN, **cells):
    return {"number": number, "opened": "2025-01-01", "address_consent_given": "2025-01-01"} | cells


def road(code="1234", **cells):
    return {"municipality_code": "0751", "road_code": code, "name": "Vestergade", "postal_code": "8000"} | cells


def relation(**cells):
    return {"number": ANN, "sender_id": "s", "relation": "BOUND", "effective_time": "2025-01-01"} | cells


def by_name(line=LINE, full_name="Ann Bo"):
    return QueryRow(kind=Kind.FULL_NAME, full_name=full_name, address_line=line)


def at_address(line=LINE):
    return QueryRow(kind=Kind.ADDRESS, address_line=line)


def by_fields(**cells):
    home = {"street_name": "Vestergade", "house_number": "12", "postal_code": "8000"}
    return QueryRow(kind=Kind.ADDRESS, **home | cells)


def by_email(address="ann@post.dk"):
    return QueryRow(kind=Kind.EMAIL, email_address=address)


def by_cpr(number=ANN):
    return QueryRow(kind=Kind.CPR, number=number)


def told(query, instant="2026-11-01T12:00:00Z", **tables):
    """What both say of a query: the reason, and who is reached or which field is bad."""
    tables = {"persons": [person()], "mailboxes": [mailbox()], "relations": [], "roads": []} | tables
    schemas = {"persons": PERSONS, "mailboxes": MAILBOXES, "relations": RELATIONS, "roads": ROADS}
    rows = [[dict.fromkeys(schema.column_names, "") | row for row in tables[name]] for name, schema in schemas.items()]
    world, at = World(*rows, DAY), parse_time(instant)
    [decision] = resolver_of(world).resolve([query], PRIVATE, at)
    assert without_handles(decision) == decide(query, PRIVATE, world, at, personal_content=False)
    return decision.reason.name, [target.number for target in decision.targets] or decision.field


@pytest.mark.parametrize(
    ("query", "tables", "expected"),
    [
        pytest.param(
            at_address(),
            {"persons": [person(), person(BO, **ROADLESS)], "mailboxes": [mailbox(), mailbox(BO)]},
            ("AMBIGUOUS_ADDRESS", ""),
            id="a resident whose road is not known may live on another",
        ),
        pytest.param(
            at_address(),
            {
                "persons": [
                    person(**ROADLESS, supplementary_town="Skov"),
                    person(BO, **ROADLESS, supplementary_town="Mark"),
                ],
                "mailboxes": [mailbox(), mailbox(BO)],
            },
            ("AMBIGUOUS_ADDRESS", ""),
            id="two residents without a road, in two towns",
        ),
        pytest.param(
            at_address(),
            {
                "persons": [person(**ROADLESS), person(BO, **ROADLESS, short_street_name="Vesterg")],
                "mailboxes": [mailbox(), mailbox(BO)],
            },
            ("AMBIGUOUS_ADDRESS", ""),
            id="two residents without a road, of one spelling and of two",
        ),
        pytest.param(
            at_address(),
            {"persons": [person(**ROADLESS), person(BO, **ROADLESS)], "mailboxes": [mailbox(), mailbox(BO)]},
            ("DELIVERABLE", [ANN, BO]),
            id="two residents without a road, alike in all else",
        ),
        pytest.param(
            at_address(),
            {"roads": [road("5678", name="---", short_name="Vestergade")]},
            ("AMBIGUOUS_ADDRESS", ""),
            id="a rejected road's readable name is shared",
        ),
        pytest.param(
            at_address("Vestergade 12, Skov, 8000"),
            {
                "persons": [person(supplementary_town="Skov")],
                "roads": [road("5678"), road("5678", name="---", supplementary_town="Skov")],
            },
            ("AMBIGUOUS_ADDRESS", ""),
            id="a town that a rejected row gives another road does not tell",
        ),
        pytest.param(
            at_address(),
            {"persons": [person(), person(BO, road_code="5678", short_street_name="---")]},
            ("AMBIGUOUS_ADDRESS", ""),
            id="a rejected person's readable street is shared",
        ),
        pytest.param(
            at_address(),
            {
                "persons": [
                    person(),
                    person(BO, road_code="5678", postal_code="8200"),
                    person(OLD_ANN, road_code="5678", street_name="Nygade"),
                ]
            },
            ("AMBIGUOUS_ADDRESS", ""),
            id="a road has its names in all its postal codes",
        ),
        pytest.param(
            by_fields(supplementary_town="HØJE-BY"),
            {"persons": [person(supplementary_town="Høje By")], "roads": [road("5678")]},
            ("DELIVERABLE", [ANN]),
            id="a town is folded as a street is",
        ),
        pytest.param(
            by_fields(supplementary_town="---"),
            {"persons": [person(supplementary_town="---")], "roads": [road("5678")]},
            ("AMBIGUOUS_ADDRESS", ""),
            id="a town that folds to nothing is none",
        ),
        pytest.param(
            by_email(),
            {"mailboxes": [mailbox(**CLAIM), mailbox(BO, **DROPPED), mailbox(BO, closed="?")]},
            ("AMBIGUOUS_RECIPIENT", ""),
            id="a row rejected for its unreadable double contests for always",
        ),
        pytest.param(
            by_email(),
            {
                "persons": [person(), person(BO, old_numbers=OLD_ANN)],
                "mailboxes": [mailbox(**CLAIM), mailbox(BO, **DROPPED), mailbox(OLD_ANN, closed="?")],
            },
            ("AMBIGUOUS_RECIPIENT", ""),
            id="so does one whose double stands under an old number",
        ),
        pytest.param(
            by_email(),
            {"mailboxes": [mailbox(**CLAIM), mailbox(BO, **DROPPED)]},
            ("DELIVERABLE", [ANN]),
            id="a dropped claim contests nothing",
        ),
        pytest.param(
            by_cpr(),
            {"mailboxes": [mailbox("010180-1239")]},
            ("DELIVERABLE", [ANN]),
            id="a number in a table may have a dash",
        ),
        pytest.param(
            by_cpr(),
            {"persons": [person(street_name="---")]},
            ("NOT_FOUND", ""),
            id="a street that can't be read rejects its row",
        ),
        pytest.param(
            by_cpr(),
            {"persons": [person(old_numbers=f"{OLD_ANN};")]},
            ("NOT_FOUND", ""),
            id="a blank among old numbers rejects its row",
        ),
        pytest.param(
            by_cpr(),
            {"relations": [relation(sender_id="x" * 65)]},
            ("NOT_FOUND", ""),
            id="a sender id that is too long rejects its row",
        ),
        pytest.param(
            by_name(),
            {"persons": [person(protections="2026-10-01 / 2026-10-02")]},
            ("DELIVERABLE", [ANN]),
            id="blanks in a protection that can be read",
        ),
        pytest.param(
            by_fields(door="1."),
            {"persons": [person(door="1")]},
            ("INVALID_DOOR", "door"),
            id="a door has no full stop",
        ),
        pytest.param(
            at_address("Vestergade 12, 100., 8000"),
            {"persons": [person(door="100")]},
            ("INVALID_ADDRESS", "address_line"),
            id="a number with a dot is a floor or nothing",
        ),
        pytest.param(
            at_address("Vestergade 12, 3 sal..tv, 8000"),
            {"persons": [person(floor="3", door="tv")]},
            ("INVALID_ADDRESS", "address_line"),
            id="a full stop that ends no word",
        ),
        pytest.param(
            by_fields(door="-venstre"),
            {"persons": [person(door="tv")]},
            ("INVALID_DOOR", "door"),
            id="a dash before a word for a side",
        ),
        pytest.param(
            QueryRow(kind=Kind.ADDRESS, kvhx="075112340012_______"),
            {},
            ("INVALID_KVHX", "kvhx"),
            id="a house number padded with zeros where `_` pads",
        ),
        pytest.param(by_fields(floor=" " * 257), {}, ("INVALID_FLOOR", "floor"), id="too many blanks are no blank"),
        pytest.param(
            by_fields(street_name="\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 15),
            {},
            ("INVALID_STREET", "street_name"),
            id="a text that is too long once taken apart",
        ),
    ],
)
def test_what_was_decided_stays_so(query, tables, expected):
    assert told(query, **tables) == expected


@pytest.mark.parametrize("login", ["2015-10-25T00:30:00Z", "2015-10-25T01:30:00Z"])
def test_a_login_in_an_hour_that_came_twice_counts_until_the_first_of_them(login):
    """Both days had 02:30 twice; the reading that reaches fewer."""
    last = parse_time("2020-10-25T00:30:00Z")
    assert five_years_after(parse_time(login)) == last_second_of_login(parse_time(login)) == last


def test_a_login_before_the_calendar_of_instants_is_long_over():
    assert told(by_cpr(), mailboxes=[mailbox(last_login="0001-01-01")])[0] == "NOT_FOUND"
