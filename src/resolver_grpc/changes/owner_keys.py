"""The index keys that lead to an owner after a change: what the log keeps with it, so that nobody hashes it again.

Source of the rules: domain rules, section 5, "Data minimisation": address and e-mail keys are made only of who can be
reached that way at some instant. Only the builder has the table of roads: a street is known by the spellings that the
owner's own record gives.
"""

from __future__ import annotations

from collections.abc import Iterator

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.keys import IndexKeys, KeyKind, place_form, place_forms
from resolver_grpc.policy.reach import BY_ADDRESS, BY_EMAIL, Condition
from resolver_grpc.rows.cells import WHENEVER, Span, is_cpr
from resolver_grpc.rows.persons import Home


def keys_of(state: OwnerState, keys: IndexKeys) -> tuple[bytes, ...]:
    """All keys that lead to an owner, each once: of the numbers, of the home with the names, of the e-mail address."""
    return tuple(dict.fromkeys(_keys_of(state, keys)))


def address_key(home: Home | None, keys: IndexKeys) -> bytes | None:
    """The key that stands for a home, one for all who live there; None where it has none.

    It is the builder's, but where the register gives no codes: there the builder takes the spellings of the table of
    roads, which no change knows, and all that the own record says stands for the home.
    """
    form = home_form(home) if home else b""
    return keys.hash(form) if form else None


def home_form(home: Home) -> bytes:
    """What the key that stands for a home is the hash of; ``b""`` where it has none, see ``address_key``."""
    if not home.has_key:
        return b""
    if home.has_road:
        return place_form(home.kvhx)
    if not home.streets or not home.postal_code:
        return b""
    return place_form(home.text(" ".join(sorted(home.streets)), home.town))


def record_forms(home: Home, names: tuple[str, ...]) -> Iterator[bytes]:
    """What the keys of a home with the names of who lives there are the hashes of; none where it can't be addressed."""
    if home.has_key:
        for place in _places(home):
            yield from place_forms(place, names)


def is_reached(state: OwnerState, condition: Condition, window: Span = WHENEVER) -> bool:
    """Whether an owner fulfils a condition at any instant of a window."""
    facts = (*condition.all_of, *condition.none_of)
    # Nothing changes between two edges.
    told = {edge for fact in facts for span in state.facts.get(fact, ()) for edge in span}
    edges = {window.start, *(edge for edge in told if window.start < edge < window.end)}
    return any(
        all(_holds(state, fact, edge) for fact in condition.all_of)
        and not any(_holds(state, fact, edge) for fact in condition.none_of)
        for edge in edges
    )


def _holds(state: OwnerState, fact: str, instant: int) -> bool:
    return any(span.start <= instant < span.end for span in state.facts.get(fact, ()))


def _keys_of(state: OwnerState, keys: IndexKeys) -> Iterator[bytes]:
    kind = KeyKind.CPR if is_cpr(state.number) else KeyKind.CVR
    for number in (state.number, *state.old_numbers):
        yield keys.key(kind, number)
    if state.home and is_reached(state, BY_ADDRESS):
        yield from map(keys.hash, record_forms(state.home, state.names or ()))
    if state.email_address and is_reached(state, BY_EMAIL):
        yield keys.key(KeyKind.EMAIL, state.email_address)


def _places(home: Home) -> Iterator[Address | Kvhx]:
    """KVHX, and each spelling of the text; with its town too, which is asked for only where two roads share a text."""
    if home.has_road:
        yield home.kvhx
    if home.postal_code:
        for street in sorted(home.streets):
            yield home.text(street)
            if home.town:
                yield home.text(street, home.town)
