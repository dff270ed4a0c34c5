"""Messages to changes: each is read whole, or refused with a reason and the path of the field.

Source of the rules: domain rules, sections 4 and 5 ("Time"). A cell of a person means what it means in a row of the
persons table, and is read by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from resolver_grpc.canonical.email import read_email
from resolver_grpc.canonical.numbers import parse_cpr
from resolver_grpc.canonical.query import MAX_TEXT_LENGTH
from resolver_grpc.changes import events
from resolver_grpc.changes.events import Change, Event
from resolver_grpc.changes.reasons import ChangeReason, RefusedChangeError
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.rows.cells import BadRowError, Span, is_cpr, parse_owner_number, span_of_days
from resolver_grpc.rows.mailboxes import MAX_SENDER_ID_LENGTH, parse_forwarding_address
from resolver_grpc.rows.persons import Home, Person, name_words, parse_person, parse_protection, read_home, read_status
from resolver_grpc.times import danish_day, danish_midnight, parse_day
from resolver_grpc.v1 import change_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHANGE_ID_BYTES: Final = 64
MAX_EVIDENCE_BYTES: Final = 128
MAX_PROTECTIONS: Final = 64

_PERSON_CELLS: Final = {
    "status": ChangeReason.INVALID_STATUS,
    "full_name": ChangeReason.INVALID_NAME,
    "municipality_code": ChangeReason.INVALID_CODE,
    "road_code": ChangeReason.INVALID_CODE,
    "street_name": ChangeReason.INVALID_STREET,
    "short_street_name": ChangeReason.INVALID_STREET,
    "house_number": ChangeReason.INVALID_HOUSE_NUMBER,
    "floor": ChangeReason.INVALID_FLOOR,
    "door": ChangeReason.INVALID_DOOR,
    "supplementary_town": ChangeReason.INVALID_TOWN,
    "postal_code": ChangeReason.INVALID_POSTAL_CODE,
}
_NOT_THEIRS: Final = dict.fromkeys(("current_number", "old_numbers", "protections"), "")


def parse_change(message: pb.Change) -> Change:
    """Reads a change.

    Raises:
        RefusedChangeError: it can't be read; whether it fits its owner is ``refusing.refusal``'s to say.
    """
    change_id = _identifier(message.change_id, MAX_CHANGE_ID_BYTES, ChangeReason.INVALID_CHANGE_ID, "change_id")
    try:
        number = parse_owner_number(message.number)
    except ValueError:
        raise RefusedChangeError(ChangeReason.INVALID_NUMBER, "number") from None
    instant = _instant(message)
    name = message.WhichOneof("event")
    if name is None:
        raise RefusedChangeError(ChangeReason.INVALID_EVENT, "event")
    if name in _OF_PERSONS and not is_cpr(number):
        raise RefusedChangeError(ChangeReason.NOT_A_PERSON, name)
    if name in _OF_ORGANISATIONS and is_cpr(number):
        raise RefusedChangeError(ChangeReason.NOT_AN_ORGANISATION, name)
    try:
        event = _READERS[name](getattr(message, name), number, instant)
    except RefusedChangeError as error:
        raise RefusedChangeError(error.reason, f"{name}.{error.field}") from None
    return Change(change_id, number, instant, event)


@contextmanager
def _refusing(reason: ChangeReason, path: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise RefusedChangeError(reason, path) from None


def _identifier(text: str, most: int, reason: ChangeReason, path: str) -> str:
    """A text that stands for itself: not blank, and of so many bytes at most."""
    if not text.strip() or len(text.encode()) > most:
        raise RefusedChangeError(reason, path)
    return text


def _instant(message: pb.Change) -> int:
    """Either the instant, whose fraction of a second is dropped, or the start of the day in Denmark."""
    day = message.effective_day
    if message.HasField("effective_time") == bool(day):
        raise RefusedChangeError(ChangeReason.INVALID_TIME, "effective_time")
    if day:
        with _refusing(ChangeReason.INVALID_TIME, "effective_day"):
            instant, nanos = danish_midnight(parse_day(day)), 0
    else:
        told = message.effective_time
        instant, nanos = told.seconds, told.nanos
    if not ALWAYS <= instant < FOREVER or not 0 <= nanos < 1_000_000_000:  # noqa: PLR2004 - of a second
        raise RefusedChangeError(ChangeReason.INVALID_TIME, "effective_day" if day else "effective_time")
    return instant


def _person_if_any(event: Any, number: str) -> Person | None:  # noqa: ANN401 - several messages may have a person
    if not event.HasField("person"):
        return None
    if not is_cpr(number):
        raise RefusedChangeError(ChangeReason.NOT_A_PERSON, "person")
    return _person(event, number)


def _person(event: Any, number: str) -> Person:  # noqa: ANN401 - several messages have a person
    if not event.HasField("person"):
        raise RefusedChangeError(ChangeReason.INVALID_PERSON, "person")
    message = event.person
    if message.ByteSize() <= MAX_TEXT_LENGTH:
        # No cell is too long. What can't be read is read once more, cell by cell, for the path of the first of them.
        with suppress(ValueError):
            return Person(
                number,
                read_status(message.status),
                name_words(message.full_name),
                _home_of(message),
                _protections(message.protections, "person.protections", fewest=0) if message.protections else (),
            )
    cells = {name: getattr(message, name) for name in _PERSON_CELLS}
    for name, cell in cells.items():
        if len(cell) > MAX_TEXT_LENGTH:
            raise RefusedChangeError(_PERSON_CELLS[name], f"person.{name}")
    try:
        person = parse_person({"number": number, **cells, **_NOT_THEIRS})
    except BadRowError as error:
        raise RefusedChangeError(_PERSON_CELLS[error.column], f"person.{error.column}") from None
    return replace(person, protections=_protections(message.protections, "person.protections", fewest=0))


def _home_of(message: pb.Person) -> Home:
    return read_home(
        message.municipality_code,
        message.road_code,
        message.street_name,
        message.short_street_name,
        message.postal_code,
        message.supplementary_town,
        (message.house_number, message.floor, message.door),
    )


def _protections(stated: Iterable[pb.Protection], path: str, fewest: int) -> tuple[Span, ...]:
    """Their spans; one that can't be read holds always, so that none is refused for its days."""
    # Days with a slash within them are no days.
    spans = tuple(parse_protection(f"{one.first_day}/{one.last_day}") for one in stated)
    if not fewest <= len(spans) <= MAX_PROTECTIONS:
        raise RefusedChangeError(ChangeReason.INVALID_PROTECTIONS, path)
    return spans


def _end_of(last_day: str, instant: int) -> int:
    """The instant before which something ends whose last day is told, or not."""
    with _refusing(ChangeReason.INVALID_DAY, "last_day"):
        return span_of_days(danish_day(instant), parse_day(last_day)).end if last_day else FOREVER


def _email(text: str, parse: Callable[[str], str], path: str) -> str:
    try:
        return parse(text)
    except ValueError:
        raise RefusedChangeError(ChangeReason.INVALID_EMAIL, path) from None


def _sender(text: str) -> str:
    sender_id = text.strip()
    if not sender_id or len(sender_id) > MAX_SENDER_ID_LENGTH:
        raise RefusedChangeError(ChangeReason.INVALID_SENDER, "sender_id")
    return sender_id


def _evidence(text: str) -> str:
    return _identifier(text, MAX_EVIDENCE_BYTES, ChangeReason.INVALID_EVIDENCE, "evidence_reference")


def _replaced(message: pb.NumberReplaced, number: str, _instant: int) -> events.NumberReplaced:
    with _refusing(ChangeReason.INVALID_NUMBER, "current_number"):
        current = parse_cpr(message.current_number)
    if current == number:
        raise RefusedChangeError(ChangeReason.CONTRADICTORY_NUMBER, "current_number")
    return events.NumberReplaced(current, _person(message, current))


_Reader = Callable[[Any, str, int], Event]


def _bare(event_type: Callable[[], Event]) -> _Reader:
    return lambda _message, _number, _instant: event_type()


def _with_person(event_type: Callable[[Person], Event]) -> _Reader:
    return lambda message, number, _instant: event_type(_person(message, number))


def _with_person_if_any(event_type: Callable[[Person | None], Event]) -> _Reader:
    return lambda message, number, _instant: event_type(_person_if_any(message, number))


def _with_email(event_type: Callable[[str], Event]) -> _Reader:
    return lambda message, _number, _instant: event_type(_email(message.email_address, read_email, "email_address"))


def _with_sender(event_type: Callable[[str], Event]) -> _Reader:
    return lambda message, _number, _instant: event_type(_sender(message.sender_id))


def _forwarding(message: Any) -> str:  # noqa: ANN401 - several messages have an address
    return _email(message.forwarding_address, parse_forwarding_address, "forwarding_address")


_READERS: dict[str, _Reader] = {
    "mailbox_opened": _with_person_if_any(events.MailboxOpened),
    "mailbox_closed": _bare(events.MailboxClosed),
    "logged_in": _with_person_if_any(events.LoggedIn),
    "private_post_ended": _bare(events.PrivatePostEnded),
    "erased": _bare(events.Erased),
    "address_consent_given": lambda message, number, _: events.AddressConsentGiven(
        _person(message, number), _evidence(message.evidence_reference)
    ),
    "address_consent_withdrawn": lambda message, *_: events.AddressConsentWithdrawn(
        _evidence(message.evidence_reference)
    ),
    "moved": _with_person(events.Moved),
    "renamed": _with_person(events.Renamed),
    "protection_set": lambda message, number, _: events.ProtectionSet(
        _protections(message.protections, "protections", fewest=1), _person_if_any(message, number)
    ),
    "protection_lifted": _with_person_if_any(events.ProtectionLifted),
    "died": _bare(events.Died),
    "emigrated": _bare(events.Emigrated),
    "disappeared": _bare(events.Disappeared),
    "number_replaced": _replaced,
    "email_verified": _with_email(events.EmailVerified),
    "email_claimed": _with_email(events.EmailClaimed),
    "email_dropped": _with_email(events.EmailDropped),
    "exempted": lambda message, _, instant: events.Exempted(_end_of(message.last_day, instant)),
    "exemption_ended": _bare(events.ExemptionEnded),
    "subscribed": _with_sender(events.Subscribed),
    "unsubscribed": _with_sender(events.Unsubscribed),
    "bound": _with_sender(events.Bound),
    "agreement_ended": _with_sender(events.AgreementEnded),
    "opted_out": _with_sender(events.OptedOut),
    "opt_out_cancelled": _with_sender(events.OptOutCancelled),
    "forwarding_set": lambda message, _, instant: events.ForwardingSet(
        _forwarding(message), _end_of(message.last_day, instant)
    ),
    "forwarding_changed": lambda message, *_: events.ForwardingChanged(_forwarding(message)),
    "forwarding_ended": _bare(events.ForwardingEnded),
    "curator_took_over": lambda message, *_: events.CuratorTookOver(_forwarding(message)),
}
_OF_PERSONS: Final = frozenset(
    "address_consent_given address_consent_withdrawn moved renamed protection_set protection_lifted died emigrated "
    "disappeared number_replaced".split()
)
_OF_ORGANISATIONS: Final = frozenset("forwarding_set forwarding_changed forwarding_ended curator_took_over".split())
