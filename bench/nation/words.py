"""The words that a country is made of: names, streets in full and in short, towns, domains.

What belongs here: lists of texts, the frequent ones first; who bears which is drawn elsewhere. No two names
of one list are equal in canonical form, so that equal numbers of a list are equal names.
"""

from __future__ import annotations

from functools import cache
from itertools import chain, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resolver_grpc.build.population import names, places
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.canonical.text import fold_text

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_NAMES, _LAST_NAMES, _MIDDLE_NAMES, _DOMAINS, _TOWNS = 20_000, 60_000, 4_000, 20_000, 400
_SHORT_LENGTH = 20
_STARTS = (
    "Al An Ar As Be Bir Bo Ca Da Dag El Em Er Es Fa Fi Fre Ga Ger Gu Ha Hel Hen Hil I In Is Ja Jo Ka Ker Kri La Le Li "
    "Lou Ma Mar Me Mi Na Ni No O Ol Pa Per Ra Re Ro Sa Se Sig Si So Sø Ta Te Ti To Tho Tor U Va Ve Vi Wil Ya Zo Æ Ø "
    "Øs Å Ås"
).split()
_MIDDLES = "be da de di do fi ga la le li lo ma mi mo na ni no ra re ri ro sa se si ta te ti va ve vi".split()
_ENDS = "a e an as en er i ia ie in ine is na ne o on rd rik st th us é ë ø".split()
_LAST_STARTS = (
    "Abild Ag Al Ager Bak Bal Bech Bir Bjer Blå Bo Bor Brand Bre Brø By Bæk Bø Dal Dam Dra Dyb Eg Ege El Elle En Es "
    "Fal Fisk Fre Frost Fug Fær Gam Geis Gra Grøn Gul Gær Ha Had Har Has Hau Hav Hede Hel Hjort Hol Hor Hø Hør Ib Is "
    "Jels Jul Kal Kirke Kjær Klint Knud Kol Kro Ky Kær Lau Lil Lin Lund Lyk Løv Mad Mal Mar Mel Mol Munk Mør Nis Nor "
    "Nør Od Ol Oster Over Pil Por Præst Raf Ran Rav Rin Ro Ros Rud Ry Rød Røn Sand Sejer Skal Skov Sol Stak Sten Stor "
    "Sun Svan Søn Tang Ter Thor Toft Tor Trold Tved Ul Vad Van Ved Vester Vi Vin Voll Vrå Væ Win Ørn Øster Ål Års"
).split()
_LAST_ENDS = (
    "bak berg bjerg bo borg bro by bæk bøl dahl dal fort gaard gren gård have hoff holdt holm holt hus høj kilde kjær "
    "krog land lev lund lyng mark mose mølle næs ning rup sen skov strand strup strøm sted sø toft trup vad vang vig "
    "ø ås"
).split()
_BEFORE_STREETS = ("", "Lille ", "Store ", "Ny ", "Øvre ", "Indre ")
_TITLES = {"Professor": "Prof", "Doktor": "Dr", "Admiral": "Adm", "General": "Gen", "Provst": "Pr", "Kong": "Kg"}
_DOMAIN_STEMS = "mail post hjem net bolig familien gaarden firma klub web sky brev kontor skole vaerk".split()
_GREAT_DOMAINS = (
    "gmail.com",
    "hotmail.com",
    "live.dk",
    "outlook.com",
    "icloud.com",
    "mail.dk",
    "yahoo.dk",
    "blåbær.dk",
)


class Streets(NamedTuple):
    """Street names in full, and the official short form of each, of at most 20 characters."""

    full: list[str]
    short: list[str]


@cache
def first_names() -> list[str]:
    """First names, hyphenated ones among them."""
    known = [name for pair in zip(names.FEMALE, names.MALE, strict=False) for name in pair]
    made = ["".join(parts) for parts in _mixed(product(_STARTS, ["", *_MIDDLES], _ENDS))]
    doubled = ["-".join(pair) for pair in _mixed(product(known[:80], known[:80]))]
    mixed = chain.from_iterable(zip(made[::4], made[1::4], made[2::4], made[3::4], doubled, strict=False))
    return _distinct(chain(known, mixed, made), _FIRST_NAMES)


@cache
def last_names() -> list[str]:
    """Last names, hyphenated ones among them."""
    made = ["".join(parts) for parts in _mixed(product(_LAST_STARTS, _LAST_ENDS))]
    longer = ["".join(parts) for parts in _mixed(product(_LAST_STARTS, ["er", "e", "s", "inge"], _LAST_ENDS))]
    sons = [f"{name}sen" for name in first_names()[200:] if "-" not in name]
    doubled = ["-".join(pair) for pair in _mixed(product(names.LAST, made[:200]))]
    mixed = chain.from_iterable(zip(made, sons, doubled, strict=False))
    return _distinct(chain(names.LAST, mixed, longer, sons, doubled), _LAST_NAMES)


@cache
def middle_names() -> list[str]:
    """Middle names: what may also be a first or a last name."""
    pairs = zip(first_names(), last_names(), strict=False)
    return _distinct(chain(names.MIDDLE, chain.from_iterable(pairs)), _MIDDLE_NAMES)


@cache
def streets() -> Streets:
    """Street names: half of the short forms are the full name; no two streets share any canonical form."""
    plain = (f"{before}{stem}{end}" for before, stem, end in product(_BEFORE_STREETS, places.STEMS, places.ENDINGS))
    titles = {**places.BEGINNINGS, **_TITLES}
    people = [*places.SURNAMES, *(f"{name}s" for name in last_names()[:150] if not name.endswith("s"))]
    named = _mixed(product(titles, people, places.LONG_ENDINGS))
    short = {name: name for name in plain if len(name) <= _SHORT_LENGTH}
    for title, person, end in list(named)[: len(short)]:
        short[f"{title} {person} {end}"] = f"{titles[title]} {person}{places.SHORT_ENDINGS[end]}"[
            :_SHORT_LENGTH
        ].strip()
    taken: set[str] = set()
    kept: dict[str, str] = {}
    for full, brief in short.items():
        forms = {canonical_street(full), canonical_street(brief)}
        if taken.isdisjoint(forms):
            taken |= forms
            kept[full] = brief
    return Streets(list(kept), list(kept.values()))


@cache
def towns() -> list[str]:
    """Supplementary towns."""
    made = (
        "".join(parts) for parts in _mixed(product(_LAST_STARTS, ["rup", "sted", "lev", "bjerg", " Huse", " Mark"]))
    )
    return _distinct(chain(places.TOWNS, made), _TOWNS)


@cache
def domains() -> list[str]:
    """Domains of e-mail addresses, a few with letters beyond ASCII."""
    made = (f"{stem}{number}.dk" for number, stem in product(range(2_000), _DOMAIN_STEMS))
    return _distinct(chain(_GREAT_DOMAINS, made), _DOMAINS)


def as_local_part(name: str) -> str:
    """A name as people write it in an e-mail address."""
    return "".join(letter for letter in fold_text(name) if letter.isascii() and letter.isalnum())


def _mixed(parts: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The same parts, always in the same disorder."""
    listed = list(parts)
    return [listed[place] for place in np.random.default_rng(0).permutation(len(listed))]


def _distinct(candidates: Iterable[str], count: int) -> list[str]:
    """The first so many that differ in canonical form."""
    found: dict[str, str] = {}
    for name in candidates:
        found.setdefault(fold_text(name), name)
        if len(found) == count:
            return list(found.values())
    raise ValueError("too few words for the list")
