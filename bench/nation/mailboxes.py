"""The mailboxes of a country: owners, consents, claims, exemptions, forwarding.

What belongs here: the plan of the mailboxes table as arrays, and its columns. The persons' mailboxes come
first, in no order, then the organisations'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nation import words
from nation.columns import as_text, day_texts, days, digits, instants, joined, texts
from nation.drawing import (
    NONE,
    SECONDS_OF_A_DAY,
    Integers,
    Mask,
    Random,
    day_number,
    draw_between,
    draw_cvr_numbers,
    only,
    pick_zipf,
)

if TYPE_CHECKING:
    from nation.columns import Column
    from nation.persons import Persons

_BEGUN, _NOW = day_number("2014-11-01"), day_number("2026-10-31")
_NOW_SECONDS = _NOW * SECONDS_OF_A_DAY
_DORMANT, _DORMANT_OPENED_UNTIL, _DORMANT_LOGINS = 0.03, day_number("2019-06-01"), 365 * SECONDS_OF_A_DAY
_LOGIN_DAYS, _LOGGED_IN = 90.0, 0.985
_CLOSED, _PRIVATE_CLOSED, _CONSENT, _WITHDRAWN = 0.01, 0.005, 0.8, 0.04
_CLAIM, _VERIFIED, _DROPPED, _MIXED_CASE = 0.7, 0.98, 0.02, 0.05
_EXEMPT, _FORWARDING, _BOUNDED = 0.015, 0.05, 0.5
_BY_OLD_NUMBER = 0.1
_LATER = 400
_DOMAIN_STEEPNESS = 1.2


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The mailboxes; days, seconds of UTC and places in lists, NONE where a mailbox has nothing.

    Attributes:
        owner: whose it is, a place among the persons; NONE for organisations.
        number: the number that the row has; for a few their old one.
        opened: a day, as are ``closed``, ``private_closed``, and those of exemption and forwarding.
        last_login: seconds, as are consents and claims.
        domain: of the e-mail address that is claimed; NONE where none is.
    """

    owner: Integers
    number: Integers
    opened: Integers
    closed: Integers
    private_closed: Integers
    last_login: Integers
    consent_given: Integers
    consent_withdrawn: Integers
    domain: Integers
    email_verified: Integers
    email_claimed: Integers
    email_dropped: Integers
    exempt_from: Integers
    exempt_to: Integers
    forwarding_from: Integers
    forwarding_to: Integers


def make_mailboxes(rng: Random, persons: Persons, owners: Integers, count: int) -> Mailboxes:
    """Makes so many mailboxes: one for each of the owners, the others for organisations."""
    owner = np.concatenate([owners, np.full(count - len(owners), NONE, np.int32)]).astype(np.int32)
    has_person = owner != NONE
    opened, last_login = _make_logins(rng, count)
    first_second = (opened + 1) * SECONDS_OF_A_DAY
    given = _where(has_person, only(rng, _CONSENT, draw_between(rng, first_second, _NOW_SECONDS, count)))
    withdrawn = only(rng, _WITHDRAWN, draw_between(rng, first_second, _NOW_SECONDS, count))
    domain = only(rng, _CLAIM, pick_zipf(rng, len(words.domains()), count, steep=_DOMAIN_STEEPNESS))
    claims = has_person & (domain != NONE)
    verified = draw_between(rng, first_second, _NOW_SECONDS, count)
    exempt_from = _where(has_person, only(rng, _EXEMPT, draw_between(rng, opened, _NOW, count)))
    forwards = _where(~has_person, only(rng, _FORWARDING, draw_between(rng, opened, _NOW, count)))
    return Mailboxes(
        owner=owner,
        number=_make_numbers(rng, persons, owners, count - len(owners)),
        opened=opened,
        closed=only(rng, _CLOSED, draw_between(rng, opened, _NOW + _LATER, count)),
        private_closed=only(rng, _PRIVATE_CLOSED, draw_between(rng, opened, _NOW + _LATER, count)),
        last_login=last_login,
        consent_given=given,
        consent_withdrawn=_where(given != NONE, withdrawn),
        domain=_where(claims, domain),
        email_verified=_where(claims, only(rng, _VERIFIED, verified)),
        email_claimed=_where(claims, verified + 60),
        email_dropped=_where(claims, only(rng, _DROPPED, draw_between(rng, verified, _NOW_SECONDS, count))),
        exempt_from=exempt_from,
        exempt_to=_later(rng, exempt_from),
        forwarding_from=forwards,
        forwarding_to=_later(rng, forwards),
    )


def mailbox_columns(mailboxes: Mailboxes, persons: Persons, chosen: slice) -> dict[str, Column]:
    """Rows of the mailboxes table: some times in Parquet's own types, others as text, as exports have them."""
    rows = np.arange(chosen.start, chosen.start + len(mailboxes.owner[chosen]))
    return {
        "number": owner_numbers(mailboxes, rows),
        "opened": days(mailboxes.opened[chosen]),
        "closed": day_texts(mailboxes.closed[chosen]),
        "private_closed": day_texts(mailboxes.private_closed[chosen]),
        "last_login": instants(mailboxes.last_login[chosen]),
        "address_consent_given": instants(mailboxes.consent_given[chosen]),
        "address_consent_withdrawn": as_text(instants(mailboxes.consent_withdrawn[chosen])),
        "email_address": _email_addresses(mailboxes, persons, rows),
        "email_verified": instants(mailboxes.email_verified[chosen]),
        "email_claimed": as_text(instants(mailboxes.email_claimed[chosen])),
        "email_dropped": as_text(instants(mailboxes.email_dropped[chosen])),
        "exempt_from": days(mailboxes.exempt_from[chosen]),
        "exempt_to": days(mailboxes.exempt_to[chosen]),
        "forwarding_address": _forwarding_addresses(mailboxes, rows),
        "forwarding_from": day_texts(mailboxes.forwarding_from[chosen]),
        "forwarding_to": day_texts(mailboxes.forwarding_to[chosen]),
    }


def owner_numbers(mailboxes: Mailboxes, rows: Integers) -> Column:
    """The numbers of these mailboxes, ten digits for persons and eight for organisations."""
    number, is_person = mailboxes.number[rows], mailboxes.owner[rows] != NONE
    persons = digits(np.where(is_person, number, NONE), 10)
    return pc.coalesce(persons, digits(np.where(is_person, NONE, number), 8))


def is_findable(mailboxes: Mailboxes) -> Mask:
    """Of which mailboxes it is sure that an address may lead to them, as far as their own row says."""
    nothing = (mailboxes.closed, mailboxes.private_closed, mailboxes.consent_withdrawn)
    recent = mailboxes.last_login > _NOW_SECONDS - 4 * _DORMANT_LOGINS
    found: Mask = recent & (mailboxes.consent_given != NONE) & np.all([one == NONE for one in nothing], axis=0)
    return found


def _make_numbers(rng: Random, persons: Persons, owners: Integers, organisations: int) -> Integers:
    old = persons.old_number[owners]
    by_old = (old != NONE) & (rng.random(len(owners)) < _BY_OLD_NUMBER)
    cvr = rng.permutation(draw_cvr_numbers(rng, organisations))
    return np.concatenate([np.where(by_old, old, persons.number[owners]), cvr])


def _make_logins(rng: Random, count: int) -> tuple[Integers, Integers]:
    """Openings since the service began, more of them early; last logins within a year for most."""
    opened = _BEGUN + (rng.random(count) ** 2 * (_NOW - _BEGUN)).astype(np.int32)
    dormant = rng.random(count) < _DORMANT
    opened = np.where(dormant, draw_between(rng, _BEGUN, _DORMANT_OPENED_UNTIL, count), opened).astype(np.int32)
    earliest = (opened + 1) * SECONDS_OF_A_DAY
    since = (rng.exponential(_LOGIN_DAYS, count) * SECONDS_OF_A_DAY).astype(np.int32)
    last = np.maximum(np.where(dormant, earliest + since % _DORMANT_LOGINS, _NOW_SECONDS - since), earliest)
    return opened, only(rng, _LOGGED_IN, last.astype(np.int32))


def _email_addresses(mailboxes: Mailboxes, persons: Persons, rows: Integers) -> Column:
    """Addresses with the owner's name, all distinct by the row's number; some in capitals."""
    owner, domain = mailboxes.owner[rows], mailboxes.domain[rows]
    first = texts([words.as_local_part(name) for name in words.first_names()], persons.first_name[owner])
    last = texts([words.as_local_part(name) for name in words.last_names()], persons.last_name[owner])
    named = joined([first, last], ".", skip_nulls=True)
    # A fixed share of rows, spread over the table without a pattern of its own.
    is_mixed = pa.array((rows * 7_919) % 1_000 < _MIXED_CASE * 1_000)
    named = pc.if_else(is_mixed, pc.utf8_title(named), named)
    local = joined([named, pa.array(rows).cast(pa.string())], "")
    return joined([local, texts(words.domains(), domain)], "@")


def _forwarding_addresses(mailboxes: Mailboxes, rows: Integers) -> Column:
    forwards = mailboxes.forwarding_from[rows] != NONE
    local = joined([pa.scalar("post"), pa.array(rows, mask=~forwards).cast(pa.string())], "")
    return joined([local, texts(words.domains(), rows % len(words.domains()))], "@")


def _later(rng: Random, day: Integers) -> Integers:
    """Last days for half of those that have a first one."""
    later = only(rng, _BOUNDED, draw_between(rng, day, day + 2 * _LATER, len(day)))
    return _where(day != NONE, later)


def _where(mask: Mask, values: Integers) -> Integers:
    return np.where(mask, values, NONE).astype(np.int32)
