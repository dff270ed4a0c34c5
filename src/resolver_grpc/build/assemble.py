"""Owners to the content of an index: ordinals given, keys paired with them, facts and columns laid out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import Owner
from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.layout import KEY_BYTES, NUMBER_BYTES, STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.rows.cells import Span


def in_order_of_ordinals(owners: list[Owner], keys: IndexKeys) -> list[Owner]:
    """Sorts owners by the keyed hash of their number, so that an ordinal tells nothing about its owner."""
    return sorted(owners, key=lambda owner: keys.key(KeyKind.OWNER, owner.number))


def assemble(owners: list[Owner], entries: Entries, advance: Callable[[int], None]) -> Content:
    """Lays out what the index is to hold.

    Args:
        owners: in the order of their ordinals.
        entries: makes the keys.
        advance: is told after each owner.
    """
    pairs: list[bytes] = []
    ordinals: list[int] = []
    address_keys: list[bytes | None] = []
    spans: defaultdict[str, list[tuple[int, Span]]] = defaultdict(list)
    for ordinal, owner in enumerate(owners):
        before = len(pairs)
        address_keys.append(entries.address_key(owner))
        pairs.extend(entries.keys_of(owner, has_address=address_keys[-1] is not None))
        ordinals.extend([ordinal] * (len(pairs) - before))
        for fact, held in owner.facts.items():
            spans[str(fact)].extend((ordinal, span) for span in held)
        advance(1)
    return Content(
        owners=len(owners),
        pairs=HeldPairs(np.frombuffer(b"".join(pairs), np.uint8).reshape(-1, KEY_BYTES), np.array(ordinals, np.uint32)),
        facts={name: _intervals(held) for name, held in spans.items() if held},
        numbers=np.array([owner.number.encode() for owner in owners], f"S{NUMBER_BYTES}"),
        address_numbers=_address_numbers(address_keys),
        forwarding={
            ordinal: owner.forwarding_address for ordinal, owner in enumerate(owners) if owner.forwarding_address
        },
        roads={key: TOWN_TELLS if with_town else STREET_SHARED for key, with_town in entries.road_keys()},
    )


def _intervals(held: list[tuple[int, Span]]) -> Intervals:
    ordinals, spans = zip(*held, strict=True)
    starts, ends = zip(*spans, strict=True)
    return Intervals(np.array(ordinals, np.uint32), np.array(starts, np.uint32), np.array(ends, np.uint32))


def _address_numbers(address_keys: list[bytes | None]) -> np.typing.NDArray[np.uint32]:
    """Numbers the addresses from 1 in the order of their keys; 0 is for owners without one."""
    distinct = sorted({key for key in address_keys if key})
    numbers = {key: number for number, key in enumerate(distinct, start=1)}
    return np.array([numbers[key] if key else 0 for key in address_keys], np.uint32)
