"""ChangeService.ApplyChanges with a real server: what is acknowledged counts from the next batch on."""

import threading

import pytest
from access_nursery import outcome
from change_nursery import fresh_id, new_log, registering, unchanged
from google.protobuf.timestamp_pb2 import Timestamp

from change_messages import message, person
from resolver_grpc.changes.reasons import ChangeReason
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.server.change_service import MAX_CHANGES
from resolver_grpc.server.judging import MOST_SECONDS_AHEAD
from resolver_grpc.v1 import change_pb2 as pb
from resolver_grpc.v1 import change_service_pb2 as wire
from small_register import ANN, BO, IDA, KVHX, LINE, NOON, OLD_IDA, build_register, serving

BY_NAME = QueryRow("a", Kind.FULL_NAME, full_name="Ann Bo", address_line=LINE)
BY_ADDRESS = QueryRow("c", Kind.ADDRESS, kvhx=KVHX)
STRANGER = "0909889012"
APPLY = "/resolver_grpc.v1.ChangeService/ApplyChanges"


def sent(event, number=None, time="2026-10-31T12:00:00Z", **fields):
    return message(event, number, time, fresh_id(), **fields)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A register, a folder, and its log."""
    folder = tmp_path_factory.mktemp("changes")
    register = unchanged(folder)
    return register, new_log(folder / "log", register.key), folder


@pytest.fixture
def registrar(place):
    register, log, folder = place
    with registering(register, log, folder) as registrar:
        yield registrar


def test_a_withdrawn_consent_counts_from_the_next_batch_on_and_after_a_restart(place):
    register, log, folder = place
    with registering(register, log, folder) as registrar:
        assert registrar.ask(BY_NAME) == ("DELIVERABLE", [ANN])
        (sequence,) = registrar.took(sent("address_consent_withdrawn", ANN))
        response = registrar.resolve(BY_NAME)
        assert registrar.ask(BY_NAME) == ("NOT_FOUND", [])
        assert response.change_sequence == sequence
    with registering(register, log, folder) as registrar:
        assert registrar.ask(BY_NAME) == ("NOT_FOUND", [])
        home = person(full_name="Ann Mo Bo", floor="3", door="tv")
        registrar.took(sent("address_consent_given", ANN, "2026-10-31T13:00:00Z", person=home))
        assert registrar.ask(BY_NAME) == ("DELIVERABLE", [ANN])


def test_behind_two_mailboxes_that_meet_a_change_of_the_same_message_is_judged_as_of_after_they_were_closed(tmp_path):
    """Bo's mailbox was closed by a change that names Ann: to open it again is to come back, with the record."""
    register = unchanged(tmp_path)
    home = {"person": person(full_name="Bo Bo", floor="3", door="tv")}
    changes = [
        sent("number_replaced", ANN, current_number=BO, **home),
        sent("mailbox_opened", BO),
        sent("logged_in", IDA),
        sent("mailbox_opened", BO, **home),
    ]
    with registering(register, new_log(tmp_path / "log", register.key), tmp_path) as registrar:
        outcomes = registrar.apply(*changes)
        assert [outcome.sequence for outcome in outcomes] == [1, 0, 2, 3]
        assert wire.ChangeReason.Name(outcomes[1].reason) == "CHANGE_REASON_RECORD_NEEDED"


def test_a_bad_change_is_refused_alone_with_its_reason_and_field(registrar):
    outcomes = registrar.apply(
        sent("logged_in", STRANGER),
        sent("logged_in", "1"),
        sent("logged_in", ANN),
        sent("opt_out_cancelled", ANN),
        sent("erased", ANN),
        pb.Change(change_id="bare"),
    )
    assert [(wire.ChangeReason.Name(one.reason), one.field) for one in outcomes] == [
        ("CHANGE_REASON_UNKNOWN_OWNER", "number"),
        ("CHANGE_REASON_INVALID_NUMBER", "number"),
        ("CHANGE_REASON_UNSPECIFIED", ""),
        ("CHANGE_REASON_NO_OPT_OUT", "opt_out_cancelled.sender_id"),
        ("CHANGE_REASON_INVALID_EVENT", "erased"),
        ("CHANGE_REASON_INVALID_NUMBER", "number"),
    ]
    assert [bool(one.sequence) for one in outcomes] == [False, False, True, False, False, False]


def test_the_same_change_has_the_sequence_that_it_got_first_and_another_of_its_id_is_refused(registrar):
    first, other = sent("subscribed", ANN, sender_id="town"), sent("subscribed", ANN, sender_id="town")
    sequences = registrar.took(first, first, other)
    assert sequences == [sequences[0], sequences[0], sequences[0] + 1]
    assert registrar.took(other, first) == [sequences[2], sequences[0]]
    other.logged_in.SetInParent()
    assert [one.reason for one in registrar.apply(other, first)] == [wire.CHANGE_REASON_CHANGE_ID_TAKEN, 0]
    twice = [sent("logged_in", BO), sent("logged_in", BO)]
    twice[1].change_id, twice[1].number = twice[0].change_id, ANN
    assert [one.reason for one in registrar.apply(*twice)] == [0, wire.CHANGE_REASON_CHANGE_ID_TAKEN]


def test_an_id_whose_change_was_refused_may_be_used_again(registrar):
    first = sent("logged_in", STRANGER)
    again = sent("logged_in", ANN)
    again.change_id = first.change_id
    assert [bool(one.sequence) for one in registrar.apply(first, again)] == [False, True]


def test_a_change_is_judged_beside_those_before_it_in_its_message(registrar):
    """A notice can be taken back that came with it; by the old number too, which leads to the same owner."""
    outcomes = registrar.apply(
        sent("opted_out", IDA, "2026-11-01T11:00:00Z", sender_id="town"),
        sent("opt_out_cancelled", OLD_IDA, "2026-11-02T11:00:00Z", sender_id="town"),
        sent("opt_out_cancelled", IDA, "2026-11-02T11:00:00Z", sender_id="town"),
    )
    assert [wire.ChangeReason.Name(one.reason) for one in outcomes] == [
        "CHANGE_REASON_UNSPECIFIED",
        "CHANGE_REASON_UNSPECIFIED",
        "CHANGE_REASON_NO_OPT_OUT",
    ]


def test_a_change_is_not_told_of_more_than_a_year_ahead(registrar):
    changes = [sent("logged_in", ANN) for _ in range(2)]
    for by, change in enumerate(changes):
        change.effective_time.CopyFrom(Timestamp(seconds=NOON + MOST_SECONDS_AHEAD + by))
    assert [(one.reason, one.field) for one in registrar.apply(*changes)] == [
        (0, ""),
        (wire.CHANGE_REASON_INVALID_TIME, "effective_time"),
    ]


def test_each_message_of_a_stream_has_its_response_in_order(registrar):
    messages = [[sent("logged_in", ANN) for _ in range(size)] for size in (3, 0, 1, 200, 7)]
    requests = (wire.ApplyChangesRequest(changes=changes) for changes in messages)
    responses = list(registrar.changes.ApplyChanges(requests, metadata=registrar.registrar))
    told = [[outcome.change_id for outcome in response.outcomes] for response in responses]
    assert told == [[change.change_id for change in changes] for changes in messages]
    sequences = [outcome.sequence for response in responses for outcome in response.outcomes]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [(b"\xff", "MALFORMED_REQUEST"), (b"\x0a\x00" * (MAX_CHANGES + 1), "TOO_MANY_CHANGES")],
)
def test_a_bad_message_ends_its_stream_and_the_responses_before_it_stand(registrar, request_bytes, reason):
    good = wire.ApplyChangesRequest(changes=[sent("logged_in", ANN)]).SerializeToString()
    call = registrar.channel.stream_stream(APPLY)(iter([good, request_bytes, good]), metadata=registrar.registrar)
    first = wire.ApplyChangesResponse.FromString(next(call))
    assert first.outcomes[0].sequence
    assert outcome(lambda: next(call)) == ("INVALID_ARGUMENT", reason)


def test_of_two_streams_at_once_nothing_is_lost_and_no_sequence_is_given_twice(registrar):
    told = []

    def send():
        for _ in range(20):
            told.extend(registrar.took(*(sent("logged_in", BO) for _ in range(7))))

    streams = [threading.Thread(target=send) for _ in range(3)]
    for stream in streams:
        stream.start()
    for stream in streams:
        stream.join()
    assert len(told) == len(set(told)) == 3 * 20 * 7


def test_a_batch_asks_for_a_sequence_and_is_refused_where_there_is_none_such(registrar):
    (sequence,) = registrar.took(sent("logged_in", ANN))
    assert registrar.resolve(BY_NAME, at_least_sequence=sequence).change_sequence == sequence
    asked = outcome(lambda: registrar.resolve(BY_NAME, at_least_sequence=sequence + 1))
    assert asked == ("FAILED_PRECONDITION", "SEQUENCE_NOT_REACHED")


def test_a_batch_sees_one_state_from_its_first_query_to_its_last(registrar):
    """Many slices long, while consent to the address comes and goes with each change."""
    stop = threading.Event()

    def change():
        second = 0
        while not stop.is_set():
            second += 1
            for name in ("address_consent_withdrawn", "address_consent_given"):
                fields = {"person": person(full_name="Bo Bo", floor="3", door="tv")} if name.endswith("given") else {}
                change = sent(name, BO, **fields)
                change.effective_time.seconds += 2 * second + name.endswith("given")
                registrar.took(change)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        seen = set()
        for _ in range(20):
            decisions = registrar.resolve(*[BY_ADDRESS] * 200).decisions
            told = {tuple(target.number for target in decision.targets) for decision in decisions}
            assert len(told) == 1
            seen |= told
    finally:
        stop.set()
        changing.join()
    assert len(seen) > 1


def test_a_log_that_does_not_lead_on_from_the_snapshot_is_refused(tmp_path):
    register = build_register(tmp_path)
    with (
        pytest.raises(ChangeLogError, match="up to 7, and the log ends with 0"),
        serving(register, changes=new_log(tmp_path / "log", register.key)),
    ):
        pass


def test_the_wire_has_every_reason_for_which_a_change_is_refused():
    assert {f"CHANGE_REASON_{reason}" for reason in ChangeReason} <= set(wire.ChangeReason.keys())
