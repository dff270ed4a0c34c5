"""What few owners have, as ``owner_packing.py`` writes it, changed or read without the rest of the owner.

What belongs here: JSON of a home with its names, and of e-mail addresses, for ``machine.py``. What is written is what
``pack_owner`` writes of the same state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from resolver_grpc.changes.owner_keys import home_form as form_of_home
from resolver_grpc.changes.owner_keys import record_forms
from resolver_grpc.changes.owner_packing import REST_NAMES, home_cells, home_of_cells, write_rest
from resolver_grpc.rows.persons import Home


def of_claim(claimed: int, is_reached: bool) -> bytes:  # noqa: FBT001 - asked by a compiled module, by position
    """What is kept of an owner of whose e-mail address the snapshot has a key, or had none to have.

    Args:
        claimed: when it was claimed.
        is_reached: whether the snapshot has its key.
    """
    if is_reached:
        return b'{"claimed":%d,"email_address":null}' % claimed if claimed else b'{"email_address":null}'
    return b'{"claimed":%d}' % claimed if claimed else b""


def verified(rest: bytes, address: str, instant: int) -> tuple[bytes, bool]:
    """What is kept once an e-mail address was verified of who claimed none that a change told.

    Returns:
        That, and whether the snapshot has a key of another address of the owner's.
    """
    told = _read(rest)
    since: dict[str, int] = told.get("verified", {})
    told["verified"] = since | {address: min(instant, since.get(address, instant))}
    return write_rest({name: told[name] for name in REST_NAMES if name in told}), "email_address" in told


def with_home(rest: bytes, home: bytes) -> tuple[bytes, bool]:
    """What is kept with another home and its names.

    Args:
        rest: what is kept so far.
        home: what ``written_home`` gives.

    Returns:
        That, and whether home and names are the same as before.
    """
    if not rest.startswith(b'{"home":'):
        # It comes before all that others than those with an old number have.
        return b"{" + home + (b"," + rest[1:] if rest else b"}"), False
    if rest.startswith(home, 1):
        return rest, True
    others = {name: value for name, value in _read(rest).items() if name not in {"home", "names"}}
    return b"{" + home + (b"," + write_rest(others)[1:] if others else b"}"), False


def written_home(home: Home, names: tuple[str, ...]) -> bytes:
    """A home and the names of who lives there, as they stand at the beginning of what is kept."""
    cells = home_cells(home)
    (municipality, road), streets, postal_code, town, house_number, floor, door = cells
    text = "".join((municipality, road, *streets, postal_code, town, house_number, floor, door, *names))
    if not text.isprintable() or '"' in text or "\\" in text:
        return write_rest({"home": cells, "names": names})[1:-1]
    # Nothing in it needs another spelling in JSON.
    return (
        f'"home":[["{municipality}","{road}"],{_listed(streets)},"{postal_code}","{town}","{house_number}","{floor}",'
        f'"{door}"],"names":{_listed(names)}'
    ).encode()


def _listed(texts: Sequence[str]) -> str:
    return '["' + '","'.join(texts) + '"]' if texts else "[]"


def home_form(rest: bytes) -> bytes:
    """What the key that stands for the home is the hash of; ``b""`` where it has none."""
    return form_of_home(home_of_cells(_read(rest)["home"]))


def forms(rest: bytes) -> tuple[bytes, ...]:
    """What the keys of home and names are the hashes of."""
    told = _read(rest)
    return tuple(record_forms(home_of_cells(told["home"]), tuple(told["names"])))


def _read(rest: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(rest) if rest else {}
    return told
