"""The slow reading of section 5: whether an owner may be reached, at one instant, by one sender.

What belongs here: one owner (or one claim) at a time, judged by time. Who is asked for stands elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver_grpc.build.population.dates import last_second_of_login
from resolver_grpc.model import Sender, SenderClass

if TYPE_CHECKING:
    from resolver_grpc.build.population.rows import Interval, Person
    from resolver_grpc.build.population.world import Claim, Owner

LIVING_AT_THEIR_ADDRESS = frozenset({"01", "03", "05", "07"})
OUT_OF_REACH_BY_EMAIL = frozenset({"30", "50", "60", "70", "80", "90"})


def _has_come(time: int | None, instant: int) -> bool:
    return time is not None and time <= instant


def _holds(interval: Interval | None, instant: int) -> bool:
    return interval is not None and interval[0] <= instant < interval[1]


def _is_given(given: int | None, taken_back: int | None, instant: int) -> bool:
    """Tell whether something given still stands: the later of the two wins, at a tie the taking back."""
    if given is None or given > instant:
        return False
    return taken_back is None or taken_back > instant or taken_back < given


def is_open(owner: Owner, sender: Sender, instant: int) -> bool:
    """Tell whether the owner's mailbox is open for the sender (section 5, condition 1)."""
    mailbox = owner.mailbox
    if mailbox is None or not _has_come(mailbox.opened, instant) or _has_come(mailbox.closed, instant):
        return False
    if sender.sender_class is SenderClass.PRIVATE and _has_come(mailbox.private_closed, instant):
        return False
    login = mailbox.opened if mailbox.last_login is None else mailbox.last_login
    return instant <= last_second_of_login(login)


def is_protected(person: Person, instant: int) -> bool:
    """Tell whether a name-and-address protection holds (condition 2)."""
    return any(_holds(protection, instant) for protection in person.protections)


def may_be_found_by_address(owner: Owner, sender: Sender, instant: int) -> bool:
    """Tell whether an owner who lives at the address asked for may be reached by it (condition 3)."""
    person, mailbox = owner.person, owner.mailbox
    if person is None or mailbox is None or person.status not in LIVING_AT_THEIR_ADDRESS:
        return False
    if not person.place.house_number or person.kvhx.road.startswith("99"):
        return False
    consents = _is_given(mailbox.consent_given, mailbox.consent_withdrawn, instant)
    return consents and is_open(owner, sender, instant) and not is_protected(person, instant)


def is_in_force(claim: Claim, instant: int) -> bool:
    """Tell whether a claim of an e-mail address holds; a rejected row's always does."""
    mailbox = claim.mailbox
    if mailbox is None:
        return True
    return _has_come(mailbox.verified, instant) and _is_given(mailbox.claimed, mailbox.dropped, instant)


def may_be_found_by_email(owner: Owner, sender: Sender, instant: int) -> bool:
    """Tell whether an owner whose claim is in force may be reached by it (condition 3)."""
    person = owner.person
    if person is None or person.status in OUT_OF_REACH_BY_EMAIL or is_protected(person, instant):
        return False
    return is_open(owner, sender, instant)


def is_exempt(owner: Owner, instant: int) -> bool:
    """Tell whether the owner is exempt from digital post."""
    return owner.mailbox is not None and _holds(owner.mailbox.exempt, instant)


def forwards(owner: Owner, instant: int) -> bool:
    """Tell whether the owner, an organisation, forwards its post."""
    return owner.mailbox is not None and _holds(owner.mailbox.forwarding, instant)


def stands_in(owner: Owner, relation: str, sender: Sender, instant: int) -> bool:
    """Tell whether a relation between owner and sender has taken effect."""
    return any(
        row.relation == relation and row.sender_id == sender.id and _has_come(row.effective, instant)
        for row in owner.relations
    )
