"""Small worlds for the brute force: one person, one mailbox, one question, each cell to be overridden."""

from datetime import UTC, date, datetime

from resolver_grpc.build.population.brute_force import World, decide
from resolver_grpc.build.population.dates import COPENHAGEN
from resolver_grpc.model import Kind, QueryRow, Route, Sender, SenderClass

REGISTER_DATE = date(2026, 11, 1)
ANNE, BO, CARL, DORA = "0101801239", "0202751111", "0303703333", "0404604444"
FIRM = "10000009"
EMAIL = "anne@post.example"
ALL_KINDS = frozenset(Kind) - {Kind.UNSPECIFIED}


def copenhagen(*parts):
    """A Danish wall time as UTC seconds."""
    return int(datetime(*parts, tzinfo=COPENHAGEN).timestamp())


def utc(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


NOON = copenhagen(2026, 11, 1, 12)


def sender(sender_class=SenderClass.PRIVATE, **traits):
    return Sender("s", "S", "10000017", sender_class, **{"kinds": ALL_KINDS, **traits})


PRIVATE = sender()
LETTERS = sender(fallback=Route.LETTER)
PUBLIC = sender(SenderClass.PUBLIC, mandatory=True, fallback=Route.LETTER)


def person(number=ANNE, **cells):
    home = {
        "status": "01",
        "full_name": "Anne Marie Hansen",
        "municipality_code": "0751",
        "road_code": "0042",
        "street_name": "Vestergade",
        "house_number": "12",
        "floor": "3",
        "door": "tv",
        "postal_code": "8000",
    }
    return {"number": number, **home, **cells}


def mailbox(number=ANNE, **cells):
    row = {
        "number": number,
        "opened": "2016-05-01",
        "last_login": "2026-10-02T07:14:00Z",
        "address_consent_given": "2020-02-01T10:00:00Z",
    }
    return {**row, **cells}


def claim(number=ANNE, **cells):
    times = {"email_verified": "2021-04-05T12:00:00Z", "email_claimed": "2021-04-05T12:01:00Z"}
    return mailbox(number, **{"email_address": EMAIL, **times, **cells})


def relation(word, number=ANNE, effective="2026-01-01"):
    return {"number": number, "sender_id": "s", "relation": word, "effective_time": effective}


def road(code="0042", **cells):
    return {"municipality_code": "0751", "road_code": code, "name": "Vestergade", "postal_code": "8000", **cells}


def world(persons=None, mailboxes=None, relations=(), roads=()):
    people = [person()] if persons is None else persons
    boxes = [mailbox(row["number"]) for row in people] if mailboxes is None else mailboxes
    return World(people, boxes, list(relations), list(roads), REGISTER_DATE)


AT_HOME = {"street_name": "Vestergade", "house_number": "12", "floor": "3", "door": "tv", "postal_code": "8000"}


def by_name(**fields):
    return QueryRow(kind=Kind.FULL_NAME, **{"full_name": "Anne Hansen", **AT_HOME, **fields})


def by_first_name(**fields):
    return QueryRow(kind=Kind.FIRST_NAME, **{"first_name": "Anne", **AT_HOME, **fields})


def by_address(**fields):
    return QueryRow(kind=Kind.ADDRESS, **{**AT_HOME, **fields})


def by_line(line):
    return QueryRow(kind=Kind.ADDRESS, address_line=line)


def by_kvhx(key):
    return QueryRow(kind=Kind.ADDRESS, kvhx=key)


def by_email(email=EMAIL, **fields):
    return QueryRow(kind=Kind.EMAIL, email_address=email, **fields)


def by_cpr(number=ANNE, **fields):
    return QueryRow(kind=Kind.CPR, number=number, **fields)


def by_cvr(number=FIRM, **fields):
    return QueryRow(kind=Kind.CVR, number=number, **fields)


def outcome(query, where=None, asker=PRIVATE, at=NOON, *, personal=False):
    """Route, reason and the targets' numbers."""
    decision = decide(query, asker, where or world(), at, personal_content=personal)
    return decision.route.name, decision.reason.name, [target.number for target in decision.targets]


def reached(query, where=None, asker=PRIVATE, at=NOON):
    """The numbers of those reached."""
    return outcome(query, where, asker, at)[2]
