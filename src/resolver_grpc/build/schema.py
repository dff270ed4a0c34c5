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


_OF_EACH_ROW = frozenset({ColumnType.CPR, ColumnType.OWNER_NUMBER, ColumnType.CPR_LIST, ColumnType.TIME})
_TEXTS_OF_EACH_ROW = frozenset({"full_name", "email_address"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type, whether every row must fill it, meaning and an example."""

    name: str
    type: ColumnType
    required: bool
    meaning: str
    example: str

    @property
    def has_few_values(self) -> bool:
        """Whether many rows share a value, so that each is worth reading once."""
        return self.type not in _OF_EACH_ROW and self.name not in _TEXTS_OF_EACH_ROW


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


def _required(name: str, column_type: ColumnType, meaning: str, example: str) -> Column:
    return Column(name, column_type, required=True, meaning=meaning, example=example)


def _optional(name: str, column_type: ColumnType, meaning: str, example: str) -> Column:
    return Column(name, column_type, required=False, meaning=meaning, example=example)


PERSONS = Table(
    "persons",
    "One row for each CPR number in the register, replaced numbers included.",
    (
        _required("number", ColumnType.CPR, "the person's number", "0101801239"),
        _required(
            "status",
            ColumnType.CODE,
            "the register's status, two digits: 01 resident, 03 resident with a special road code, 05 and 07 the same "
            "in Greenland, 20 no residence, 30 annulled, 50 deleted double, 60 changed number, 70 disappeared, 80 "
            "emigrated, 90 dead",
            "01",
        ),
        _optional(
            "current_number",
            ColumnType.CPR,
            "for status 50 and 60: the number that took this one's place",
            "0101801247",
        ),
        _optional(
            "old_numbers", ColumnType.CPR_LIST, "the numbers that this one took the place of", "0101801220;0101801212"
        ),
        _optional(
            "full_name", ColumnType.TEXT, "first, middle and last names, in this order", "Anne-Marie Elkjær Sørensen"
        ),
        _optional("municipality_code", ColumnType.CODE, "four digits", "0101"),
        _optional("road_code", ColumnType.CODE, "four digits", "0728"),
        _optional(
            "street_name",
            ColumnType.TEXT,
            "the street's name, where it is known in full",
            "Borgmester Christiansens Gade",
        ),
        _optional(
            "short_street_name",
            ColumnType.TEXT,
            "the official short form of at most 20 characters, which is what the register gives",
            "Borgm Christiansensg",
        ),
        _optional("house_number", ColumnType.TEXT, "1-999 and an optional letter", "45B"),
        _optional("floor", ColumnType.TEXT, "`st`, `kl`, `k2`-`k9` or 1-99", "st"),
        _optional("door", ColumnType.TEXT, "`tv`, `th`, `mf` or up to four letters and digits", "th"),
        _optional(
            "supplementary_town",
            ColumnType.TEXT,
            "the locality that stands above the postal code, which tells roads of one name apart",
            "Høje Taastrup",
        ),
        _optional("postal_code", ColumnType.CODE, "four digits", "2450"),
        _optional(
            "protections",
            ColumnType.INTERVALS,
            "name-and-address protections; both days are within; one without a first day, unreadable (the import of "
            "the register writes `?` for such a day) or inverted, holds always",
            "2024-01-01/2025-12-31;2026-03-01/",
        ),
    ),
    states_register_date=True,
)

MAILBOXES = Table(
    "mailboxes",
    "One row for each mailbox, with the owner's consents, e-mail claim, exemption and forwarding.",
    (
        _required(
            "number",
            ColumnType.OWNER_NUMBER,
            "the owner's number; an old CPR number leads to the current one",
            "0101801239",
        ),
        _required("opened", ColumnType.TIME, "when the mailbox was opened", "2016-05-01"),
        _optional("closed", ColumnType.TIME, "when it was closed", "2027-01-31"),
        _optional(
            "private_closed", ColumnType.TIME, "from when on it is closed for PRIVATE senders only", "2026-06-01"
        ),
        _optional(
            "last_login", ColumnType.TIME, "the last login; without one the opening counts", "2026-10-02T07:14:00Z"
        ),
        _optional(
            "address_consent_given",
            ColumnType.TIME,
            "when the owner last agreed to be found by name and address",
            "2020-02-01T10:00:00Z",
        ),
        _optional(
            "address_consent_withdrawn",
            ColumnType.TIME,
            "when the owner last withdrew that; the later of the two counts, at a tie the withdrawal",
            "2026-12-01",
        ),
        _optional("email_address", ColumnType.TEXT, "the e-mail address that the owner claims", "anne.marie@post.dk"),
        _optional(
            "email_verified",
            ColumnType.TIME,
            "when the owner showed that the e-mail address is theirs",
            "2021-04-05T12:00:00Z",
        ),
        _optional(
            "email_claimed",
            ColumnType.TIME,
            "when the owner agreed to be found by it; the claim counts once it is verified too",
            "2021-04-05T12:01:00Z",
        ),
        _optional(
            "email_dropped",
            ColumnType.TIME,
            "when the owner last dropped the claim; the later of claim and drop counts, at a tie the drop",
            "2026-12-24",
        ),
        _optional(
            "exempt_from", ColumnType.DAY, "the first day on which the owner is exempt from digital post", "2019-01-01"
        ),
        _optional("exempt_to", ColumnType.DAY, "the last day of the exemption; without one it goes on", "2026-12-31"),
        _optional(
            "forwarding_address",
            ColumnType.TEXT,
            "organisations: the e-mail address that post from PUBLIC senders is forwarded to",
            "post@advokaterne.dk",
        ),
        _optional(
            "forwarding_from",
            ColumnType.DAY,
            "the first day of the forwarding; without one it holds from ever",
            "2026-01-01",
        ),
        _optional(
            "forwarding_to", ColumnType.DAY, "the last day of the forwarding; without one it goes on", "2026-12-31"
        ),
    ),
)

RELATIONS = Table(
    "relations",
    "Relations between an owner and a sender: one row for each owner, sender and relation.",
    (
        _required("number", ColumnType.OWNER_NUMBER, "the owner's number", "0101801239"),
        _required("sender_id", ColumnType.TEXT, "the sender's id", "nordkraft"),
        _required(
            "relation",
            ColumnType.TEXT,
            "SUBSCRIBED, BOUND (an agreement requires the mailbox) or OPTED_OUT",
            "SUBSCRIBED",
        ),
        _required(
            "effective_time",
            ColumnType.TIME,
            "from when on it holds; for OPTED_OUT the seventh day after the day of notice",
            "2026-11-01",
        ),
    ),
)

ROADS = Table(
    "roads",
    "Optional: the roads with their names; one row for each road, supplementary town and postal code.",
    (
        _required("municipality_code", ColumnType.CODE, "four digits", "0101"),
        _required("road_code", ColumnType.CODE, "four digits", "0728"),
        _required("name", ColumnType.TEXT, "the street's name", "Borgmester Christiansens Gade"),
        _optional(
            "short_name", ColumnType.TEXT, "the official short form of at most 20 characters", "Borgm Christiansensg"
        ),
        _optional(
            "supplementary_town", ColumnType.TEXT, "the locality in which this road lies, where there is one", "Bolbro"
        ),
        _required("postal_code", ColumnType.CODE, "four digits", "2450"),
    ),
)

TABLES = (PERSONS, MAILBOXES, RELATIONS, ROADS)
