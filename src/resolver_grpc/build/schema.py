"""The builder's input tables: every column with its type, meaning and an example.

This is the one place that says what a table holds. ``tables.py`` reads by it, ``docs/inputs.md`` is
printed from it, and the rows that the builder sees are plain ``dict[str, str]`` with exactly these
columns, an empty cell being ``""``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ColumnType(Enum):
    """How a cell is to be read; the value is the sentence that the documentation prints."""

    CPR = "CPR number: ten digits, as text"
    OWNER_NUMBER = "CPR number (ten digits) or CVR number (eight digits), as text"
    CPR_LIST = "CPR numbers, separated by `;`"
    CODE = "digits, as text, with their leading zeros"
    TEXT = "text"
    TIME = (
        "a day `YYYY-MM-DD` (Danish midnight at its start) or an instant `YYYY-MM-DDTHH:MM:SS` with `Z` or an "
        "offset; in Parquet also `date32` and `timestamp` with a time zone"
    )
    DAY = "a day `YYYY-MM-DD`; in Parquet also `date32`"
    INTERVALS = "intervals `FIRST_DAY/LAST_DAY`, separated by `;`, either day empty where it is not known"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type, whether every row must fill it, meaning and an example."""

    name: str
    type: ColumnType
    required: bool
    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Table:
    """One input table; ``states_register_date`` where its metadata must name the register's day."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    states_register_date: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)


PERSONS = Table(
    "persons",
    "One row for each CPR number in the register, replaced numbers included.",
    (
        Column("number", ColumnType.CPR, required=True, meaning="the person's number", example="0101801239"),
        Column(
            "status",
            ColumnType.CODE,
            required=True,
            meaning="the register's status, two digits: 01 resident, 03 resident with a special road code, 05 and "
            "07 the same in Greenland, 20 no residence, 30 annulled, 50 deleted double, 60 changed number, "
            "70 disappeared, 80 emigrated, 90 dead",
            example="01",
        ),
        Column(
            "current_number",
            ColumnType.CPR,
            required=False,
            meaning="for status 50 and 60: the number that took this one's place",
            example="0101801247",
        ),
        Column(
            "old_numbers",
            ColumnType.CPR_LIST,
            required=False,
            meaning="the numbers that this one took the place of",
            example="0101801220;0101801212",
        ),
        Column(
            "full_name",
            ColumnType.TEXT,
            required=False,
            meaning="first, middle and last names, in this order",
            example="Anne-Marie Elkjær Sørensen",
        ),
        Column("municipality_code", ColumnType.CODE, required=False, meaning="four digits", example="0101"),
        Column("road_code", ColumnType.CODE, required=False, meaning="four digits", example="0728"),
        Column(
            "street_name",
            ColumnType.TEXT,
            required=False,
            meaning="the street's name, where it is known in full",
            example="Borgmester Christiansens Gade",
        ),
        Column(
            "short_street_name",
            ColumnType.TEXT,
            required=False,
            meaning="the official short form of at most 20 characters, which is what the register gives",
            example="Borgm Christiansensg",
        ),
        Column(
            "house_number",
            ColumnType.TEXT,
            required=False,
            meaning="1-999 and an optional letter",
            example="45B",
        ),
        Column("floor", ColumnType.TEXT, required=False, meaning="`st`, `kl`, `k2`-`k9` or 1-99", example="st"),
        Column(
            "door",
            ColumnType.TEXT,
            required=False,
            meaning="`tv`, `th`, `mf` or up to four letters and digits",
            example="th",
        ),
        Column(
            "supplementary_town",
            ColumnType.TEXT,
            required=False,
            meaning="the locality that stands above the postal code, which tells roads of one name apart",
            example="Høje Taastrup",
        ),
        Column("postal_code", ColumnType.CODE, required=False, meaning="four digits", example="2450"),
        Column(
            "protections",
            ColumnType.INTERVALS,
            required=False,
            meaning="name-and-address protections; both days are within; one without a first day, unreadable (the "
            "import of the register writes `?` for such a day) or inverted, holds always",
            example="2024-01-01/2025-12-31;2026-03-01/",
        ),
    ),
    states_register_date=True,
)

MAILBOXES = Table(
    "mailboxes",
    "One row for each mailbox, with the owner's consents, e-mail claim, exemption and forwarding.",
    (
        Column(
            "number",
            ColumnType.OWNER_NUMBER,
            required=True,
            meaning="the owner's number; an old CPR number leads to the current one",
            example="0101801239",
        ),
        Column(
            "opened",
            ColumnType.TIME,
            required=True,
            meaning="when the mailbox was opened",
            example="2016-05-01",
        ),
        Column("closed", ColumnType.TIME, required=False, meaning="when it was closed", example="2027-01-31"),
        Column(
            "private_closed",
            ColumnType.TIME,
            required=False,
            meaning="from when on it is closed for PRIVATE senders only",
            example="2026-06-01",
        ),
        Column(
            "last_login",
            ColumnType.TIME,
            required=False,
            meaning="the last login; without one the opening counts",
            example="2026-10-02T07:14:00Z",
        ),
        Column(
            "address_consent_given",
            ColumnType.TIME,
            required=False,
            meaning="when the owner last agreed to be found by name and address",
            example="2020-02-01T10:00:00Z",
        ),
        Column(
            "address_consent_withdrawn",
            ColumnType.TIME,
            required=False,
            meaning="when the owner last withdrew that; the later of the two counts, at a tie the withdrawal",
            example="2026-12-01",
        ),
        Column(
            "email_address",
            ColumnType.TEXT,
            required=False,
            meaning="the e-mail address that the owner claims",
            example="anne.marie@post.dk",
        ),
        Column(
            "email_verified",
            ColumnType.TIME,
            required=False,
            meaning="when the owner showed that the e-mail address is theirs",
            example="2021-04-05T12:00:00Z",
        ),
        Column(
            "email_claimed",
            ColumnType.TIME,
            required=False,
            meaning="when the owner agreed to be found by it; the claim counts once it is verified too",
            example="2021-04-05T12:01:00Z",
        ),
        Column(
            "email_dropped",
            ColumnType.TIME,
            required=False,
            meaning="when the owner last dropped the claim; the later of claim and drop counts, at a tie the drop",
            example="2026-12-24",
        ),
        Column(
            "exempt_from",
            ColumnType.DAY,
            required=False,
            meaning="the first day on which the owner is exempt from digital post",
            example="2019-01-01",
        ),
        Column(
            "exempt_to",
            ColumnType.DAY,
            required=False,
            meaning="the last day of the exemption; without one it goes on",
            example="2026-12-31",
        ),
        Column(
            "forwarding_address",
            ColumnType.TEXT,
            required=False,
            meaning="organisations: the e-mail address that post from PUBLIC senders is forwarded to",
            example="post@advokaterne.dk",
        ),
        Column(
            "forwarding_from",
            ColumnType.DAY,
            required=False,
            meaning="the first day of the forwarding; without one it holds from ever",
            example="2026-01-01",
        ),
        Column(
            "forwarding_to",
            ColumnType.DAY,
            required=False,
            meaning="the last day of the forwarding; without one it goes on",
            example="2026-12-31",
        ),
    ),
)

RELATIONS = Table(
    "relations",
    "Relations between an owner and a sender: one row for each owner, sender and relation.",
    (
        Column(
            "number",
            ColumnType.OWNER_NUMBER,
            required=True,
            meaning="the owner's number",
            example="0101801239",
        ),
        Column("sender_id", ColumnType.TEXT, required=True, meaning="the sender's id", example="nordkraft"),
        Column(
            "relation",
            ColumnType.TEXT,
            required=True,
            meaning="SUBSCRIBED, BOUND (an agreement requires the mailbox) or OPTED_OUT",
            example="SUBSCRIBED",
        ),
        Column(
            "effective_time",
            ColumnType.TIME,
            required=True,
            meaning="from when on it holds; for OPTED_OUT the seventh day after the day of notice",
            example="2026-11-01",
        ),
    ),
)

ROADS = Table(
    "roads",
    "Optional: the roads with their names; one row for each road, supplementary town and postal code.",
    (
        Column("municipality_code", ColumnType.CODE, required=True, meaning="four digits", example="0101"),
        Column("road_code", ColumnType.CODE, required=True, meaning="four digits", example="0728"),
        Column(
            "name",
            ColumnType.TEXT,
            required=True,
            meaning="the street's name",
            example="Borgmester Christiansens Gade",
        ),
        Column(
            "short_name",
            ColumnType.TEXT,
            required=False,
            meaning="the official short form of at most 20 characters",
            example="Borgm Christiansensg",
        ),
        Column(
            "supplementary_town",
            ColumnType.TEXT,
            required=False,
            meaning="the locality in which this road lies, where there is one",
            example="Bolbro",
        ),
        Column("postal_code", ColumnType.CODE, required=True, meaning="four digits", example="2450"),
    ),
)

TABLES = (PERSONS, MAILBOXES, RELATIONS, ROADS)
