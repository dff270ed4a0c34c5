"""What is held of an owner, for the owner: as fields, and as a text in Danish and in English.

What belongs here: words, and what they are said of. Pure: who is asked about, and when, is ``subjects.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from resolver_grpc.changes.state import OwnerState
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.model import Fact, Relation
from resolver_grpc.times import format_instant
from resolver_grpc.v1.change_pb2 import Change
from resolver_grpc.v1.change_service_pb2 import GetOwnerResponse, OwnerFact, SequencedChange

WORDS: Final = {
    Fact.MAILBOX: ("postkassen er åben", "the mailbox is open"),
    Fact.LOGIN: ("postkassen regnes for i brug", "the mailbox counts as used"),
    Fact.PRIVATE_CLOSED: ("ingen privat post", "no private post"),
    Fact.RESIDENT: ("bor på adressen ifølge CPR", "lives at the address according to the register"),
    Fact.REGISTERED: ("kan nås ved e-mail ifølge CPR", "may be reached by e-mail according to the register"),
    Fact.PROTECTION: ("navne- og adressebeskyttelse", "name-and-address protection"),
    Fact.CONSENT: ("samtykke til at blive fundet ved navn og adresse", "consent to be found by name and address"),
    Fact.CLAIM: ("en bekræftet e-mailadresse", "a verified e-mail address"),
    Fact.CONTESTED: ("e-mailadressen er også en andens", "somebody else claims the e-mail address too"),
    Fact.EXEMPT: ("fritaget for digital post", "exempt from digital post"),
    Fact.FORWARDING: ("videresender sin post", "forwards its post"),
    Relation.SUBSCRIBED: ("tilmeldt afsenderen", "subscribed to the sender"),
    Relation.BOUND: ("bundet ved aftale med afsenderen", "bound by agreement to the sender"),
    Relation.OPTED_OUT: ("frameldt afsenderen", "opted out of the sender"),
}
"""What each fact is called, in Danish and in English."""

_CLOSING: Final = (
    (
        "Registrets navn og adresse og e-mailadressen opbevares kun som hashværdier med nøgle og kan ikke læses.",
        "Name, address and e-mail address of the register are held as keyed hashes alone, which can't be read back.",
    ),
    (
        "Revisionssporet tæller beslutninger pr. afsender og rummer ingen personer: om én person fortæller det intet.",
        "The audit counts decisions by sender and holds no persons: what was decided about one person it can't tell.",
    ),
)


def report_owner(
    state: OwnerState, changes: Sequence[SequencedChange], snapshot_id: str, change_sequence: int
) -> GetOwnerResponse:
    """Says all that is held of an owner.

    Args:
        state: what is known of the owner.
        changes: the owner's changes that the log holds.
        snapshot_id: the snapshot that the owner was found in.
        change_sequence: the last change that is taken account of.
    """
    response = GetOwnerResponse(
        number=state.number,
        former_numbers=state.old_numbers,
        facts=_facts(state),
        email_address=state.email_address or "",
        forwarding_address=state.forwarding_address,
        changes=changes,
        snapshot_id=snapshot_id,
        change_sequence=change_sequence,
    )
    response.report = "\n".join(_lines(response, 0)) + "\n\n" + "\n".join(_lines(response, 1)) + "\n"
    return response


def _facts(state: OwnerState) -> Iterator[OwnerFact]:
    for name, spans in sorted(state.facts.items()):
        fact, _, sender_id = name.partition("/")
        for start, end in spans:
            if start < end:
                yield OwnerFact(
                    fact=fact,
                    sender_id=sender_id,
                    start_time=Timestamp(seconds=start) if start > ALWAYS else None,
                    end_time=Timestamp(seconds=end) if end < FOREVER else None,
                )


def _lines(response: GetOwnerResponse, language: int) -> Iterator[str]:
    """The report in one language: 0 for Danish, 1 for English."""

    def said(danish: str, english: str) -> str:
        return (danish, english)[language]

    yield said("Hvad der opbevares om ", "What is held of ") + response.number
    for number in response.former_numbers:
        yield said("Tidligere nummer: ", "Former number: ") + number
    for fact in response.facts:
        yield f"- {_named(fact)[language]}{_spanned(fact, said('fra', 'from'), said('til', 'until'))}"
    if response.email_address:
        yield said("E-mailadresse: ", "E-mail address: ") + response.email_address
    if response.forwarding_address:
        yield said("Videresendes til: ", "Forwards to: ") + response.forwarding_address
    for one in response.changes:
        yield said("Ændring ", "Change ") + f"{one.sequence}: {_told(one.change, said('dokumentation', 'evidence'))}"
    for sentence in _CLOSING:
        yield sentence[language]


def _named(fact: OwnerFact) -> tuple[str, str]:
    kind = Relation(fact.fact) if fact.sender_id else Fact(fact.fact)
    danish, english = WORDS[kind]
    sender = f" {fact.sender_id}" if fact.sender_id else ""
    return danish + sender, english + sender


def _spanned(fact: OwnerFact, since: str, until: str) -> str:
    start = f" {since} {format_instant(fact.start_time.seconds)}" if fact.HasField("start_time") else ""
    end = f" {until} {format_instant(fact.end_time.seconds)}" if fact.HasField("end_time") else ""
    return start + end


def _told(change: Change, evidence: str) -> str:
    """What a change was, when, and where its evidence lies; the rest stands in its fields."""
    event = change.WhichOneof("event") or ""
    when = change.effective_day or format_instant(change.effective_time.seconds)
    reference = getattr(getattr(change, event), "evidence_reference", "")
    return f"{event}, {when}" + (f", {evidence}: {reference}" if reference else "")
