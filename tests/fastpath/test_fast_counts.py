"""What an answer says that it told is what its response tells, whichever way it was made."""

from collections import Counter

import pytest
from fast_nursery import SENDERS, TIMES, both_ways, content_made_to_fit, dice_of, request_of
from odd_queries import OddQueries

from resolver_grpc.model import Kind, Role
from resolver_grpc.server.batch import finish, for_any_sender
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse


def told_by_response(answer, queries):
    rows = ResolveBatchResponse.FromString(answer.response).decisions
    kinds = [query.kind if query.kind in set(Kind) else 0 for query in queries]
    by_kind = Counter((kind, row.route, row.reason) for kind, row in zip(kinds, rows, strict=True))
    return by_kind, Counter((row.route, row.reason) for row in rows), sum(len(row.targets) for row in rows)


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_the_response_both_ways(seed):
    """Batches of every size about the kernel's slice, of all kinds, senders and roles, some left to the plain way."""
    dice = dice_of(seed)
    queries = OddQueries(dice, 0.1)
    pool = [queries.query() for _ in range(400)]
    outcomes = set()
    with both_ways(content_made_to_fit(pool, dice, list(SENDERS), several=0.2), SENDERS) as ways:
        for size in [0, 1, 2, 17, 255, 256, 257, 300, 600]:
            sender_id, instant = dice.choice(list(SENDERS)), dice.choice(TIMES)
            shipment_id = dice.choice(["", "shipment 1", "shipment 2", "forsendelse æ"])
            asked = dice.choices(pool, k=size)
            request = request_of(asked, sender_id, shipment_id=shipment_id, personal_content=dice.random() < 0.2)
            role = dice.choice([Role.INTAKE, Role.DELIVERY])
            fast, plain = (finish(way.steps(request, instant, for_any_sender, role)) for way in (ways.fast, ways.plain))
            told = fast.told
            assert (told.by_kind, told.counts, told.targets) == told_by_response(fast, asked)
            assert fast == plain
            assert (fast.sender_id, fast.shipment_id) == (sender_id, shipment_id)
            outcomes |= set(fast.told.counts)
        assert ways.counts["fast"] > 200
        assert ways.counts["left"] > 50
    assert len(outcomes) > 10
