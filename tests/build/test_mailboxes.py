import pytest

from blank_rows import ANN, FIRM, at, mailbox, relation
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.model import Fact, Relation
from resolver_grpc.rows.cells import WHENEVER, BadRowError
from resolver_grpc.rows.mailboxes import parse_mailbox, parse_relation

ANNS_EMAIL = {"email_address": "Ann@Post.dk"}
FORWARDS = {"forwarding_address": "Post@Firm.dk"}


def holds(fact, row, instant):
    span = parse_mailbox(row).spans.get(fact)
    return span is not None and span.start <= instant < span.end


@pytest.mark.parametrize(
    ("fact", "cells", "start", "end"),
    [
        (Fact.MAILBOX, {"opened": "2026-01-01"}, "2026-01-01", None),
        (Fact.MAILBOX, {"opened": "2026-01-01", "closed": "2026-02-01"}, "2026-01-01", "2026-02-01"),
        (Fact.MAILBOX, {"opened": "2026-01-01T10:00:00.9Z"}, "2026-01-01T10:00:00Z", None),
        (Fact.PRIVATE_CLOSED, {"private_closed": "2026-06-01"}, "2026-06-01", None),
        (Fact.CONSENT, {"address_consent_given": "2026-01-01"}, "2026-01-01", None),
        (
            Fact.CONSENT,
            {"address_consent_given": "2026-01-01", "address_consent_withdrawn": "2026-03-01"},
            "2026-01-01",
            "2026-03-01",
        ),
        (
            Fact.CONSENT,
            {"address_consent_given": "2026-03-01", "address_consent_withdrawn": "2026-01-01"},
            "2026-03-01",
            None,
        ),
        (
            Fact.CLAIM,
            ANNS_EMAIL | {"email_verified": "2026-02-01", "email_claimed": "2026-01-01", "email_dropped": "2026-03-01"},
            "2026-02-01",
            "2026-03-01",
        ),
        (
            Fact.CLAIM,
            ANNS_EMAIL | {"email_verified": "2026-01-01", "email_claimed": "2026-02-01", "email_dropped": "2026-01-15"},
            "2026-02-01",
            None,
        ),
        (Fact.EXEMPT, {"exempt_from": "2026-01-01", "exempt_to": "2026-01-31"}, "2026-01-01", "2026-02-01"),
        (Fact.EXEMPT, {"exempt_from": "2026-01-01"}, "2026-01-01", None),
        (
            Fact.FORWARDING,
            FORWARDS | {"number": FIRM, "forwarding_from": "2026-01-01", "forwarding_to": "2026-01-01"},
            "2026-01-01",
            "2026-01-02",
        ),
    ],
)
def test_a_fact_holds_from_its_start_until_its_end(fact, cells, start, end):
    span = parse_mailbox(mailbox(**cells)).spans[fact]
    assert span == (at(start), at(end) if end else FOREVER)


@pytest.mark.parametrize(
    ("fact", "cells"),
    [
        (Fact.PRIVATE_CLOSED, {}),
        (Fact.CONSENT, {}),
        (Fact.CONSENT, {"address_consent_withdrawn": "2026-01-01"}),
        (Fact.CONSENT, {"address_consent_given": "2026-01-01", "address_consent_withdrawn": "2026-01-01"}),
        (Fact.CLAIM, {"email_verified": "2026-01-01", "email_claimed": "2026-01-01"}),
        (Fact.CLAIM, ANNS_EMAIL | {"email_claimed": "2026-01-01"}),
        (Fact.CLAIM, ANNS_EMAIL | {"email_verified": "2026-01-01"}),
        (
            Fact.CLAIM,
            ANNS_EMAIL | dict.fromkeys(("email_verified", "email_claimed", "email_dropped"), "2026-01-01"),
        ),
        (
            Fact.CLAIM,
            ANNS_EMAIL | {"email_verified": "2026-03-01", "email_claimed": "2026-01-01", "email_dropped": "2026-02-01"},
        ),
        (Fact.EXEMPT, {}),
        (Fact.FORWARDING, {}),
        (Fact.MAILBOX, {"closed": "2019-12-31"}),
        (Fact.MAILBOX, {"closed": "2020-01-01"}),
    ],
)
def test_a_fact_never_holds(fact, cells):
    instants = [at(day) for day in ("2019-12-31", "2020-01-01", "2026-01-01", "2026-02-01", "2026-03-01", "2099-01-01")]
    assert not any(holds(fact, mailbox(**cells), instant) for instant in instants)


@pytest.mark.parametrize(
    ("cells", "last_second"),
    [
        ({"last_login": "2021-11-05T10:00:00Z"}, "2026-11-05T10:00:00Z"),
        ({"opened": "2021-11-05"}, "2026-11-05"),
        ({"opened": "2021-11-05", "last_login": "2020-11-05"}, "2025-11-05"),
        ({"last_login": "2024-02-29"}, "2029-02-28"),
        # Winter time then, summer time five years later: the same time on Danish clocks.
        ({"last_login": "2021-03-28T00:30:00Z"}, "2026-03-28T00:30:00Z"),
        ({"last_login": "2020-03-29T00:59:59+01:00"}, "2025-03-29T00:59:59+01:00"),
    ],
)
def test_a_login_exactly_five_years_ago_still_counts(cells, last_second):
    assert parse_mailbox(mailbox(**cells)).spans[Fact.LOGIN] == (ALWAYS, at(last_second) + 1)


@pytest.mark.parametrize("column", ["opened", "last_login", "closed", "private_closed", "address_consent_given"])
@pytest.mark.parametrize(
    "cell", ["0001-01-01", "0001-01-01T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59Z", "1960-05-01", "2150-05-01"]
)
def test_the_calendars_ends_are_times_like_others(column, cell):
    """Other systems write them for "never" and "for ever"; they must not stop a build."""
    for span in parse_mailbox(mailbox(**{column: cell})).spans.values():
        assert ALWAYS <= span.start <= FOREVER
        assert ALWAYS <= span.end <= FOREVER


def test_addresses_are_canonical_and_a_forwarding_without_days_holds_always():
    read = parse_mailbox(mailbox(FIRM, **ANNS_EMAIL, **FORWARDS))
    assert (read.number, read.email_address, read.forwarding_address) == (FIRM, "ann@post.dk", "post@firm.dk")
    assert read.spans[Fact.FORWARDING] == WHENEVER


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *[("number", cell) for cell in ("", "1", "12345678")],
        *[("opened", cell) for cell in ("", "2020-13-01", "2020-01-01T10:00:00", "01-02-2020")],
        *[("closed", "soon"), ("private_closed", "?"), ("last_login", "yesterday")],
        *[("address_consent_given", "1"), ("address_consent_withdrawn", "-")],
        *[("email_address", cell) for cell in ("no address", "@", "a@b@c.dk", "ann@post")],
        *[("email_verified", "?"), ("email_claimed", "2020-01-01T25:00:00Z"), ("email_dropped", "2020-02-31")],
        *[("exempt_from", "2020-01-01T00:00:00Z"), ("exempt_to", "never")],
        *[("forwarding_address", "@"), ("forwarding_from", "x"), ("forwarding_to", "x")],
    ],
)
def test_a_cell_that_cant_be_read_rejects_the_row_and_names_its_column_alone(column, cell):
    with pytest.raises(BadRowError) as raised:
        parse_mailbox(mailbox(**({"number": FIRM} | {column: cell})))
    assert str(raised.value) == f"{column} can't be read"


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        (FORWARDS | {"number": ANN}, "forwarding_address"),
        ({"number": ANN, "forwarding_from": "2026-01-01"}, "forwarding_address"),
        ({"number": FIRM, "forwarding_to": "2026-01-01"}, "forwarding_address"),
        (FORWARDS | {"number": FIRM, "forwarding_from": "2026-01-02", "forwarding_to": "2026-01-01"}, "forwarding_to"),
        ({"exempt_from": "2026-01-02", "exempt_to": "2026-01-01"}, "exempt_to"),
    ],
)
def test_cells_that_dont_go_together_reject_the_row(cells, column):
    with pytest.raises(BadRowError) as raised:
        parse_mailbox(mailbox(**cells))
    assert raised.value.column == column


def test_a_forwarding_address_that_grows_past_the_columns_width_rejects_its_row_alone():
    """Lower case may be longer: the dotted capital I is two bytes, its small form three."""
    address = "İ" * 60 + "@" + ".".join(["a" * 60, "b" * 40]) + ".dk"
    with pytest.raises(BadRowError) as raised:
        parse_mailbox(mailbox(FIRM, forwarding_address=address))
    assert str(raised.value) == "forwarding_address can't be read"


def test_a_relation_holds_from_its_day_on():
    read = parse_relation(relation(FIRM, sender_id=" power ", relation=" OPTED_OUT ", effective_time="2026-11-01"))
    assert (read.number, read.sender_id, read.relation) == (FIRM, "power", Relation.OPTED_OUT)
    assert read.span == (at("2026-11-01"), FOREVER)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *[("number", ""), ("number", "12345678"), ("sender_id", " "), ("sender_id", "s" * 65)],
        *[("relation", cell) for cell in ("", "FRIEND", "subscribed", "SUBSCRIBED,BOUND")],
        *[("effective_time", ""), ("effective_time", "now")],
    ],
)
def test_a_relation_that_cant_be_read_is_rejected(column, cell):
    with pytest.raises(BadRowError) as raised:
        parse_relation(relation(**{column: cell}))
    assert raised.value.column == column
    assert not cell.strip() or cell not in raised.value.problem.split()
