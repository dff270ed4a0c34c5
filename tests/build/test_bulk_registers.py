"""Small registers of good and bad cells, built both ways from columns of every shape: the same index of each.

Every cell is drawn from a small pool, so that numbers, addresses and e-mail addresses collide; few cells are bad,
or nobody would be left. The rows in another order give the same index and the same rejected rows.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from random import Random

import pytest
from arrow_columns import random_column_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bulk import TABLES, HeldTable, in_bulk, plainly

from blank_rows import ANN, BO, FIRM, mailbox, person, relation
from resolver_grpc.rows.cells import Span
from resolver_grpc.times import register_window

DAY = date(2026, 10, 25)
WINDOW = Span(*register_window(DAY))
SMALL = ([person(ANN), person(BO)], [mailbox(ANN), mailbox(BO)])

CPRS = [ANN, BO, "0303823456", "0404834567", "0505845678"]
BAD_NUMBERS = [" 0101801239", "010180-1239", "6101801239", "", "13585629", "٠١٠١٨٠١٢٣٩", "123"]
NUMBERS = ([*CPRS, FIRM, "61126228"], BAD_NUMBERS)
CODES = ["123", " 0751 ", "abcd", "9912", "٠٧٥١"]
TIMES = (
    [
        *["", "", "2020-01-01", "2026-10-25", "2026-10-28T12:00:00Z", "2021-10-31", "2021-10-27T00:30:00Z"],
        *["2026-11-01T23:59:59+01:00", "2026-11-02", "1960-01-01", "2021-10-31T02:30:00+02:00"],
    ],
    ["soon", " 2020-01-01 ", "2026-02-29", "2026-10-28T12:00:60Z", "9999-12-31", "2020-01-01T00:00:00z", " "],
)
OPENED = ([text for text in TIMES[0] if text], [*TIMES[1], ""])
GIVEN = (["2020-01-01", "2020-01-01T00:00:00Z", "2026-10-27", ""], TIMES[1])
DAYS = (
    ["", "", "", "2026-01-01", "2026-10-28", "2026-12-31", "1950-01-01"],
    ["28-10-2026", " ", "2026-10-28T00:00:00Z"],
)
STREETS = (["Vestergade", "Gl Vej", "Gammel Vej", ""], ["VESTER-GADE", "---", " ", "A\u030a Vej", "Å Vej"])

POOLS = {
    "persons": {
        "number": (CPRS, BAD_NUMBERS),
        "status": (["01", "01", "01", "03", "05"], ["20", "30", "50", "60", "60", "70", "80", "90", " 01 ", "", "xx"]),
        "current_number": (["", "", "", "", *CPRS[:2]], [*BAD_NUMBERS, " ", *CPRS]),
        "old_numbers": (["", "", "", "", *CPRS[3:]], [f"{ANN};{BO}", f"{ANN};x", ";", " ", f"{CPRS[2]} ; {CPRS[3]}"]),
        "full_name": (
            ["Ann Mo Bo", "Bo", "Åse  Sø-Lund", "ann bo", ""],
            [". '", "A\u030ase Sø\u2010Lund", " Ann\u00a0Bo ", "木"],
        ),
        "municipality_code": (["0751", "0751", "0751", ""], CODES),
        "road_code": (["1234", "1234", "5678", ""], CODES),
        "street_name": STREETS,
        "short_street_name": STREETS,
        "house_number": (["12", "12", "7B", ""], ["012", "0", " 7 b", "twelve", " "]),
        "floor": (["", "", "3"], ["3. sal", "stuen", "100", " "]),
        "door": (["", "", "tv"], ["t.v.", "12345", " "]),
        "supplementary_town": (["", "", "Skov", "Høje By"], ["SKOV ", "---", "Hoeje-By"]),
        "postal_code": (["8000", "8000", "8000", ""], ["DK-8000", "800", " ", "8200"]),
        "protections": (
            ["", "", "", "2026-10-25/2026-10-27", "2026-01-01/2026-10-26;2026-10-28/2026-12-31", "2027-01-01/"],
            ["?/", "2026-12-31/2026-01-01", "/", "2026-10-27", " ", "2026-10-30/?", ";"],
        ),
    },
    "mailboxes": {
        "number": NUMBERS,
        "opened": OPENED,
        "closed": (["", "", "", "", *TIMES[0]], TIMES[1]),
        "private_closed": TIMES,
        "last_login": TIMES,
        "address_consent_given": GIVEN,
        "address_consent_withdrawn": (["", "", "", *TIMES[0]], TIMES[1]),
        "email_address": (
            ["ann@post.dk", "ann@post.dk", "bo@post.dk", "å@pøst.dk", ""],
            ["ANN@Post.DK", " ann@post.dk ", "a\u030a@xn--pst-0na.dk", "ann@", " ", "a..n@post.dk", "ann@localhost"],
        ),
        "email_verified": GIVEN,
        "email_claimed": GIVEN,
        "email_dropped": (["", "", "", *TIMES[0]], TIMES[1]),
        "exempt_from": DAYS,
        "exempt_to": DAYS,
        "forwarding_address": (["", "", "", "post@firm.dk"], ["post@", " ", "POST@firm.dk"]),
        "forwarding_from": (["", "", "", "", "2026-01-01"], DAYS[1]),
        "forwarding_to": (["", "", "", "", "2026-12-31"], DAYS[1]),
    },
    "relations": {
        "number": NUMBERS,
        "sender_id": (["s", "s", "other"], [" s ", "", "x" * 65, "s\n"]),
        "relation": (["SUBSCRIBED", "BOUND", "OPTED_OUT"], ["opted_out", "", "BOUND "]),
        "effective_time": OPENED,
    },
    "roads": {
        "municipality_code": (["0751"], CODES),
        "road_code": (["1234", "5678"], CODES),
        "name": (STREETS[0][:3], STREETS[1]),
        "short_name": STREETS,
        "supplementary_town": (["", "", "Skov", "Høje By"], ["SKOV ", "---"]),
        "postal_code": (["8000"], ["DK-8000", "800", " ", "8200"]),
    },
}
MOST_ROWS = {"persons": 6, "mailboxes": 8, "relations": 4, "roads": 4}
GOOD_TO_BAD = 30


@dataclass
class DrawnTable:
    """A table in memory, which can be read both ways; each column is in a shape of its own."""

    table: object
    held: list
    shapes: Random

    @property
    def expected_rows(self):
        return len(self.held)

    def rows(self):
        return enumerate(self.held, start=1)

    @contextmanager
    def columns(self):
        yield DrawnColumns(self)


class DrawnColumns:
    """The columns of a table while they are read."""

    def __init__(self, table):
        self.rows = len(table.held)
        self._columns = {
            name: random_column_of([row[name] for row in table.held], table.shapes) for name in table.table.column_names
        }

    def column(self, name):
        return self._columns[name]


def cell(good, bad):
    """Mostly a good one: a row has up to sixteen."""
    return st.sampled_from(good * (1 + GOOD_TO_BAD * len(bad) // len(good)) + bad)


def one_for_each_number(rows):
    return list({row["number"]: row for row in rows}.values())


def rows_of(name):
    row = st.fixed_dictionaries({column: cell(*pool) for column, pool in POOLS[name].items()})
    rows = st.lists(row, max_size=MOST_ROWS[name])
    # Of a number that stands twice nobody is left, so that most tables have none such.
    return rows.map(one_for_each_number) | rows if name in ("persons", "mailboxes") else rows


REGISTERS = st.tuples(*(rows_of(table.name) for table in TABLES))
SEEDS = st.integers(0, 1 << 20)
ORDERS = st.tuples(*(st.permutations(range(most)) for most in MOST_ROWS.values()))


def drawn(register, seed):
    return [DrawnTable(table, rows, Random(seed)) for table, rows in zip(TABLES, register, strict=True)]  # noqa: S311 - it gives shapes


def in_order(rows, order):
    """The rows in another order, and the number that each row had before by the one that it has now."""
    places = [place for place in order if place < len(rows)]
    return [rows[place] for place in places], {now: place + 1 for now, place in enumerate(places, start=1)}


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(REGISTERS, ORDERS, SEEDS)
def test_the_bulk_way_builds_what_the_plain_way_builds_of_the_rows_in_another_order(tmp_path, register, orders, seed):
    moved = [in_order(rows, order) for rows, order in zip(register, orders, strict=True)]
    row_before = {table.name: before for table, (_, before) in zip(TABLES, moved, strict=True)}
    digest, counts, moved_rejects = in_bulk(drawn([rows for rows, _ in moved], seed), WINDOW, tmp_path)
    rejects = sorted((name, row_before[name][row], problem) for name, row, problem in moved_rejects)
    assert (digest, counts, rejects) == plainly(drawn(register, seed), WINDOW)


PADDED = {
    "a sender of one owner twice": [relation(sender_id="s"), relation(sender_id=" s ")],
    "a sender of two owners": [relation(sender_id="s"), relation(BO, sender_id=" s ")],
    "a relation of two owners": [relation(relation="OPTED_OUT"), relation(BO, relation="OPTED_OUT\n")],
}


@pytest.mark.parametrize("relations", PADDED.values(), ids=PADDED)
def test_senders_and_relations_with_blanks_around_them_are_the_same_ones(relations, tmp_path):
    tables = [HeldTable(table, rows) for table, rows in zip(TABLES, (*SMALL, relations, []), strict=True)]
    assert in_bulk(tables, WINDOW, tmp_path) == plainly(tables, WINDOW)
