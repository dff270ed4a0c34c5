"""Request messages about a country, encoded beforehand: what load is made of.

What belongs here: which kinds a message mixes, and the bytes. A query's reference begins with ``HIT`` where it
leads to a mailbox and with ``MISS`` where it leads to nobody, so that every answer can be judged by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from nation.recipients import WAYS, draw_recipients
from resolver_grpc.v1.query_pb2 import Kind as Wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nation.world import Country

SENDER_ID = "afsender-01"
"""The sender of all requests: a private one with terms, without hold, of no duty to send digitally."""

HIT, MISS = "hit", "mis"

MIX = {
    "full_name": 0.50,
    "first_name": 0.12,
    "full_name_kvhx": 0.12,
    "email": 0.08,
    "cpr": 0.08,
    "cvr": 0.04,
    "address": 0.06,
}
"""The shares of a message of all kinds, by way of asking."""

MIX_WITH_LINES = {way: share * 0.95 for way, share in MIX.items()} | {"full_name_line": 0.05}
"""The same, where a twentieth has its address in one line."""

MIXES = {"mix": MIX, "mix_with_lines": MIX_WITH_LINES}

KINDS = (*WAYS, *MIXES)
"""What a message may be made of: one way of asking alone, or a mix."""


def encode_requests(country: Country, kind: str, *, batch: int, count: int, hit_rate: float, seed: int) -> list[bytes]:
    """Encodes request messages; equal arguments give equal bytes.

    Args:
        country: who is asked for.
        kind: one of ``KINDS``; the ways of a mix stand in no order within and across messages.
        batch: queries in each message.
        count: how many messages.
        hit_rate: the share of queries, of each way of asking, that lead to a mailbox, 0 to 1.
        seed: what the draw follows from.

    Returns:
        Messages of type ``ResolveBatchRequest``, which ``ResolveStreamRequest`` reads too.
    """
    shares = MIXES.get(kind, {kind: 1.0})
    asked: list[Query] = []
    for place, (way, number) in enumerate(apportion(batch * count, shares).items()):
        asked += _make_queries(country, way, number, hit_rate, seed=seed + place, first_reference=len(asked))
    order = np.random.default_rng(seed).permutation(len(asked)).tolist()
    return [
        ResolveBatchRequest(
            sender_id=SENDER_ID, queries=[asked[place] for place in order[begin : begin + batch]]
        ).SerializeToString()
        for begin in range(0, len(order), batch)
    ]


def apportion(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Splits a whole number by shares that make 1, so that the parts make up the whole.

    Each part is its share, rounded down or up; who lost most by rounding down is given what is left.
    """
    exact = {name: total * share for name, share in shares.items()}
    parts = {name: int(amount) for name, amount in exact.items()}
    left = total - sum(parts.values())
    for name in sorted(exact, key=lambda name: parts[name] - exact[name])[:left]:
        parts[name] += 1
    return parts


def _make_queries(
    country: Country, way: str, count: int, hit_rate: float, *, seed: int, first_reference: int
) -> Iterator[Query]:
    if not count:
        return
    kind = cast("Wire.ValueType", WAYS[way][0].value)
    rows = draw_recipients(country, way, count, hit_rate, seed).to_pylist()
    for number, row in enumerate(rows, start=first_reference):
        reference = f"{HIT if row.pop('hit') else MISS}-{number:07}"
        yield Query(kind=kind, reference=reference, **{name: text for name, text in row.items() if text})
