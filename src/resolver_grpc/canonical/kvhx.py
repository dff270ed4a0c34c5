"""KVHX address keys: municipality, road, house number, floor and door in one text.

Source of the rules: domain rules, section 4, "KVHX". Two layouts are told apart by their length alone:
19 characters, each part padded on its left, as the address authority writes them
(``04201074___6_st__tv``); and the CPR register's 18 (``08518512002 02  th``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from resolver_grpc.canonical.address import parse_door, parse_floor, parse_house_number
from resolver_grpc.canonical.text import UnreadableError

# Blanks are `_` by the time these are asked. Pads stand on the left of each part only.
_LAYOUTS = {
    19: re.compile(
        r"([0-9]{4})([0-9]{4})(?=.{4}(?:.{7})$)_*([0-9]{1,3}[a-z]?)(?=.{7}$)_*([a-z0-9]*)(?=.{4}$)_*([a-z0-9/-]*)"
    ),
    18: re.compile(r"([0-9]{4})([0-9]{4})([0-9]{3}[a-z_])(?=.{6}$)_*([a-z0-9]*)(?=.{4}$)_*([a-z0-9/-]*)"),
}
_FLOOR = re.compile(r"0*[1-9][0-9]?|st|kl|k[2-9]|")

NO_STREET_FROM = "9900"
"""Road codes from here on name no real street (9900-9999)."""


class Kvhx(NamedTuple):
    """A KVHX key in canonical form; floor and door may be empty."""

    municipality_code: str
    road_code: str
    house_number: str
    floor: str
    door: str


def is_real_street(road_code: str) -> bool:
    """Whether a road code of four digits names a street at all."""
    return road_code < NO_STREET_FROM


def parse_kvhx(text: str) -> Kvhx:
    """Reads either layout, in upper or lower case, padded with blanks or ``_``.

    Leading and trailing blanks count, for they are padding.

    Raises:
        UnreadableError: it has another length or layout, no house number, or a road code that names no
            real street.
    """
    layout = _LAYOUTS.get(len(text))
    found = layout.fullmatch(text.lower().replace(" ", "_")) if layout and text.isascii() else None
    if not found or not is_real_street(found[2]) or not _FLOOR.fullmatch(found[4]):
        raise UnreadableError("not a KVHX key")
    house_number = parse_house_number(found[3].replace("_", ""))
    return Kvhx(found[1], found[2], house_number, parse_floor(found[4]), parse_door(found[5]))
