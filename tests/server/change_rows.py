"""Everybody's rows, edited by hand, what may happen to them, and every way of asking for them."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from change_messages import message, person
from resolver_grpc.build.assemble import assemble, in_order_of_ordinals
from resolver_grpc.build.entries import Entries, reachable_within
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.sources import Sources
from resolver_grpc.handles import Handles, NamedOwner
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Fact, Kind, QueryRow
from resolver_grpc.resolve import Resolver
from resolver_grpc.rows.cells import Span
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from rows_model import RowsModel
from small_register import KNOWN_SENDERS

ANN, BO, IDA, KIM, LIS, FIRM = "0101801239", "0202812345", "0606856789", "0808878901", "0909889012", "13585628"
PEOPLE = [ANN, BO, IDA, KIM]
EMAILS = dict(zip(PEOPLE, ("ann@post.dk", "bo@post.dk", "ida@post.dk", "kim@post.dk"), strict=True))
KEY = MasterKey(b"model" + bytes(27))
EXPORTED = parse_time("2026-10-31T23:00:00Z")
SENDERS = [KNOWN_SENDERS["power"], KNOWN_SENDERS["town"]]

HOMES = st.builds(person, house_number=st.sampled_from(["12", "14"]), full_name=st.sampled_from(["Ann Sø", "Bo Sø"]))
PROTECTIONS = st.lists(
    st.builds(
        pb.Protection,
        first_day=st.sampled_from(["2026-11-01", "2026-11-03", "?"]),
        last_day=st.sampled_from(["2026-11-02", "2026-11-05", ""]),
    ),
    min_size=1,
    max_size=2,
)
OF_SENDERS = {"sender_id": st.sampled_from(["power", "town"])}
FORWARDING = {"forwarding_address": st.sampled_from(["new@firm.dk", "curator@law.dk"])}
RECORD = {"person": st.none() | HOMES}
"""The register's record, for events that may bring it along."""
HAPPENING = {
    "mailbox_opened": RECORD,
    "mailbox_closed": {},
    "logged_in": RECORD,
    "private_post_ended": {},
    "erased": {},
    "address_consent_given": {"person": HOMES},
    "address_consent_withdrawn": {},
    "moved": {"person": HOMES},
    "renamed": {"person": HOMES},
    "protection_set": {"protections": PROTECTIONS} | RECORD,
    "protection_lifted": RECORD,
    "died": {},
    "exempted": {"last_day": st.sampled_from(["", "2026-11-05"])},
    "exemption_ended": {},
    **dict.fromkeys(
        ("subscribed", "unsubscribed", "bound", "agreement_ended", "opted_out", "opt_out_cancelled"), OF_SENDERS
    ),
}
OF_FIRMS = {"forwarding_set": FORWARDING, "forwarding_changed": FORWARDING, "forwarding_ended": {}}
OF_FIRMS |= {"curator_took_over": FORWARDING, "mailbox_closed": {}, "mailbox_opened": {}, "logged_in": {}}


def happening(pool):
    """An event's name, and its fields."""
    return st.sampled_from(sorted(pool)).flatmap(
        lambda name: st.tuples(st.just(name), st.fixed_dictionaries(pool[name]))
    )


def asked():
    """Every way of asking for everybody."""
    for house in ("12", "14", "16"):
        place = {"street_name": "Vestergade", "house_number": house, "postal_code": "8000"}
        yield QueryRow("", Kind.ADDRESS, **place)
        for name in ("Ann Bo", "Ann Sø", "Bo Sø", "Bo Dam"):
            yield QueryRow("", Kind.FULL_NAME, full_name=name, **place)
            yield QueryRow("", Kind.FIRST_NAME, first_name=name[:3].strip(), **place)
    yield from (QueryRow("", Kind.EMAIL, email_address=address) for address in EMAILS.values())
    yield from (QueryRow("", Kind.CPR, number=number) for number in [*PEOPLE, LIS])
    yield QueryRow("", Kind.CVR, number=FIRM)


ASKED = list(asked())
HANDLES = Handles([KEY.handles_secret])


@cache
def by_handle(sender_id):
    """For each handle that a sender may have a query, the number that it was made under, and the way."""
    ways = [(number, way) for number in [*PEOPLE, LIS] for way in (Kind.CPR, Kind.FULL_NAME, Kind.EMAIL)]
    handles = HANDLES.issue(sender_id, [NamedOwner(number, way) for number, way in ways])
    return [(QueryRow("", Kind.HANDLE, handle=handle), *way) for handle, way in zip(handles, ways, strict=True)]


def sources_of(models, instant):
    sources = Sources()
    for model in models:
        for take, rows in zip(
            (sources.add_person, sources.add_mailbox, sources.add_relation), model.rows_at(instant), strict=True
        ):
            for row in rows:
                take(1, row)
    assert not sources.rejects.rows
    return sources


class Rows:
    """Everybody's rows, edited by what was taken."""

    def __init__(self):
        self.models = {}
        # Five years after his opening Bo drops out, unless he logs in.
        openings = {ANN: "2026-01-01", BO: "2021-11-04", IDA: "2026-01-01"}
        for number, name, house in ((ANN, "Ann Bo", "12"), (BO, "Bo Dam", "12"), (IDA, "Ann Sø", "14")):
            home = person(full_name=name, house_number=house)
            self.take("mailbox_opened", number, openings[number], {})
            self.take("address_consent_given", number, "2026-02-01", {"person": home})
            for event in ("email_verified", "email_claimed"):
                self.take(event, number, "2026-02-01", {"email_address": EMAILS[number]})
        self.take("mailbox_opened", FIRM, "2026-01-01", {})

    def take(self, name, number, time, fields):
        self.edit(number, message(name, number, time, **fields), parse_time(time))

    def edit(self, number, sent, instant):
        model = self.models.setdefault(number, RowsModel(number))
        name = sent.WhichOneof("event")
        event = getattr(sent, name)
        model.take(name, instant, event)
        self.models[model.number] = model
        if name in {"email_verified", "email_claimed"}:
            self.claim_moves(model, event)

    def claim_moves(self, model, event):
        """From when on an address is verified and claimed, nobody else's claim to it holds."""
        address = event.email_address
        if model.email != address or address not in model.verified:
            return
        start = max(model.claimed, model.verified[address])
        if not any(model.claimed <= drop <= start for drop in model.drops.get(address, ())):
            for other in self.everybody():
                if other is not model and other.email == address:
                    other.on_email_dropped(start, event)

    def everybody(self):
        """Whoever has or had a mailbox; of who was erased there are no rows."""
        return [model for model in dict.fromkeys(self.models.values()) if model.opened is not None]

    def told(self, asked, instant):
        """What the rows, exported now, say to each sender's questions."""
        sources = sources_of(self.everybody(), instant)
        owners = in_order_of_ordinals(join_owners(sources), KEY.index_keys)
        content = assemble(owners, Entries(KEY.index_keys, sources.roads, Span(EXPORTED, 1 << 32)), lambda _: None)
        resolver = Resolver(MemoryIndex(content), KEY.index_keys, ALWAYS, HANDLES)
        return [
            [
                (decision.reason.name, [(target.number, target.forwarding_address) for target in decision.targets])
                for decision in resolver.resolve(queries, sender, instant)
            ]
            for sender, queries in asked
        ]

    def tables(self, instant=EXPORTED):
        """The rows as they would be exported at a midnight."""
        rows = [model.rows_at(instant) for model in self.everybody()]
        persons, mailboxes, relations = ([row for of_owner in rows for row in of_owner[at]] for at in range(3))
        return {"persons": persons, "mailboxes": mailboxes, "relations": relations}

    def claiming_out_of_reach(self, instant, window):
        """Whoever claims an e-mail address, and can't be reached by it at any instant of a window."""
        models = {model.number: model for model in self.everybody()}
        owners = join_owners(sources_of(models.values(), instant))
        return {
            models[owner.number]
            for owner in owners
            if owner.email_address and not reachable_within(owner.facts, (Fact.REGISTERED, Fact.CLAIM), window)
        }
