"""Mailboxes, persons and relations brought together to owners.

Source of the rules: domain rules, section 5. Whoever has a mailbox is an owner, unless a row about them was
rejected: a rejected row takes its owner out rather than leaving a half.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain

from resolver_grpc.build.numbers import Numbers, follow_numbers
from resolver_grpc.build.sources import TWICE, Sources
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import WHENEVER, Span, is_cpr
from resolver_grpc.rows.mailboxes import Mailbox
from resolver_grpc.rows.persons import LIVING_THERE, OUT_OF_EMAIL, REPLACED, Person

CONTRADICTED = "its number is replaced in two ways, in a circle, or while it is still in use"
OWNER_OUT = "its owner was rejected"
STATED_TWICE = "the same relation stands in more than one row"

Facts = dict[str, list[Span]]
"""When each fact holds of one owner; relations under the names that ``Relation.to`` gives."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with a mailbox, and all that is known of them.

    Attributes:
        number: the current CPR or CVR number.
        old_numbers: the numbers that lead to it.
        person: the person in the register; None for organisations and owners outside it.
        facts: when each fact holds.
        email_address: the canonical e-mail address that is claimed, if any.
        forwarding_address: where an organisation forwards to, if anywhere.
    """

    number: str
    old_numbers: tuple[str, ...]
    person: Person | None
    facts: Facts
    email_address: str
    forwarding_address: str


def join_owners(sources: Sources) -> list[Owner]:
    """Brings all rows together, and rejects those whose owner can't be known for sure.

    Returns:
        One owner for each current number that a mailbox leads to, in no particular order.
    """
    persons = {number: person for number, (_, person) in sources.persons.items()}
    numbers = numbers_of(sources)
    for row_number, number in sorted((sources.persons[number][0], number) for number in numbers.out & persons.keys()):
        sources.rejects.add("persons", row_number, CONTRADICTED if number in numbers.contradicted else OWNER_OUT)
    out = {numbers.current(number) for number in sources.bad_owners} | numbers.out
    mailboxes = _mailboxes_by_owner(sources, numbers, out)
    relations = _relations_by_owner(sources, numbers, out)
    claims = _claims_by_address(sources, numbers)
    olds: defaultdict[str | None, list[str]] = defaultdict(list)
    for old in sorted(numbers.replaced):
        olds[numbers.current(old)].append(old)
    return [
        Owner(
            number,
            tuple(olds[number]),
            persons.get(number),
            _facts(number, mailbox, persons.get(number), claims) | relations.get(number, {}),
            mailbox.email_address,
            mailbox.forwarding_address,
        )
        for number, (_, mailbox) in mailboxes.items()
        if not _rejected_late(sources, number, mailboxes, out)
    ]


def numbers_of(sources: Sources) -> Numbers:
    """Tells which number leads to which, by all rows."""
    in_use = {number for number, (_, person) in sources.persons.items() if person.status not in REPLACED}
    return follow_numbers(sources.links, in_use, sources.bad_persons)


def facts_of_person(person: Person) -> Facts:
    """When each fact holds that the register tells of a person."""
    facts: Facts = {Fact.PROTECTION: list(person.protections)}
    if person.status in LIVING_THERE:
        facts[Fact.RESIDENT] = [WHENEVER]
    if person.status not in OUT_OF_EMAIL:
        facts[Fact.REGISTERED] = [WHENEVER]
    return facts


def _mailboxes_by_owner(sources: Sources, numbers: Numbers, out: set[str | None]) -> dict[str, tuple[int, Mailbox]]:
    """One mailbox for each current number; two rows for one owner reject both, and claim for always.

    A row that could not be read is one of the two.
    """
    rows: defaultdict[str, list[tuple[int, Mailbox]]] = defaultdict(list)
    for row_number, mailbox in sources.mailboxes:
        rows[numbers.current(mailbox.number) or mailbox.number].append((row_number, mailbox))
    unread = {numbers.current(number) or number for number in sources.bad_mailboxes}
    doubled = {owner for owner, held in rows.items() if len(held) > 1} | (unread & rows.keys())
    out.update(doubled)
    for row_number, mailbox in chain.from_iterable(rows[owner] for owner in doubled):
        sources.rejects.add("mailboxes", row_number, TWICE)
        sources.bad_claims.update([mailbox.email_address] if mailbox.email_address else [])
    return {owner: held[0] for owner, held in rows.items() if owner not in doubled}


def _relations_by_owner(sources: Sources, numbers: Numbers, out: set[str | None]) -> dict[str, Facts]:
    """The relations as facts; a relation that stands twice takes its owner out, for it can't hold from two days."""
    rows: defaultdict[tuple[str, str], list[tuple[int, Span]]] = defaultdict(list)
    for row_number, relation in sources.relations:
        owner = numbers.current(relation.number)
        if owner is None:
            sources.rejects.add("relations", row_number, OWNER_OUT)
        else:
            rows[owner, relation.relation.to(relation.sender_id)].append((row_number, relation.span))
    found: defaultdict[str, Facts] = defaultdict(dict)
    for (owner, fact), held in rows.items():
        found[owner][fact] = [held[0][1]]
        if len(held) > 1:
            out.add(owner)
            for row_number, _ in held:
                sources.rejects.add("relations", row_number, STATED_TWICE)
    return found


def _rejected_late(
    sources: Sources, number: str, mailboxes: dict[str, tuple[int, Mailbox]], out: set[str | None]
) -> bool:
    if number not in out:
        return False
    sources.rejects.add("mailboxes", mailboxes[number][0], OWNER_OUT)
    return True


def _claims_by_address(sources: Sources, numbers: Numbers) -> dict[str, list[tuple[str, Span]]]:
    """Who claims each e-mail address, and when, whether they can be reached or not."""
    claims: defaultdict[str, list[tuple[str, Span]]] = defaultdict(list)
    for _, mailbox in sources.mailboxes:
        if Fact.CLAIM in mailbox.spans:
            owner = numbers.current(mailbox.number) or mailbox.number
            claims[mailbox.email_address].append((owner, mailbox.spans[Fact.CLAIM]))
    for address in sources.bad_claims:
        claims[address].append(("", WHENEVER))
    return claims


def _facts(number: str, mailbox: Mailbox, person: Person | None, claims: dict[str, list[tuple[str, Span]]]) -> Facts:
    facts: Facts = {fact: [span] for fact, span in mailbox.spans.items()}
    if Fact.CLAIM in mailbox.spans:
        others = [span for owner, span in claims[mailbox.email_address] if owner != number]
        if others:
            facts[Fact.CONTESTED] = others
    return facts | facts_of_person(person) if person is not None and is_cpr(number) else facts
