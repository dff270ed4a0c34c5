"""Both ways through one index, and what to ask them: what the tests of the fast way share.

An index *made to fit* has an owner under the key of every query of a pool, so that whatever the fast way reads
otherwise than the plain way comes out as a miss. The oracle answers from the memory index, which shares neither pages
nor sets with the index that the kernel looks at.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.query import BadFieldError, parse_query
from resolver_grpc.errors import ResolverError
from resolver_grpc.fastpath.machine import find_kernel
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.handles import Handles
from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.layout import STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.index.writer import write_index
from resolver_grpc.keys import KeyKind, MasterKey
from resolver_grpc.model import Fact, Kind, Relation, Role, Route, Sender, SenderClass
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.fast_batches import FastBatches
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

KERNEL = find_kernel()
KEY = MasterKey(b"d" * 32)
KEYS = KEY.index_keys
HANDLES = Handles([KEY.handles_secret, MasterKey(b"o" * 32).handles_secret])
COLUMNS_KEY, SNAPSHOT_ID = bytes(range(32)), bytes(range(16))
KINDS = [kind for kind in Kind if kind]
SMALLEST_MEMORY = 4
TIMES = range(1_000, 1_010)
"""The instants at which the facts of an index made to fit change."""


def dice_of(seed):
    return random.Random(seed)  # noqa: S311 - a choice of test data


class Ways(NamedTuple):
    """The fast way, and the plain way as its oracle."""

    fast: FastBatches
    plain: Batches
    counts: Counter

    def agree(self, request, instant, role=None):
        """Asks both, as one role or as each; they must say the same. Gives what they said, to delivery if to each."""
        for one in [role] if role else [Role.INTAKE, Role.DELIVERY]:
            told, expected = (told_by(way, request, instant, one) for way in (self.fast, self.plain))
            assert told == expected, (instant, one, request)
        return told


def told_by(way, request, instant, role):
    """The response's bytes, or the type and the text of the refusal."""
    try:
        return way.answer(request, instant, role=role)
    except ResolverError as error:
        return type(error), str(error), error.metadata


def counting(kernel, counts, places=None):
    """The kernel's module, counting which rows it leaves to the plain way; its memories may be of another size."""

    def set_up(secret, separator, street_kind, recipes, folds, *others):
        sized = [(fold[0], places, *fold[2:]) if places and len(fold) == 4 else fold for fold in folds]
        return kernel.Kernel(secret, separator, street_kind, recipes, sized, *others)

    class Batch(kernel.Batch):
        def run(self, *arguments):
            told = rows, left, *_ = super().run(*arguments)
            counts["fast"] += rows - len(left)
            counts["left"] += len(left)
            return told

    return SimpleNamespace(Kernel=set_up, PageSet=kernel.PageSet, Judge=kernel.Judge, Batch=Batch)


@contextmanager
def both_ways(content, senders, valid_from=0, places=None, *, touched=True):
    """Opens a content for both ways until the block ends.

    Args:
        content: what the index holds.
        senders: who may ask, by id.
        valid_from: the instant before which nothing is answered.
        places: of each of the kernel's memories; as many as it has where not given.
        touched: whether all pages were checked ahead.
    """
    counts = Counter()
    manifest = SimpleNamespace(snapshot_id="5e", change_sequence=7)
    with TemporaryDirectory(prefix="fast") as folder:
        path = Path(folder) / "index.lmdb"
        write_index(path, content, COLUMNS_KEY, SNAPSHOT_ID)
        index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
        if touched:
            index.touch()
        plain, oracle = (
            Batches(Resolver(one, KEYS, valid_from, HANDLES), manifest, senders, horizon=0)
            for one in (index, MemoryIndex(content))
        )
        way = FastWay(counting(KERNEL, counts, places), index, KEYS, HANDLES)
        try:
            yield Ways(FastBatches(plain, way), oracle, counts)
        finally:
            index.close()


def message_of(query):
    """A query as the wire has it; of a text that no wire carries, without its lone surrogates."""
    fields = {name: getattr(query, name) for name in (field.name for field in Query.DESCRIPTOR.fields)}
    texts = {name: text.encode(errors="ignore").decode() for name, text in fields.items() if isinstance(text, str)}
    return Query(**fields | texts)


def request_of(queries, sender_id="s", **fields):
    """A request in wire format."""
    messages = [query if isinstance(query, Query) else message_of(query) for query in queries]
    return ResolveBatchRequest(sender_id=sender_id, queries=messages, **fields).SerializeToString()


def key_of(query):
    """The key that the plain way makes of a query outside shared streets, None where it can't be read."""
    try:
        said = parse_query(query)
    except BadFieldError:
        return None
    kinds = {Kind.EMAIL: KeyKind.EMAIL, Kind.CPR: KeyKind.CPR, Kind.CVR: KeyKind.CVR}
    if said.kind is Kind.HANDLE:
        return None
    if said.kind in kinds:
        return KEYS.key(kinds[said.kind], said.email_address or said.number)
    place = said.place._replace(town="") if isinstance(said.place, Address) else said.place
    return KEYS.place(place, said.first_name, said.last_name)


def address_of(query):
    """The address of a query that has one as text, else None."""
    try:
        place = parse_query(query).place
    except BadFieldError:
        return None
    return place if isinstance(place, Address) else None


def intervals_of(dice, owners, share):
    """Intervals of some owners: always, never, or from one of the times until another."""
    rows = []
    for ordinal in range(owners):
        if dice.random() < share:
            start = dice.choice([0] * 20 + [*TIMES])
            rows.append((ordinal, start, max(start + 1, dice.choice([0xFFFF_FFFF] * 30 + [*TIMES]))))
    return Intervals(*(np.array([row[column] for row in rows], np.uint32) for column in range(3)))


SHARES = {
    Fact.PROTECTION: 0.1,
    Fact.PRIVATE_CLOSED: 0.2,
    Fact.CONTESTED: 0.2,
    Fact.EXEMPT: 0.25,
    Fact.FORWARDING: 0.3,
}
"""How many owners have a fact that is not the common one."""


def facts_of(dice, owners, sender_ids):
    """Facts of every name."""
    facts = {fact: intervals_of(dice, owners, SHARES.get(fact, 0.95)) for fact in Fact}
    return facts | {
        relation.to(sender_id): intervals_of(dice, owners, 0.3) for relation in Relation for sender_id in sender_ids
    }


def content_made_to_fit(queries, dice, sender_ids=("s",), shared=0.1, several=0.05):
    """An index that has every query's key.

    Args:
        queries: whose keys lead to an owner.
        dice: decides how the owners stand.
        sender_ids: who has relations to owners.
        shared: how many of the streets belong to several roads.
        several: how many of the keys lead to several owners.
    """
    keys = list(dict.fromkeys(key for key in map(key_of, queries) if key)) or [bytes(16)]
    owners = len(keys)
    crowds = [1, 1, 1, 2, 5, 20, 150]
    extra = [
        (key, dice.randrange(owners)) for key in keys if dice.random() < several for _ in range(dice.choice(crowds))
    ]
    pairs = [*zip(keys, range(owners), strict=True), *extra]
    roads = {}
    for place in filter(None, map(address_of, queries)):
        if dice.random() < shared:
            roads[KEYS.street(place.postal_code, place.street)] = STREET_SHARED
            if place.town and dice.random() < 0.5:
                roads[KEYS.street_with_town(place.postal_code, place.street, place.town)] = TOWN_TELLS
    numbers = [f"{ordinal:0{dice.choice([8, 10])}d}" for ordinal in range(owners)]
    return Content(
        owners=owners,
        pairs=HeldPairs(
            np.frombuffer(b"".join(key for key, _ in pairs), np.uint8).reshape(-1, 16),
            np.array([ordinal for _, ordinal in pairs], np.uint32),
        ),
        facts=facts_of(dice, owners, sender_ids),
        numbers=np.array(numbers, "S10"),
        address_numbers=np.array([dice.choice([1, 1, 1, 1, 1, 1, 1, 2, 0]) for _ in range(owners)], np.uint32),
        forwarding={ordinal: "post@firm.dk" for ordinal in range(owners) if dice.random() < 0.9},
        roads=roads,
    )


def plain_content(queries):
    """An index in which every query of a kind with an owner reaches one, at any time, for sender ``s``."""
    content = content_made_to_fit(queries, dice_of(1), shared=0, several=0)
    always = Intervals(*(np.array(column, np.uint32) for column in zip(*_always(content.owners), strict=True)))
    met = {Fact.MAILBOX, Fact.LOGIN, Fact.RESIDENT, Fact.REGISTERED, Fact.CONSENT, Fact.CLAIM}
    return replace(content, facts=dict.fromkeys([*met, Relation.BOUND.to("s")], always))


def _always(owners):
    return [(ordinal, 0, 0xFFFF_FFFF) for ordinal in range(owners)]


def sender(sender_id="s", sender_class=SenderClass.PRIVATE, **traits):
    return Sender(sender_id, "S", "13585628", sender_class, **{"kinds": frozenset(KINDS), **traits})


SENDERS = {
    one.id: one
    for one in (
        sender("s"),
        sender("town", SenderClass.PUBLIC, mandatory=True, fallback=Route.LETTER),
        sender("mild", SenderClass.PUBLIC, terms_consent=True),
        sender("terms", terms_consent=True, fallback=Route.LETTER),
        sender("hold", hold=True, terms_consent=True),
        sender("half", hold=True, fallback=Route.LETTER),
        sender("must", mandatory=True, fallback=Route.LETTER),
        sender("shy", kinds=frozenset({Kind.CPR, Kind.EMAIL}), fallback=Route.LETTER),
        sender("none", kinds=frozenset()),
    )
}
