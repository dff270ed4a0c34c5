"""What budgets count of a batch: the same keys whichever way it is answered and whoever asks."""

import pytest
from fast_nursery import SENDERS, TIMES, both_ways, content_made_to_fit, dice_of, key_of, request_of
from odd_queries import OddQueries

from resolver_grpc.model import Kind, QueryRow, Role
from resolver_grpc.policy.disclosure import MISSES
from resolver_grpc.server.batch import finish, for_any_sender
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse

KEY = 16


def keys_in(runs):
    """The distinct keys in runs of them."""
    joined = b"".join(runs)
    assert len(joined) % KEY == 0
    return {joined[place : place + KEY] for place in range(0, len(joined), KEY)}


def counted_by(way, request, instant, role):
    answer = finish(way.steps(request, instant, for_any_sender, role))
    counted = answer.told.counted
    return keys_in(counted.misses), keys_in(counted.addresses), answer


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_count_the_same_keys_whichever_role_asks(seed):
    """Batches of every size about the kernel's slice, of all kinds and senders, some left to the plain way."""
    dice = dice_of(seed)
    queries = OddQueries(dice, 0.1)
    pool = [queries.query() for _ in range(400)]
    seen = {"misses": 0, "addresses": 0}
    with both_ways(content_made_to_fit(pool, dice, list(SENDERS), several=0.2), SENDERS) as ways:
        for size in [0, 1, 2, 17, 255, 256, 257, 300, 600]:
            sender_id, instant = dice.choice(list(SENDERS)), dice.choice(TIMES)
            request = request_of(dice.choices(pool, k=size), sender_id, personal_content=dice.random() < 0.2)
            told = [
                counted_by(way, request, instant, role)[:2]
                for way in (ways.fast, ways.plain)
                for role in (Role.INTAKE, Role.DELIVERY)
            ]
            assert told.count(told[0]) == len(told)
            seen["misses"] += len(told[0][0])
            seen["addresses"] += len(told[0][1])
        assert ways.counts["fast"] > 200
        assert ways.counts["left"] > 50
    assert min(seen.values()) > 20


@pytest.mark.parametrize("seed", range(2))
def test_misses_are_the_rows_that_intake_sees_as_none(seed):
    """One by one: a key for each row told as NOT_FOUND or HELD_FOR_SENDER to intake, and no other."""
    dice = dice_of(seed)
    queries = OddQueries(dice, 0.0)
    pool = [queries.query() for _ in range(300)]
    met = 0
    with both_ways(content_made_to_fit(pool, dice, list(SENDERS), shared=0), SENDERS) as ways:
        for query in pool:
            sender_id, instant = dice.choice(list(SENDERS)), dice.choice(TIMES)
            misses, addresses, answer = counted_by(ways.fast, request_of([query], sender_id), instant, Role.INTAKE)
            (row,) = ResolveBatchResponse.FromString(answer.response).decisions
            assert len(misses) == (row.reason in MISSES)
            assert len(addresses) == (query.kind == Kind.ADDRESS and key_of(query) is not None)
            if query.kind != Kind.HANDLE:
                assert misses | addresses <= {key_of(query)}
            met += len(misses)
    assert met > 20


def test_a_query_that_cannot_be_read_counts_for_nothing():
    pool = [
        QueryRow("b", Kind.CPR, number="12"),
        QueryRow("c", Kind.ADDRESS, kvhx="?"),
        QueryRow("d", Kind.UNSPECIFIED),
    ]
    with both_ways(content_made_to_fit([], dice_of(1)), SENDERS) as ways:
        for way in (ways.fast, ways.plain):
            assert counted_by(way, request_of(pool), TIMES[0], Role.INTAKE)[:2] == (set(), set())


def test_the_same_query_again_is_the_same_key():
    number = "0101801239"
    pool = [QueryRow("a", Kind.CPR, number=number), QueryRow("b", Kind.CPR, number=f"{number[:6]}-{number[6:]}")]
    with both_ways(content_made_to_fit([], dice_of(1)), SENDERS) as ways:
        misses, _, _ = counted_by(ways.fast, request_of(pool * 3), TIMES[0], Role.INTAKE)
    assert len(misses) == 1
