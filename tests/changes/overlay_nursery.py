"""Registers with changes laid over them, and the registers that are built of the rows after the changes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

from change_messages import message
from resolver_grpc.build.assemble import assemble, in_order_of_ordinals
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.sources import Sources
from resolver_grpc.changes import events
from resolver_grpc.changes.bearing import effects
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.reasons import RefusedChangeError
from resolver_grpc.changes.refusing import refusal
from resolver_grpc.handles import Handles, NamedOwner
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow, Role
from resolver_grpc.resolve import Resolver
from resolver_grpc.rows.cells import Span
from resolver_grpc.times import parse_time
from rows_model import RowsModel
from small_register import KNOWN_SENDERS

KEY = MasterKey(b"overlay" + bytes(25))
HANDLES = Handles([KEY.handles_secret])
BASE = b"a snapshot's id."
EXPORTED = parse_time("2026-10-22T22:00:00Z")
"""When the tables were exported that the snapshot was built of: a midnight."""
WINDOW = Span(EXPORTED, EXPORTED + 30 * 86_400)
SENDERS = [KNOWN_SENDERS["power"], KNOWN_SENDERS["town"]]


def content_of(rows, roads=(), window=WINDOW):
    """What a snapshot of some owners' rows and roads holds within a horizon; no row may be rejected."""
    sources = Sources()
    for row in roads:
        sources.add_road(1, row)
    for of_owner in rows:
        for take, some in zip((sources.add_person, sources.add_mailbox, sources.add_relation), of_owner, strict=True):
            for row in some:
                take(1, row)
    assert not sources.rejects.rows
    owners = in_order_of_ordinals(join_owners(sources), KEY.index_keys)
    return assemble(owners, Entries(KEY.index_keys, sources.roads, window), lambda _: None)


def resolver_of(index):
    return Resolver(index, KEY.index_keys, ALWAYS, HANDLES)


class Register:
    """Owners who lived through events: before the export by the rows alone, after it by rows and overlay alike.

    An event is a name, an owner's number, a time and fields. Another overlay follows by what was worked out over the
    first one, which is in ``laid``.
    """

    def __init__(self, *before, roads=()):
        self.models, self.instants = {}, {EXPORTED}
        self.edit(before)
        self.content, self.laid = content_of(self.rows_at(EXPORTED), roads), []
        below = MemoryIndex(self.content)
        self.overlay, self.other = (Overlay(below, KEY.index_keys, WINDOW, BASE) for _ in range(2))
        self.index, self.followed = map(OverlaidIndex, (self.overlay, self.other))

    def rows_at(self, instant):
        return [model.rows_at(instant) for model in dict.fromkeys(self.models.values()) if model.opened is not None]

    def edit(self, told):
        """Lets events edit the rows alone, with what each does to others, as the owners' states have it."""
        states = {}
        for name, number, time, fields in told:
            change = parse_change(message(name, number, time, **fields))
            state = apply_change(states.get(number), change)
            model = self.model_of(number)
            model.take(name, change.instant, getattr(message(name, number, time, **fields), name))
            states[number] = states[state.number] = state
            self.models[model.number] = model
            assert not effects(state, change, []), "let nobody's claim move before the export"

    def model_of(self, number):
        return self.models.setdefault(number, RowsModel(number))

    def refusal(self, name, number, time, **fields):
        """Why an event would not be taken."""
        return refusal(self.overlay.state(number), parse_change(message(name, number, time, **fields)))

    def take(self, name, number, time, **fields):
        """Lets an event happen after the export; tells whether it was taken."""
        sent = message(name, number, time, **fields)
        try:
            change = parse_change(sent)
        except RefusedChangeError:
            return False
        before = self.overlay.state(number)
        if refusal(before, change):
            return False
        others = self.claimants(change.event.email_address, number) if name.startswith("email") else []
        state = apply_change(before, change)
        model = self.model_of(number)
        model.take(name, change.instant, getattr(sent, name))
        self.models[model.number] = model
        for effect in effects(state, change, others):
            self.models[effect.number].take("email_dropped", effect.instant, effect.event)
            self.instants.add(effect.instant)
        keys = keys_of(state, KEY.index_keys)
        # As of an instant at which something was asked, as it is while a server answers.
        self.followed.facts_at(change.instant)
        self.laid.append((self.overlay.after(change, state, keys), change, keys))
        follow(self.other, *self.laid[-1])
        self.overlay.take(change, keys)
        assert [self.overlay.packed(one) for one in range(self.overlay.owners)] == [
            self.other.packed(one) for one in range(self.other.owners)
        ]
        if not effects(state, change, others) and name != "number_replaced":
            assert self.overlay.state(number) == self.other.state(number) == without_blanks(state)
        self.instants.add(change.instant)
        return True

    def claimants(self, address, number):
        """The numbers of all others who claim an address, by the rows."""
        mine = self.model_of(number)
        return [one.number for one in dict.fromkeys(self.models.values()) if one is not mine and one.email == address]

    def seconds(self):
        """The second before, at and after each instant, from the export on."""
        near = {instant + by for instant in self.instants for by in (-1, 0, 1)}
        return sorted(second for second in near if second >= EXPORTED)

    def built(self, instant):
        """An index of the rows as they would be exported at an instant."""
        return MemoryIndex(content_of(self.rows_at(instant)))

    def ask(self, query, instant, sender=SENDERS[1], index=None, role=Role.DELIVERY):
        """The reason, and the numbers that are reached."""
        (decision,) = resolver_of(index or self.index).resolve([query], sender, parse_time(instant), role=role)
        return decision.reason.name, [target.number for target in decision.targets]


def follow(overlay, after, change, keys):
    """Takes a change by what was worked out, where that is all of it."""
    assert after or isinstance(change.event, events.NumberReplaced | events.EmailVerified | events.EmailClaimed)
    assert overlay.follow(after) == bool(after)
    if not after:
        overlay.take(change, keys)


def without_blanks(state):
    """A state without the facts of which no end is told, which it may name."""
    return replace(state, ended={fact: ends for fact, ends in state.ended.items() if ends})


@cache
def handle(sender_id, number, way):
    return HANDLES.issue(sender_id, [NamedOwner(number, way)])[0]


def queries(numbers, houses, names, emails, sender_id):
    """Every way of asking for some people."""
    places = [{"kvhx": f"07511234__{house}_______"} for house in houses]
    places += [{"street_name": "Vestergade", "house_number": house, "postal_code": "8000"} for house in houses]
    for place in places:
        yield QueryRow("", Kind.ADDRESS, **place)
        for name in names:
            yield QueryRow("", Kind.FULL_NAME, full_name=name, **place)
        for first_name in dict.fromkeys(name.split()[0] for name in names):
            yield QueryRow("", Kind.FIRST_NAME, first_name=first_name, **place)
    for email in emails:
        yield QueryRow("", Kind.EMAIL, email_address=email)
    for number in numbers:
        kind = Kind.CVR if len(number) == 8 else Kind.CPR
        yield QueryRow("", kind, number=number)
        for way in [kind] if kind is Kind.CVR else [Kind.CPR, Kind.FULL_NAME, Kind.ADDRESS, Kind.EMAIL]:
            yield QueryRow("", Kind.HANDLE, handle=handle(sender_id, number, way))


def told(query):
    """A query's fields, for a failing test."""
    return SimpleNamespace(**{name: value for name in query.__dataclass_fields__ if (value := getattr(query, name))})
