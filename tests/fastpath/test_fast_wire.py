"""The wire: whatever the bytes of a request are, the fast way reads or refuses them as the protobuf library does."""

from collections import Counter

import pytest
from fast_nursery import SENDERS, both_ways, dice_of, message_of, plain_content, request_of
from hypothesis import given, settings
from odd_queries import OddQueries
from wire_mutations import LENGTH, NOT_UTF8, QUERIES, TEXTS, VARINT, encode, fields_of, requests, rows, varint

from resolver_grpc.errors import MalformedRequestError
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse

INSTANT = 5
_ODD = OddQueries(dice_of(11), oddity=0.01)
POOL = [query for query in (_ODD.query() for _ in range(200)) if not query.handle and not query.address_line]
MESSAGES = [message_of(query) for query in POOL]
BY_NAME = Query(
    reference="r",
    kind=Kind.FULL_NAME,
    full_name="Ann Mo Bo",
    street_name="Vestergade",
    house_number="12",
    floor="3",
    door="tv",
    postal_code="8000",
    supplementary_town="Skov",
)


@pytest.fixture(scope="module")
def ways():
    with both_ways(plain_content([*POOL, BY_NAME]), SENDERS) as opened:
        yield opened


def of_row(row, sender_id=b"s"):
    return encode([(1, LENGTH, sender_id), (QUERIES, LENGTH, row)])


def agreements(ways, strategy, examples):
    """Asks both ways about many requests; counts how they came out, and that some were the fast way's alone."""
    told = Counter()

    @given(strategy)
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    def agree(request):
        before = ways.counts["fast"]
        told["refused" if isinstance(ways.agree(request, INSTANT), tuple) else "answered"] += 1
        told["fast"] += ways.counts["fast"] > before

    agree()
    return told


def test_mutated_rows_are_read_alike(ways):
    """A good share stays nearly valid: is answered, and a part of that by the kernel."""
    told = agreements(ways, rows(MESSAGES, 2).map(of_row), 700)
    assert told["answered"] > 0.4 * told["refused"]
    assert told["refused"] > 50
    assert told["fast"] > 100


def test_mutated_requests_are_read_alike(ways):
    told = agreements(ways, requests(MESSAGES, [*SENDERS] * 2 + ["nobody", "æ"]), 700)
    assert told["answered"] > 0.4 * told["refused"]
    assert told["refused"] > 50
    assert told["fast"] > 100


def test_every_cut_of_a_request_is_read_alike(ways):
    request = request_of([BY_NAME, *MESSAGES[:3]], personal_content=True, shipment_id="x", at_least_sequence=300)
    for end in range(len(request) + 1):
        ways.agree(request[:end], INSTANT)


@pytest.mark.parametrize(
    "sequences", [(0,), (1,), (7,), (8,), ((1 << 63) - 1,), (1 << 63,), ((1 << 64) - 1,), (9, 1), (1, 9)]
)
@pytest.mark.parametrize("surplus", [0, 1, 8])
def test_a_sequence_that_is_asked_for_is_read_alike_however_it_is_written(ways, sequences, surplus):
    asked = encode([(5, VARINT, one, surplus) for one in sequences])
    request = request_of([BY_NAME])
    ways.agree(request + asked, INSTANT)
    ways.agree(asked + request, INSTANT)


@pytest.mark.parametrize("message", [BY_NAME, *MESSAGES[:6]], ids=lambda message: Kind(message.kind).name)
def test_every_cut_of_a_row_is_read_alike(ways, message):
    """The row's own length is right, what it ends in is not."""
    row = encode(fields_of(message))
    for end in range(len(row) + 1):
        ways.agree(of_row(row[:end]), INSTANT)


def test_every_flipped_bit_of_a_row_is_read_alike(ways):
    row = encode(fields_of(BY_NAME))
    for bit in range(8 * len(row)):
        flipped = bytearray(row)
        flipped[bit // 8] ^= 1 << bit % 8
        ways.agree(of_row(bytes(flipped)), INSTANT)


@pytest.mark.parametrize("bad", NOT_UTF8)
@pytest.mark.parametrize("number", [1, *TEXTS])
def test_what_is_no_utf_8_is_refused_wherever_it_stands(ways, number, bad):
    """In a field of the kind or in another, at its start, in its middle word or at its end."""
    rest = [field for field in fields_of(BY_NAME) if field[0] != number]
    for content in (bad, b"Ann " + bad + b" Bo", b"Ann " + bad, bad + b" Bo", b"A" + bad + b" x Bo"):
        error, *_ = ways.agree(of_row(encode([*rest, (number, LENGTH, content)])), INSTANT)
        assert error is MalformedRequestError


@pytest.mark.parametrize("bad", NOT_UTF8)
@pytest.mark.parametrize("number", [1, 2])
def test_a_request_s_own_text_that_is_no_utf_8_refuses_it(ways, number, bad):
    told = ways.agree(encode([(1, LENGTH, b"s"), (number, LENGTH, b"s" + bad), (QUERIES, LENGTH, b"")]), INSTANT)
    assert isinstance(told, tuple)


def test_a_bad_row_refuses_a_request_of_any_size(ways):
    good = (QUERIES, LENGTH, encode(fields_of(BY_NAME)))
    for place in (0, 255, 256, 299):
        fields = [good] * 300
        fields[place] = (QUERIES, LENGTH, b"\x0a\x01\xff")
        assert isinstance(ways.agree(encode([(1, LENGTH, b"s"), *fields]), INSTANT), tuple)


@pytest.mark.parametrize("sender_id", [b"s", b"nobody", b""])
@pytest.mark.parametrize("instant", [INSTANT, 2**32])
def test_bytes_are_refused_before_what_they_say(ways, sender_id, instant):
    """A malformed row comes before an unknown sender and before an instant that can't be judged."""
    for row in (b"\x0a\x01\xff", b"\x0a\x05r"):
        ways.agree(of_row(row, sender_id), instant)


@pytest.mark.parametrize("depth", range(96, 104))
def test_groups_within_groups_are_read_alike_to_the_last_one_that_the_library_takes(ways, depth):
    """The library counts the query itself as one; a row that is read alone must not be allowed one more."""
    groups = b"\xa3\x01" * depth + b"\xa4\x01" * depth
    ways.agree(of_row(encode(fields_of(BY_NAME)) + groups), INSTANT)
    ways.agree(encode([(1, LENGTH, b"s"), groups]), INSTANT)


@pytest.mark.parametrize("size", [0, 63, 64, 65, 127, 128, 129, 250, 16_000])
def test_lengths_about_the_edges_of_numbers_are_read_alike(ways, size):
    for number in TEXTS:
        rest = [field for field in fields_of(BY_NAME) if field[0] != number]
        for letter in (b"x", "ø".encode(), b" "):
            ways.agree(of_row(encode([*rest, (number, LENGTH, letter * size)])), INSTANT)
    ways.agree(of_row(encode(fields_of(BY_NAME)) + b"\xa2\x01" + varint(size) + bytes(size)), INSTANT)


def test_decisions_of_any_number_and_reference_are_written_as_the_library_writes_them(ways):
    """The response is read and written again by the library: the same bytes."""
    rows_asked = [message_of(query) for query in POOL]
    for number, row in enumerate(rows_asked):
        row.reference = "r" * (number % 65)
    response = ways.agree(request_of(rows_asked), INSTANT)
    assert ResolveBatchResponse.FromString(response).SerializeToString() == response


def test_a_row_that_is_right_and_its_neighbours_that_are_unusual_keep_their_places(ways):
    usual = encode(fields_of(BY_NAME))
    unusual = [usual + b"\xa0\x01\x01", b"", usual + usual, b"\x10\x05", usual + b"\x0a\x01z"]
    for order in range(len(unusual)):
        mixed = [(QUERIES, LENGTH, row) for other in unusual[order:] + unusual[:order] for row in (usual, other)]
        ways.agree(encode([(1, LENGTH, b"s"), *mixed]), INSTANT)
    assert ResolveBatchRequest.FromString(of_row(usual)).queries[0] == BY_NAME


def test_queries_of_numbers_and_addresses_are_the_kernel_s(ways):
    """The share of the fast way is no accident: rows as a library writes them never leave it."""
    plain = [query for query in POOL if query.kind in {Kind.CPR, Kind.CVR, Kind.EMAIL}]
    clean = [
        QueryRow(f"{number}", query.kind, number=query.number, email_address=query.email_address)
        for number, query in enumerate(plain)
    ]
    before = ways.counts["fast"]
    ways.agree(request_of(clean), INSTANT)
    assert ways.counts["fast"] - before > 0.8 * len(clean)
