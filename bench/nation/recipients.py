"""Recipients as senders name them, by every kind of query, of whom it is known whether they can be found.

What belongs here: for each kind, fields that lead a private sender to a mailbox, whatever the instant within the
horizon, and fields that can be read and lead to nobody. Those by name and address are drawn by ``queries``, and
the others follow from whom it drew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nation import words
from nation.columns import digits, joined, texts
from nation.drawing import NONE, SECONDS_OF_A_DAY, Integers, Mask, day_number, draw_cvr_numbers
from nation.mailboxes import mailbox_columns
from nation.persons import REGISTER_DATE
from nation.places import door_texts, floor_texts, house_number_texts
from nation.queries import queries
from nation.relations import RELATIONS as RELATION_NAMES
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS
from resolver_grpc.model import Kind

if TYPE_CHECKING:
    from nation.columns import Column
    from nation.world import Country

Asking = Callable[["Country", int, int, int], "Column"]
"""Takes a country, how many are to be found, how many not, and a seed; gives the fields, hits first."""

_ADDRESS = ("street_name", "house_number", "floor", "door", "postal_code")
_LIVING, _REPLACED = 1, 60
_RECENTLY = (day_number(REGISTER_DATE) - 4 * 365) * SECONDS_OF_A_DAY
_SPARE = 100


def draw_recipients(country: Country, way: str, count: int, hit_rate: float, seed: int) -> Column:
    """Draws recipients of one way of asking; equal arguments give equal rows.

    Args:
        country: who may be asked for.
        way: a name in ``WAYS``.
        count: how many; they come twice where there are fewer.
        hit_rate: the share that leads to a mailbox, 0 to 1.
        seed: what the draw follows from.

    Returns:
        An Arrow table: the fields under their names in ``query.proto``, null for empty; and ``hit``.
    """
    hits = round(count * hit_rate)
    table = WAYS[way][1](country, hits, count - hits, seed)
    return table.append_column("hit", pa.array(np.arange(count) < hits))


def _by_full_name(country: Country, hits: int, misses: int, seed: int) -> Column:
    """First and last name, and the address as fields."""
    count = hits + misses
    drawn = queries(country, count, hits / max(count, 1), seed)
    return drawn.sort_by([("hit", "descending")]).drop_columns(["hit", "number"])


def _by_line(country: Country, hits: int, misses: int, seed: int) -> Column:
    """First and last name, and the address in one line."""
    drawn = _by_full_name(country, hits, misses, seed)
    house = joined([drawn["street_name"], drawn["house_number"]], " ")
    unit = joined([drawn["floor"], drawn["door"]], ". ")
    postal = joined([drawn["postal_code"], pa.scalar("Byen")], " ")
    return pa.table(
        {"full_name": drawn["full_name"], "address_line": joined([house, unit, postal], ", ", skip_nulls=True)}
    )


def _by_kvhx(country: Country, hits: int, misses: int, seed: int) -> Column:
    """First and last name, and the address as a KVHX key of 19 characters."""
    count = hits + misses
    drawn, person = _draw_sure(country, count + _SPARE, seed)
    homed = np.concatenate([person[:hits], _strangers(country, person, person[hits:count], by_last_name=True)])
    kvhx = _kvhx_keys(country, country.persons.address[homed])
    return pa.table({"full_name": drawn["full_name"][:count], "kvhx": kvhx})


def _by_first_name(country: Country, hits: int, misses: int, seed: int) -> Column:
    """The first name, which nobody else has at the address, and the address as fields."""
    drawn, person = _draw_sure(country, 2 * (hits + misses) + _SPARE, seed)
    everyone = np.arange(len(country.persons.number))
    known = np.sort(_codes(country, everyone, everyone, by_last_name=False))
    own = _codes(country, person, person, by_last_name=False)
    alone = np.flatnonzero(np.searchsorted(known, own, side="right") - np.searchsorted(known, own) == 1)
    named = np.resize(alone, hits + misses)
    # A place among the drawn, as the address is taken from their columns.
    place = {one: row for row, one in enumerate(person.tolist())}
    others = _strangers(country, person, person[named[hits:]], by_last_name=False)
    homed = [*named[:hits].tolist(), *(place[one] for one in others.tolist())]
    first = texts(words.first_names(), country.persons.first_name[person[named]])
    return drawn.select(_ADDRESS).take(homed).append_column("first_name", first)


def _by_address(country: Country, hits: int, misses: int, seed: int) -> Column:
    """The address alone, as fields; a miss asks for a house past the last one of the road."""
    drawn, person = _draw_sure(country, hits + misses, seed)
    addresses = country.addresses
    house, road = addresses.house, addresses.road
    last = np.zeros(len(country.roads.code), house.dtype)
    np.maximum.at(last, road, house)
    home = country.persons.address[person]
    asked = np.where(np.arange(hits + misses) < hits, house[home], last[road[home]] + 1 + home % 10)
    fields = drawn.select(_ADDRESS)
    return fields.set_column(fields.column_names.index("house_number"), "house_number", house_number_texts(asked))


def _by_email(country: Country, hits: int, misses: int, seed: int) -> Column:
    """An e-mail address that was verified and claimed; a miss is one at another domain."""
    boxes, count = country.mailboxes, hits + misses
    owners = int((boxes.owner != NONE).sum())
    # Mailboxes stand in no order, so that any stretch of them is a fair sample.
    length = min(3 * count + _SPARE, owners)
    begin = int(np.random.default_rng(seed).integers(0, owners - length + 1))
    stretch = slice(begin, begin + length)
    sure = (boxes.email_verified != NONE) & (boxes.email_dropped == NONE) & _sound_mailboxes(country)
    chosen = np.resize(np.flatnonzero(sure[stretch] & _sound_persons(country)[boxes.owner[stretch]]), count)
    address = mailbox_columns(boxes, country.persons, stretch)["email_address"].take(pa.array(chosen))
    domain = boxes.domain[stretch][chosen]
    local = pc.list_element(pc.split_pattern(address, "@"), 0)
    asked = np.where(np.arange(count) < hits, domain, (domain + 1) % len(words.domains()))
    return pa.table({"email_address": joined([local, texts(words.domains(), asked)], "@")})


def _by_cpr(country: Country, hits: int, misses: int, seed: int) -> Column:
    """A CPR number; a miss is that of a person without a mailbox."""
    drawn, _ = _draw_sure(country, hits, seed)
    persons, owner = country.persons, country.mailboxes.owner
    without = persons.status != _REPLACED
    without[owner[owner != NONE]] = False
    missed = np.random.default_rng(seed).choice(persons.number[without], misses)
    return pa.table({"number": pa.concat_arrays([*drawn["number"].chunks, digits(missed, 10)])})


def _by_cvr(country: Country, hits: int, misses: int, seed: int) -> Column:
    """A CVR number; a miss is that of an organisation without a mailbox."""
    rng, boxes = np.random.default_rng(seed), country.mailboxes
    organisations = boxes.number[boxes.owner == NONE]
    found = rng.choice(boxes.number[(boxes.owner == NONE) & _sound_mailboxes(country)], hits)
    others = np.setdiff1d(draw_cvr_numbers(rng, misses + len(organisations)), organisations)
    return pa.table({"number": digits(np.concatenate([found, rng.choice(others, misses)]), 8)})


WAYS: dict[str, tuple[Kind, Asking]] = {
    "full_name": (Kind.FULL_NAME, _by_full_name),
    "full_name_line": (Kind.FULL_NAME, _by_line),
    "full_name_kvhx": (Kind.FULL_NAME, _by_kvhx),
    "first_name": (Kind.FIRST_NAME, _by_first_name),
    "address": (Kind.ADDRESS, _by_address),
    "email": (Kind.EMAIL, _by_email),
    "cpr": (Kind.CPR, _by_cpr),
    "cvr": (Kind.CVR, _by_cvr),
}
"""The ways of asking by name: the kind that each is of, and who draws its recipients."""


def _draw_sure(country: Country, count: int, seed: int) -> tuple[Column, Integers]:
    """Persons who are found by name and address: the fields as ``queries`` gives them, and their places."""
    drawn = queries(country, count, 1.0, seed).combine_chunks()
    numbers = drawn["number"].cast(pa.int64()).to_numpy()
    return drawn, np.searchsorted(country.persons.number, numbers)


def _strangers(country: Country, others: Integers, named: Integers, *, by_last_name: bool) -> Integers:
    """For each of the named one of the others, of whom there are some to spare, where nobody of that name lives."""
    everyone = np.arange(len(country.persons.number))
    known = np.sort(_codes(country, everyone, everyone, by_last_name=by_last_name))
    found = np.resize(np.roll(others, 1), len(named))
    for step in itertools.count(2):
        codes = _codes(country, named, found, by_last_name=by_last_name)
        clash = known[np.minimum(np.searchsorted(known, codes), len(known) - 1)] == codes
        if not clash.any():
            break
        found[clash] = np.resize(np.roll(others, step), len(named))[clash]
    return found


def _codes(country: Country, named: Integers, homed: Integers, *, by_last_name: bool) -> Integers:
    """One number for the name and the address of each: equal where both are."""
    persons = country.persons
    names = persons.first_name[named].astype(np.int64)
    if by_last_name:
        names = names * (len(words.last_names()) + 1) + persons.last_name[named] + 1
    codes: Integers = names * (len(country.addresses.road) + 1) + persons.address[homed] + 1
    return codes


def _kvhx_keys(country: Country, home: Integers) -> Column:
    road, addresses = country.addresses.road[home], country.addresses
    parts = [digits(country.roads.municipality[road], 4), digits(country.roads.code[road], 4)]
    for text, width in (
        (house_number_texts(addresses.house[home]), 4),
        (floor_texts(addresses.floor[home]), 3),
        (door_texts(addresses.door[home]), 4),
    ):
        parts.append(pc.utf8_lpad(text.fill_null(""), width, "_"))
    return joined(parts, "")


def _sound_persons(country: Country) -> Mask:
    """Persons whose rows are good, who live at one address, and are not protected."""
    persons, bad = country.persons, country.spoiled[PERSONS.name]
    sound: Mask = (persons.status == _LIVING) & (persons.protected_from == NONE) & (persons.old_number == NONE)
    sound[bad.rows] = False
    sound[bad.repeating - 1] = False
    return sound


def _sound_mailboxes(country: Country) -> Mask:
    """Mailboxes that are open to private senders throughout, whose rows are good, and that no sender lost."""
    boxes, relations = country.mailboxes, country.relations
    sound: Mask = (boxes.last_login > _RECENTLY) & (boxes.closed == NONE) & (boxes.private_closed == NONE)
    bad, bad_relations = country.spoiled[MAILBOXES.name], country.spoiled[RELATIONS.name]
    sound[bad.rows] = False
    sound[bad.repeating - 1] = False
    sound[relations.mailbox[bad_relations.rows]] = False
    sound[relations.mailbox[bad_relations.repeating - 1]] = False
    sound[relations.mailbox[relations.relation == RELATION_NAMES.index("OPTED_OUT")]] = False
    return sound
