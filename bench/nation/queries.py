"""Queries about a country whose answers are known: a sample of people who can be found, and of names that can't.

What belongs here: who is sure to be found by name and address, drawn and spelt as a sender would. Nothing is
read back from the tables: a country is made from its size and seed, five million mailboxes in half a minute.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nation import words
from nation.columns import digits, texts
from nation.drawing import NONE, Integers, Mask
from nation.mailboxes import is_findable
from nation.persons import full_names, street_names_known
from nation.places import door_texts, floor_texts, house_number_texts
from nation.relations import RELATIONS as RELATION_NAMES
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS

if TYPE_CHECKING:
    from nation.columns import Column
    from nation.world import Country

_LIVING = 1


def queries(country: Country, count: int, hit_rate: float, seed: int) -> Column:
    """Draws queries of kind FULL_NAME, as an Arrow table; equal arguments give equal rows.

    Args:
        country: who may be asked for.
        count: how many queries; people come twice where there are fewer.
        hit_rate: the share of queries that lead to the one person meant, 0 to 1; the others join the name of one
            person to the address of another, and lead to nobody.
        seed: what the draw follows from.

    Returns:
        The fields ``full_name``, ``street_name``, ``house_number``, ``floor``, ``door``, ``postal_code`` under
        their names in ``query.proto``, null for empty; beside them ``hit``, and for hits the ``number``, which
        serves queries by CPR number too.
    """
    rng = np.random.default_rng(seed)
    persons = country.persons
    everyone = np.arange(len(persons.number))
    known = np.sort(_codes(country, everyone, everyone))
    sure = _sure_persons(country, known)
    hits = round(count * hit_rate)
    named = rng.choice(sure, count)
    homed = np.concatenate([named[:hits], _strangers(country, known, named[hits:], rng.permutation(sure))])
    order = rng.permutation(count)
    named, homed, hit = named[order], homed[order], order < hits
    home = persons.address[homed]
    road = country.addresses.road[home]
    in_full = street_names_known(road) & (rng.random(count) < 0.5)  # noqa: PLR2004 - either spelling
    street = country.roads.street[road]
    full, short = words.streets()
    return pa.table(
        {
            "full_name": full_names(persons, named),
            "street_name": texts([*full, *short], street + np.where(in_full, 0, len(full))),
            "house_number": house_number_texts(country.addresses.house[home]),
            "floor": floor_texts(country.addresses.floor[home]),
            "door": door_texts(country.addresses.door[home]),
            "postal_code": digits(country.roads.postal_code[road], 4),
            "hit": pa.array(hit),
            "number": digits(np.where(hit, persons.number[named], NONE), 10),
        }
    )


def _sure_persons(country: Country, known: Integers) -> Integers:
    """Persons whom a private sender reaches by name and address, whatever the instant within the horizon.

    Args:
        country: where they live.
        known: the codes of everyone, sorted.
    """
    persons, boxes = country.persons, country.mailboxes
    sure = is_findable(boxes) & ~_touched_mailboxes(country)
    owner = boxes.owner[sure & (boxes.owner != NONE)]
    bad = np.zeros(len(persons.number), np.bool_)
    bad[country.spoiled[PERSONS.name].rows] = True
    bad[country.spoiled[PERSONS.name].repeating - 1] = True
    plain = (persons.status == _LIVING) & (persons.last_name != NONE) & (persons.protected_from == NONE)
    plain &= ~bad & (persons.old_number == NONE)
    owner = owner[plain[owner]]
    road = country.addresses.road[persons.address[owner]]
    bad_road = country.roads.shared.copy()
    bad_road[country.spoiled[ROADS.name].rows] = True
    owner = owner[~bad_road[road]]
    own = _codes(country, owner, owner)
    return np.sort(owner[np.searchsorted(known, own, side="right") - np.searchsorted(known, own) == 1])


def _touched_mailboxes(country: Country) -> Mask:
    """Mailboxes that a bad row may take out, or whose owners opted out of some sender."""
    touched = np.zeros(len(country.mailboxes.number), np.bool_)
    rows = country.spoiled[MAILBOXES.name]
    touched[rows.rows] = True
    touched[rows.repeating - 1] = True
    relations, bad = country.relations, country.spoiled[RELATIONS.name]
    touched[relations.mailbox[bad.rows]] = True
    touched[relations.mailbox[bad.repeating - 1]] = True
    touched[relations.mailbox[relations.relation == RELATION_NAMES.index("OPTED_OUT")]] = True
    return touched


def _strangers(country: Country, known: Integers, named: Integers, others: Integers) -> Integers:
    """For each of the named somebody at whose address nobody of that first and last name lives."""
    found = np.resize(others, len(named))
    for step in itertools.count(1):
        codes = _codes(country, named, found)
        clash = known[np.minimum(np.searchsorted(known, codes), len(known) - 1)] == codes
        if not clash.any():
            break
        found[clash] = np.resize(np.roll(others, step), len(named))[clash]
    return found


def _codes(country: Country, named: Integers, homed: Integers) -> Integers:
    """One number for the first name, last name and address of each: equal where all three are."""
    persons = country.persons
    names = persons.first_name[named].astype(np.int64) * (len(words.last_names()) + 1) + persons.last_name[named] + 1
    codes: Integers = names * (len(country.addresses.road) + 1) + persons.address[homed] + 1
    return codes
