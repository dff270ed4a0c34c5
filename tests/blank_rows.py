"""Rows with every column of their table, as the tables are read: what a test doesn't say is blank."""

from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.sources import Sources
from resolver_grpc.times import parse_time

ANN, BO, IDA, KIM, LIS = "0101801239", "0202812345", "0606856789", "0808878901", "0909889012"
FIRM = "13585628"


def blank(table, **cells):
    assert cells.keys() <= set(table.column_names)
    return dict.fromkeys(table.column_names, "") | cells


def person(number=ANN, **cells):
    return blank(PERSONS, **({"number": number, "status": "01"} | cells))


def mailbox(number=ANN, **cells):
    return blank(MAILBOXES, **({"number": number, "opened": "2020-01-01"} | cells))


def relation(number=ANN, **cells):
    usual = {"sender_id": "power", "relation": "SUBSCRIBED", "effective_time": "2026-01-01"}
    return blank(RELATIONS, **({"number": number} | usual | cells))


def road(municipality_code, road_code, name, postal_code="8000", **cells):
    codes = {"municipality_code": municipality_code, "road_code": road_code}
    return blank(ROADS, name=name, postal_code=postal_code, **codes, **cells)


def sources_of(persons=(), mailboxes=(), relations=(), roads=()):
    """Takes the rows of all tables, numbered from 1."""
    sources = Sources()
    for take, rows in (
        (sources.add_person, persons),
        (sources.add_mailbox, mailboxes),
        (sources.add_relation, relations),
        (sources.add_road, roads),
    ):
        for row_number, row in enumerate(rows, start=1):
            take(row_number, row)
    return sources


def at(text):
    """The instant that a day or a time means."""
    return parse_time(text)
