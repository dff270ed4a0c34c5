"""The words of the domain as types: query, decision, sender.

What belongs here: values and their names, nothing that computes a rule. The numbers of the enumerations
are those of the wire (``protos/resolver_grpc/v1``); a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum, unique
from typing import NamedTuple, Protocol


@unique
class Kind(IntEnum):
    """The way in which a query addresses its recipient."""

    UNSPECIFIED = 0
    FULL_NAME = 1
    FIRST_NAME = 2
    ADDRESS = 3
    EMAIL = 4
    CPR = 5
    CVR = 6
    HANDLE = 7


@unique
class Route(IntEnum):
    """What is to be done with a query's letter."""

    MAILBOX = 1
    LETTER = 2
    HOLD = 3
    FORWARD = 4
    REJECT = 5


@unique
class Reason(IntEnum):
    """Why a query got its route."""

    DELIVERABLE = 1
    SUBSCRIBED_BY_TERMS = 2
    FORWARDED = 3
    EXEMPT = 4
    OPTED_OUT = 5
    NOT_SUBSCRIBED = 6
    NOT_FOUND = 7
    HELD_FOR_SENDER = 8
    AMBIGUOUS_RECIPIENT = 9
    AMBIGUOUS_ADDRESS = 10
    KIND_NOT_ALLOWED = 11
    PERSONAL_CONTENT = 12
    INVALID_KIND = 20
    INVALID_REFERENCE = 21
    INVALID_NAME = 22
    NAME_INCOMPLETE = 23
    INVALID_ADDRESS = 24
    INVALID_STREET = 25
    INVALID_HOUSE_NUMBER = 26
    INVALID_FLOOR = 27
    INVALID_DOOR = 28
    INVALID_POSTAL_CODE = 29
    INVALID_KVHX = 30
    INVALID_EMAIL = 31
    INVALID_NUMBER = 32
    INVALID_HANDLE = 33
    UNEXPECTED_FIELD = 34


class SenderClass(Enum):
    """Whether a sender is a public authority."""

    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"


@unique
class Fact(StrEnum):
    """What is known of an owner with a time to it; the index keeps each as intervals by ordinal."""

    MAILBOX = "mailbox"
    """The mailbox is opened and not closed."""
    LOGIN = "login"
    """Five years since the last login are not over."""
    PRIVATE_CLOSED = "private_closed"
    """The owner left private post."""
    RESIDENT = "resident"
    """The owner lives at the address according to the register."""
    REGISTERED = "registered"
    """The owner's status in the register allows to be reached by e-mail."""
    PROTECTION = "protection"
    """The owner is under name-and-address protection."""
    CONSENT = "consent"
    """The owner agreed to be found by name and address."""
    CLAIM = "claim"
    """The owner verified and claims an e-mail address."""
    CONTESTED = "contested"
    """Somebody else claims the owner's e-mail address."""
    EXEMPT = "exempt"
    """The owner is exempt from digital post."""
    FORWARDING = "forwarding"
    """The organisation forwards its post from public senders."""


@unique
class Relation(StrEnum):
    """What stands between an owner and a sender; a fact of its own for each sender."""

    SUBSCRIBED = "subscribed"
    BOUND = "bound"
    OPTED_OUT = "opted_out"

    def to(self, sender_id: str) -> str:
        """The name of the fact that this relation to a sender is."""
        return f"{self}/{sender_id}"


class Query(Protocol):
    """One recipient as the sender wrote it; the wire's ``Query`` message is one, ``QueryRow`` another."""

    @property
    def reference(self) -> str: ...  # noqa: D102 - the fields are documented in query.proto
    @property
    def kind(self) -> int: ...  # noqa: D102
    @property
    def full_name(self) -> str: ...  # noqa: D102
    @property
    def first_name(self) -> str: ...  # noqa: D102
    @property
    def last_name(self) -> str: ...  # noqa: D102
    @property
    def street_name(self) -> str: ...  # noqa: D102
    @property
    def house_number(self) -> str: ...  # noqa: D102
    @property
    def floor(self) -> str: ...  # noqa: D102
    @property
    def door(self) -> str: ...  # noqa: D102
    @property
    def postal_code(self) -> str: ...  # noqa: D102
    @property
    def supplementary_town(self) -> str: ...  # noqa: D102
    @property
    def address_line(self) -> str: ...  # noqa: D102
    @property
    def kvhx(self) -> str: ...  # noqa: D102
    @property
    def number(self) -> str: ...  # noqa: D102
    @property
    def email_address(self) -> str: ...  # noqa: D102
    @property
    def handle(self) -> bytes: ...  # noqa: D102
    @property
    def has_postal_address(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query as plain values, for files and tests; the fields are those of ``query.proto``."""

    reference: str = ""
    kind: int = Kind.UNSPECIFIED
    full_name: str = ""
    first_name: str = ""
    last_name: str = ""
    street_name: str = ""
    house_number: str = ""
    floor: str = ""
    door: str = ""
    postal_code: str = ""
    supplementary_town: str = ""
    address_line: str = ""
    kvhx: str = ""
    number: str = ""
    email_address: str = ""
    handle: bytes = b""
    has_postal_address: bool = False


class Target(NamedTuple):
    """Whom a decision reaches: the current CPR or CVR number, where an organisation forwards to, and the handle.

    Number and forwarding address are empty for those who may not see them.
    """

    number: str
    forwarding_address: str = ""
    handle: bytes = b""


class Decision(NamedTuple):
    """The answer to one query: route, reason, the offending field if any, targets."""

    route: Route
    reason: Reason
    field: str = ""
    targets: tuple[Target, ...] = ()


class Limits(NamedTuple):
    """What a sender may use up (domain rules, section 8); the defaults are for a sender of letters, not of bulk.

    Attributes:
        daily_misses: distinct queries a Danish day that intake sees as NOT_FOUND or HELD_FOR_SENDER.
        daily_addresses: distinct ADDRESS queries a Danish day.
        queries_per_second: queries a second, over time.
    """

    daily_misses: int = 10_000
    daily_addresses: int = 2_000
    queries_per_second: int = 1_000


@dataclass(frozen=True, slots=True)
class Sender:
    """A company or an authority that was onboarded (domain rules, section 6).

    Attributes:
        id: the word by which requests name the sender.
        name: the sender's name, for people.
        cvr: its CVR number.
        sender_class: PUBLIC or PRIVATE.
        mandatory: a statutory authority; always so for PUBLIC.
        terms_consent: its accepted terms make the digital mailbox the standard way.
        hold: its letters may wait for enrolment.
        fallback: REJECT or LETTER, for what can't be delivered digitally.
        kinds: the kinds of query it may use.
        limits: its budgets.
    """

    id: str
    name: str
    cvr: str
    sender_class: SenderClass
    mandatory: bool = False
    terms_consent: bool = False
    hold: bool = False
    fallback: Route = Route.REJECT
    kinds: frozenset[Kind] = field(default_factory=frozenset)
    limits: Limits = field(default_factory=Limits)


@unique
class Role(StrEnum):
    """What a caller is to the resolver, which decides what it may do and is told (domain rules, section 8)."""

    INTAKE = "intake"
    DELIVERY = "delivery"
    REGISTRAR = "registrar"
    OPERATOR = "operator"
