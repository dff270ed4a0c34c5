"""The fast way of judging: which events it takes, and what it is told of each.

What belongs here: recipes. An event is a way in which one fact changes, and a record of the register that it may bring.
The compiled machine knows the ways, on packed owners, and nothing of events; ``owner.py`` says what an event does, and
``Laying`` works it out the plain way, as it does every other event, and for every owner of whom something unusual is
known. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver_grpc.changes import events, rests
from resolver_grpc.changes.after import base_of
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.owner import in_force_of_notice, used_until
from resolver_grpc.changes.owner_keys import home_form, record_forms
from resolver_grpc.changes.packed_owner import COMMON_FACTS
from resolver_grpc.changes.refusing import SOON_SECONDS
from resolver_grpc.changes.state import end_of_day
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.keys import IndexKeys, KeyKind, form_of
from resolver_grpc.model import Fact, Relation
from resolver_grpc.rows.cells import Span, is_cpr
from resolver_grpc.rows.persons import LIVING_THERE, OUT_OF_EMAIL, Person

try:
    from resolver_grpc.changes._owner_machine import Below, OwnerMachine
except ImportError:  # the package was installed without a C compiler
    KERNEL = False
else:
    KERNEL = True
    """Whether the compiled module is there; without it the plain way works everything out."""

if TYPE_CHECKING:
    from resolver_grpc.changes.overlay import Overlay

Worked = tuple[tuple[bytes, ...], bytes]
"""The keys that lead to an owner after a change, and what ``Overlay.after`` gives."""


@unique
class Way(IntEnum):
    """How a fact changes; of ``state.py``'s functions and ``owner.py``'s."""

    NOT_AT_ALL = 0
    BEGINS = 1
    ENDS = 2
    LASTS = 3
    CLOSES = 4
    BEGINS_EARLIEST = 5
    IS_NOTICED = 6
    IS_VERIFIED = 7


class Recipe(NamedTuple):
    """What an event does.

    Attributes:
        way: how a fact changes.
        fact: names it, of the event.
        value: the instant that the way asks for, of when the event takes effect.
    """

    way: Way
    fact: Callable[[Any], str]
    value: Callable[[int], int] = lambda _: 0


class Machine:
    """Works changes out over one snapshot by the compiled machine.

    Args:
        overlay: what changes before these came to.
        index: the snapshot's.
        keys: makes its keys.
        window: its horizon.
        name: names the snapshot.
    """

    def __init__(self, overlay: Overlay, index: LmdbIndex, keys: IndexKeys, window: Span, name: bytes) -> None:
        common = {str(fact): number for number, fact in enumerate(COMMON_FACTS)}
        below = Below(index, index.raw, index.raw_spans, common)
        over = _Over(overlay)
        self._machine = OwnerMachine(
            keys.secret, below, over, base_of(name), window, rests, KeyKind.KVHX_ADDRESS, SOON_SECONDS
        )

    def work_out(self, change: Change, former: bytes | None) -> Worked | None:
        """What a change comes to, where it is usual, can't be refused, and touches nobody else; None of any other.

        Args:
            change: one that could be read.
            former: what the last change of the same group to its owner came to.
        """
        recipe = RECIPES.get(type(change.event))
        if recipe is None:
            return None
        person: Person | None = getattr(change.event, "person", None)
        if person and person.protections:
            return None
        number, instant, event = change.number, change.instant, change.event
        form = form_of(KeyKind.CPR if is_cpr(number) else KeyKind.CVR, number)
        record = _record_of(person, instant) if person else None
        address = event.email_address if isinstance(event, events.EmailVerified) else ""
        value = recipe.value(instant)
        return self._machine.work_out(
            number.encode(), form, former, instant, recipe.way, recipe.fact(event), value, address, record
        )


class _Over:
    """The overlay, as far as the machine asks it."""

    def __init__(self, overlay: Overlay) -> None:
        self.under: Callable[[bytes], tuple[int, ...] | None] = overlay.table.get
        self.packed = overlay.packed
        self.fact_names = overlay.kept.names.names


def _record_of(person: Person, instant: int) -> tuple[bool, bool, bytes, int, tuple[bytes, ...], bytes]:
    """A record of the register as the machine takes it.

    Returns:
        Whether the person lives there, and may be reached by e-mail; home and names as they are kept; until when former
        protections hold; what the keys are the hashes of, and that of the home's own.
    """
    home, names = person.home, person.names
    forms = tuple(record_forms(home, names))
    return (
        person.status in LIVING_THERE,
        person.status not in OUT_OF_EMAIL,
        rests.written_home(home, names),
        end_of_day(instant),
        forms,
        # The key of a home on a real street is the first of those that lead there.
        forms[0] if forms and home.has_road else home_form(home),
    )


def _of(fact: Fact) -> Callable[[Any], str]:
    return lambda _event: fact.value


def _to(relation: Relation) -> Callable[[Any], str]:
    return lambda event: relation.to(event.sender_id)


RECIPES: Final[dict[type, Recipe]] = {
    events.MailboxClosed: Recipe(Way.CLOSES, _of(Fact.MAILBOX)),
    events.LoggedIn: Recipe(Way.LASTS, _of(Fact.LOGIN), used_until),
    events.PrivatePostEnded: Recipe(Way.BEGINS_EARLIEST, _of(Fact.PRIVATE_CLOSED)),
    events.AddressConsentGiven: Recipe(Way.BEGINS, _of(Fact.CONSENT)),
    events.AddressConsentWithdrawn: Recipe(Way.ENDS, _of(Fact.CONSENT)),
    events.Moved: Recipe(Way.NOT_AT_ALL, _of(Fact.RESIDENT)),
    events.Renamed: Recipe(Way.NOT_AT_ALL, _of(Fact.RESIDENT)),
    events.EmailVerified: Recipe(Way.IS_VERIFIED, _of(Fact.CLAIM)),
    events.Subscribed: Recipe(Way.BEGINS, _to(Relation.SUBSCRIBED)),
    events.Unsubscribed: Recipe(Way.ENDS, _to(Relation.SUBSCRIBED)),
    events.Bound: Recipe(Way.BEGINS, _to(Relation.BOUND)),
    events.AgreementEnded: Recipe(Way.ENDS, _to(Relation.BOUND)),
    events.OptedOut: Recipe(Way.IS_NOTICED, _to(Relation.OPTED_OUT), in_force_of_notice),
}
"""What the events do that the machine takes; ``owner._TAKEN`` has all."""
