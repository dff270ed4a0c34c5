"""What worker and keeper say to each other comes out as it went in."""

from pathlib import Path

from audit_nursery import KEYS
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.audit.messages import (
    FAREWELL,
    Begun,
    Told,
    Wrote,
    decode_order,
    decode_reply,
    decode_setup,
    encode_order,
    encode_record,
    encode_reply,
    encode_setup,
)
from resolver_grpc.audit.record import Record
from resolver_grpc.model import Reason, Route

TEXTS = st.text(max_size=40)
COUNTS = st.integers(0, 2**40)
OUTCOMES = st.tuples(st.sampled_from(Route) | st.integers(0, 9), st.sampled_from(Reason) | st.integers(0, 20))
BATCHES = COUNTS, TEXTS, TEXTS, TEXTS, COUNTS, COUNTS, TEXTS, TEXTS, COUNTS, TEXTS
CHANGES = TEXTS, TEXTS, COUNTS, COUNTS
RECORDS = st.builds(Record, *BATCHES, *CHANGES, st.dictionaries(OUTCOMES, COUNTS))
REPLIES = st.one_of(
    st.builds(Begun, TEXTS),
    st.builds(Wrote, COUNTS, st.floats(0, 100), TEXTS),
    st.builds(Told, TEXTS, TEXTS, COUNTS, TEXTS),
)


@given(st.lists(RECORDS, max_size=5))
def test_orders(records):
    assert decode_order(encode_order(list(map(encode_record, records)))) == records


@given(REPLIES)
def test_replies(reply):
    back = decode_reply(encode_reply(reply))
    assert (type(back), back) == (type(reply), reply)


def test_a_farewell_is_no_order():
    assert decode_order(FAREWELL) is None


def test_a_keeper_is_told_what_seals_lines_and_not_what_hashes_shipments():
    message = encode_setup(Path("/srv/nørre"), 3, [KEYS])
    setup = decode_setup(message)
    assert (setup.folder, setup.worker) == (Path("/srv/nørre"), 3)
    assert [(one.key_id, one.lines, one.shipments) for one in setup.keys] == [(KEYS.key_id, KEYS.lines, b"")]
    assert KEYS.shipments not in message
