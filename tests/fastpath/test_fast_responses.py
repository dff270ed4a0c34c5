"""Whole responses: the fast way gives the plain way's bytes, whatever is asked, by whom and when."""

import itertools

import pytest
from fast_nursery import (
    KEY,
    KINDS,
    SENDERS,
    SMALLEST_MEMORY,
    TIMES,
    both_ways,
    content_made_to_fit,
    dice_of,
    plain_content,
    request_of,
)
from odd_queries import OddQueries

from colliding_registers import Dice, instants_of, query_of, sender_of, world_of
from resolver_grpc.errors import NotYetValidError, SnapshotError, TooManyQueriesError, UnknownSenderError
from resolver_grpc.model import Kind, QueryRow, Role, Sender
from resolver_grpc.server.batch import MAX_QUERIES, for_any_sender
from resolver_grpc.times import register_window
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse
from test_differential import KEY as REGISTER_KEY
from test_differential import content_of

SIZES = [0, 1, 2, 17, 60, 255, 256, 257]
SENDER_IDS = list(SENDERS)


def outcomes_of(response):
    return {(row.route, row.reason, len(row.targets)) for row in ResolveBatchResponse.FromString(response).decisions}


def asked_about(dice, pool, sizes=SIZES):
    """A request of some of the pool, by one of the senders, and an instant about the times at which facts change."""
    queries = dice.choices(pool, k=dice.choice(sizes))
    fields = {"personal_content": True} if dice.random() < 0.2 else {}
    if dice.random() < 0.3:
        fields["shipment_id"] = dice.choice(["shipment 1", "forsendelse æ"])
    if dice.random() < 0.3:
        fields["at_least_sequence"] = dice.choice([1, 7])
    return request_of(queries, dice.choice(SENDER_IDS), **fields), dice.choice([*TIMES, TIMES[0] - 1, TIMES[-1] + 1])


@pytest.mark.parametrize("places", [None, SMALLEST_MEMORY], ids=["memories", "smallest memories"])
@pytest.mark.parametrize("seed", range(3))
def test_both_ways_answer_alike_where_every_query_has_its_owner(seed, places):
    """Batches of every size about the kernel's slice of 256, senders of every sort, instants back and forth."""
    dice = dice_of(seed)
    queries = OddQueries(dice, dice.choice([0.03, 0.08, 0.2]))
    pool = [queries.query() for _ in range(600)]
    told = set()
    with both_ways(content_made_to_fit(pool, dice, SENDER_IDS, several=0.2), SENDERS, places=places) as ways:
        told |= outcomes_of(ways.agree(request_of(pool), TIMES[5]))
        for _ in range(12):
            request, instant = asked_about(dice, pool)
            first = ways.agree(request, instant)
            assert ways.agree(request, instant) == first
            told |= outcomes_of(first)
    assert len(told) >= 24
    assert ways.counts["fast"] > 0.4 * ways.counts["left"]


@pytest.mark.parametrize("first_seed", range(0, 36, 12))
def test_both_ways_answer_alike_on_registers_made_to_collide(first_seed):
    """Registers of the builder's, in which few persons share homes, names and addresses, at every edge of time."""
    assert REGISTER_KEY == KEY
    for seed in range(first_seed, first_seed + 12):
        dice = Dice(seed)
        world = world_of(dice)
        senders = {"s": sender_of(dice), "other": sender_of(dice)}
        senders["other"] = Sender(
            **{name: getattr(senders["other"], name) for name in Sender.__slots__} | {"id": "other"}
        )
        content = content_of(world)
        if not content.owners:
            continue
        valid_from, _ = register_window(world.register_date)
        instants = instants_of(world)
        with both_ways(
            content, senders, valid_from, dice.one([None, SMALLEST_MEMORY]), touched=dice.chance(0.5)
        ) as ways:
            pool = [query_of(dice, world) for _ in range(60)]
            for _ in range(8):
                rows = [dice.one(pool) for _ in range(dice.one([1, 20, 60]))]
                request = request_of(rows, dice.one(["s", "s", "other"]), personal_content=dice.chance(0.1))
                ways.agree(request, dice.one(instants))
            ways.agree(request, valid_from - 1)


def test_a_batch_is_the_loop_of_its_queries():
    dice = dice_of(9)
    queries = OddQueries(dice)
    pool = [queries.query() for _ in range(300)]
    with both_ways(content_made_to_fit(pool, dice), SENDERS) as ways:
        whole = ResolveBatchResponse.FromString(ways.agree(request_of(pool), TIMES[4]))
        singles = [ResolveBatchResponse.FromString(ways.agree(request_of([one]), TIMES[4])) for one in pool]
    assert list(whole.decisions) == [single.decisions[0] for single in singles]


@pytest.mark.parametrize("sender_id", SENDER_IDS)
def test_every_kind_comes_out_alike_for_every_sender_at_every_time(sender_id):
    dice = dice_of(sender_id)
    queries = OddQueries(dice, oddity=0)
    pool = [queries.query() for _ in range(200)]
    assert {query.kind for query in pool} == set(KINDS)
    with both_ways(content_made_to_fit(pool, dice, SENDER_IDS, several=0.2), SENDERS) as ways:
        for instant, personal_content in itertools.product([*TIMES, *reversed(TIMES)], (False, True)):
            ways.agree(request_of(pool[:60], sender_id, personal_content=personal_content), instant)
        ways.agree(request_of(pool, sender_id), TIMES[3])


def test_a_refused_word_and_a_readable_one_don_t_spoil_each_other():
    """The refused word takes the plain way each time, the readable one beside it is remembered as it was."""
    good = {"street_name": "Vestergade", "house_number": "12", "postal_code": "8000", "full_name": "Ann Bo"}
    bad = [
        {"full_name": ". Bo"},
        {"full_name": "Ann ."},
        {"house_number": "0"},
        {"postal_code": "800"},
        {"floor": "100"},
    ]
    rows = [QueryRow("r", Kind.FULL_NAME, **good | change) for change in ({}, *bad, {}, *bad, *bad, {})]
    for places in (None, SMALLEST_MEMORY):
        with both_ways(plain_content(rows), SENDERS, places=places) as ways:
            for order in (rows, rows[::-1], rows[1:], rows):
                ways.agree(request_of(order), 5)
            assert ways.counts["fast"] == 2 * 11


def test_requests_under_way_beside_each_other_come_out_as_alone():
    """The memories are shared; what a request has found is its own, whoever asks between two of its steps."""
    dice = dice_of(3)
    queries = OddQueries(dice)
    pool = [queries.query() for _ in range(700)]
    with both_ways(content_made_to_fit(pool, dice, SENDER_IDS), SENDERS, places=SMALLEST_MEMORY) as ways:
        asked = [asked_about(dice, pool, [600, 257, 40]) for _ in range(6)]
        under_way = [(number, ways.fast.steps(*one, for_any_sender, Role.DELIVERY)) for number, one in enumerate(asked)]
        told = {}
        while under_way:
            number, steps = under_way.pop(dice.randrange(len(under_way)))
            try:
                next(steps)
            except StopIteration as end:
                told[number] = end.value.response
            else:
                under_way.append((number, steps))
        assert [told[number] for number in range(6)] == [ways.plain.answer(*one) for one in asked]


def test_pages_that_nobody_checked_yet_answer_alike():
    dice = dice_of(5)
    queries = OddQueries(dice)
    pool = [queries.query() for _ in range(500)]
    with both_ways(content_made_to_fit(pool, dice), SENDERS, touched=False) as ways:
        for _ in range(3):
            ways.agree(request_of(pool), TIMES[4])


def test_words_that_nobody_has_seen_don_t_change_any_answer():
    """Far more words than the smallest memories hold, with known ones between them."""
    rows = []
    for number in range(400):
        home = {"street_name": f"Vej{number}", "house_number": "12", "postal_code": f"{1000 + number}"}
        rows.append(QueryRow("r", Kind.FULL_NAME, full_name=f"Ann{number} Bo", **home))
        rows.append(QueryRow("r", Kind.EMAIL, email_address=f"ann@post{number}.dk"))
    with both_ways(plain_content(rows), SENDERS, places=SMALLEST_MEMORY) as ways:
        for _ in range(2):
            response = ResolveBatchResponse.FromString(ways.agree(request_of(rows), 5))
            assert [len(row.targets) for row in response.decisions] == [1] * len(rows)
        assert ways.counts["left"] == 0


@pytest.mark.parametrize("length", range(24, 29))
@pytest.mark.parametrize("street", range(52, 61))
def test_keys_about_the_length_of_a_block_hit(street, length):
    """A block of the hash has 128 bytes; what fits and what does not, each finds its owner."""
    home = {"street_name": "v" * street, "house_number": "999x", "floor": "10", "door": "abcd", "postal_code": "8000"}
    rows = [QueryRow("r", Kind.FULL_NAME, full_name=f"{'a' * length} {'b' * 28}", **home)]
    with both_ways(plain_content(rows), SENDERS) as ways:
        response = ResolveBatchResponse.FromString(ways.agree(request_of(rows), 5))
    assert len(response.decisions[0].targets) == 1


def test_refusals_of_whole_requests_are_the_same():
    row = QueryRow("r", Kind.CPR, number="0101801239")
    with both_ways(plain_content([row]), SENDERS, valid_from=1_000) as ways:
        refused = [
            (request_of([row], "nobody"), 1_000, UnknownSenderError),
            (request_of([], ""), 1_000, UnknownSenderError),
            (request_of([row], "nobody"), 0, UnknownSenderError),
            (request_of([row]), 999, NotYetValidError),
            (request_of([]), 999, NotYetValidError),
            (request_of([row]) + b"\x22\x00" * MAX_QUERIES, 1_000, TooManyQueriesError),
            (request_of([row]), 2**32, SnapshotError),
        ]
        assert [ways.agree(request, instant)[0] for request, instant, _ in refused] == [error for *_, error in refused]
        ways.agree(request_of([row]) + b"\x22\x00" * (MAX_QUERIES - 1), 1_000)


def test_an_empty_request_is_answered_alike_at_an_instant_that_no_fact_can_state():
    row = QueryRow("r", Kind.CPR, number="0101801239")
    with both_ways(plain_content([row]), SENDERS) as ways:
        ways.agree(request_of([]), 2**32)


def test_a_closed_index_answers_nothing():
    row = QueryRow("r", Kind.CPR, number="0101801239")
    with both_ways(plain_content([row]), SENDERS) as ways:
        ways.agree(request_of([row]), 5)
        ways.fast.way._index.close()
        with pytest.raises(SnapshotError):
            ways.fast.answer(request_of([row]), 5)
