"""The events of a change as values; ``change.proto`` says what each means.

What belongs here: canonical values and their names, nothing that computes. ``parsing.py`` makes them of messages,
``owner.py`` says what each does to an owner. Instants are seconds of UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from resolver_grpc.rows.cells import Span
from resolver_grpc.rows.persons import Person


@dataclass(frozen=True, slots=True)
class MailboxOpened:
    """The owner got a mailbox, or has it again."""

    person: Person | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MailboxClosed:
    """The mailbox was closed."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The owner logged in."""

    person: Person | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PrivatePostEnded:
    """The owner left private post."""


@dataclass(frozen=True, slots=True)
class Erased:
    """The owner is erased."""


@dataclass(frozen=True, slots=True)
class AddressConsentGiven:
    """The owner agreed to be found by name and address."""

    person: Person = field(repr=False)
    evidence_reference: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AddressConsentWithdrawn:
    """The owner withdrew that."""

    evidence_reference: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Moved:
    """The person moved."""

    person: Person = field(repr=False)


@dataclass(frozen=True, slots=True)
class Renamed:
    """The person has another name."""

    person: Person = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProtectionSet:
    """The person's name-and-address protections, all of them."""

    protections: tuple[Span, ...]
    person: Person | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProtectionLifted:
    """The person is under no protection any more."""

    person: Person | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Died:
    """The person died."""


@dataclass(frozen=True, slots=True)
class Emigrated:
    """The person emigrated."""


@dataclass(frozen=True, slots=True)
class Disappeared:
    """The person disappeared."""


@dataclass(frozen=True, slots=True)
class NumberReplaced:
    """The person, whose record is the current number's, has another CPR number."""

    current_number: str = field(repr=False)
    person: Person = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmailVerified:
    """The owner showed that an e-mail address is theirs."""

    email_address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmailClaimed:
    """The owner agreed to be found by an e-mail address and by no other."""

    email_address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmailDropped:
    """The owner is not to be found by an e-mail address any more."""

    email_address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exempted:
    """The owner is exempt from digital post, until before an instant."""

    until: int


@dataclass(frozen=True, slots=True)
class ExemptionEnded:
    """The owner is not exempt any more."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The owner subscribes to a sender."""

    sender_id: str


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The owner does not subscribe to a sender any more."""

    sender_id: str


@dataclass(frozen=True, slots=True)
class Bound:
    """An agreement with a sender requires the mailbox."""

    sender_id: str


@dataclass(frozen=True, slots=True)
class AgreementEnded:
    """The agreement with a sender ended."""

    sender_id: str


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The owner gave notice that it wants no post from a sender."""

    sender_id: str


@dataclass(frozen=True, slots=True)
class OptOutCancelled:
    """The owner took the notice back."""

    sender_id: str


@dataclass(frozen=True, slots=True)
class ForwardingSet:
    """The organisation forwards its post from public senders, until before an instant."""

    forwarding_address: str = field(repr=False)
    until: int


@dataclass(frozen=True, slots=True)
class ForwardingChanged:
    """The organisation forwards to another address, on the same days."""

    forwarding_address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ForwardingEnded:
    """The organisation does not forward any more."""


@dataclass(frozen=True, slots=True)
class CuratorTookOver:
    """The organisation's curator takes over the forwarding."""

    forwarding_address: str = field(repr=False)


Event = (
    MailboxOpened
    | MailboxClosed
    | LoggedIn
    | PrivatePostEnded
    | Erased
    | AddressConsentGiven
    | AddressConsentWithdrawn
    | Moved
    | Renamed
    | ProtectionSet
    | ProtectionLifted
    | Died
    | Emigrated
    | Disappeared
    | NumberReplaced
    | EmailVerified
    | EmailClaimed
    | EmailDropped
    | Exempted
    | ExemptionEnded
    | Subscribed
    | Unsubscribed
    | Bound
    | AgreementEnded
    | OptedOut
    | OptOutCancelled
    | ForwardingSet
    | ForwardingChanged
    | ForwardingEnded
    | CuratorTookOver
)


@dataclass(frozen=True, slots=True)
class Change:
    """One event of one owner.

    Attributes:
        change_id: the source's name for it.
        number: the owner's CPR or CVR number.
        instant: when it takes effect, in seconds of UTC.
        event: what happened.
    """

    change_id: str = field(repr=False)
    number: str = field(repr=False)
    instant: int
    event: Event
