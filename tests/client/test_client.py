"""The client against a real gRPC server whose answers are scripted."""

import itertools
import threading

import grpc
import pytest
from fake_server import Hours
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.client import Query, ResolverClient
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError, ServerRefusedError, UnsendableQueryError
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.v1 import decision_pb2, query_pb2, resolver_service_pb2

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def rows(count):
    return [QueryRow(reference=f"r{i}", kind=Kind.CPR, number=f"{i:010}") for i in range(count)]


def references(decisions):
    return [decision.reference for decision in decisions]


def is_first(call):
    """Whether it is the batch of the first row; calls in flight arrive in any order."""
    return call.request.queries[0].reference == "r0"


def always(code, text="the server's own words"):
    def fate(call):
        call.context.abort(code, text)

    return fate


def refuse_with(code, *details):
    def fate(call):
        status = status_pb2.Status(code=code.value[0], message="Anna Hansen is unknown")
        status.details.extend(details)
        call.context.abort_with_status(rpc_status.to_status(status))

    return fate


def error_info(reason, domain="resolver-grpc"):
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    return packed


@pytest.fixture
def client(fake, target, hours):
    with ResolverClient(target, surroundings=hours.surroundings) as client:
        yield client


def refused(client, **more):
    with pytest.raises(ServerRefusedError) as caught:
        list(client.resolve(rows(3), sender_id="nordkraft", **more))
    return caught.value


# Bad input and bad servers


@pytest.mark.parametrize(
    "bad", [{"batch_size": 0}, {"in_flight": 0}, {"timeout": 0.0}, {"retry_for": -1.0}], ids=lambda bad: next(iter(bad))
)
def test_a_setting_out_of_range_is_refused(bad):
    with pytest.raises(ConfigurationError, match="at least 1"):
        ResolverClient("127.0.0.1:1", **bad)


@pytest.mark.parametrize(
    "target",
    ["", "resolver.example.dk:50051", "10.0.0.1:50051", "127.0.0.1", "localhost", "0.0.0.0:50051",
     "127.0.0.1:50051,10.0.0.1:50051", "dns://10.0.0.1/localhost:50051", "127.0.0.1.example.dk:50051"],
)  # fmt: skip
def test_a_target_that_is_not_on_this_machine_is_refused(target):
    with pytest.raises(ConfigurationError, match="loopback"):
        ResolverClient(target)


@pytest.mark.parametrize(
    "target",
    ["localhost:1", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "ipv4:127.0.0.1:1", "dns:///localhost:1", "unix:/x"],
)
def test_a_target_on_this_machine_is_taken(target):
    ResolverClient(target).close()


@pytest.mark.parametrize("bad", [{"sender_id": 3}, {"sender_id": "\ud800"}, {"shipment_id": 3}])
def test_ids_that_are_no_text_are_refused_before_anything_is_sent(client, fake, bad):
    with pytest.raises(ConfigurationError, match="must be text"):
        client.resolve(rows(1), **{"sender_id": "nordkraft"} | bad)
    assert fake.requests == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (QueryRow(full_name="Anna \ud800 Hansen"), "full_name"),
        (QueryRow(number=101801239), "number"),
        (QueryRow(kind=2**40), "kind"),
        (QueryRow(handle="text"), "handle"),
        ({"number": "0101801239"}, "reference"),
    ],
)
def test_a_query_that_the_wire_cannot_carry_is_named_by_row_and_field_alone(client, query, field):
    with pytest.raises(UnsendableQueryError) as caught:
        list(client.resolve([*rows(2), query], sender_id="nordkraft"))
    assert caught.value.metadata == {"row": "3", "field": field}
    assert "Anna" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "protobuf's error quotes the value"


def test_a_query_larger_than_a_request_is_refused(client, fake):
    fake.info.max_request_bytes = 1000
    with pytest.raises(UnsendableQueryError, match="Query 2 alone is larger"):
        list(client.resolve([*rows(1), QueryRow(full_name="x" * 1000)], sender_id="nordkraft"))


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_response_of_another_length_is_an_error(client, fake, count):
    fake.fate = lambda _call: resolver_service_pb2.ResolveBatchResponse(
        decisions=[decision_pb2.Decision(reference=f"r{i}") for i in range(count)]
    )
    with pytest.raises(MismatchedResponseError, match=f"{count} decisions for 3 queries"):
        list(client.resolve(rows(3), sender_id="nordkraft"))


def test_a_response_in_another_order_is_an_error_and_yields_nothing(client, fake):
    def fate(call):
        answer = fake.answer(call.request)
        answer.decisions.sort(key=lambda decision: decision.reference, reverse=True)
        return answer

    fake.fate = fate
    decisions = client.resolve(rows(3), sender_id="nordkraft")
    with pytest.raises(MismatchedResponseError, match="another reference") as caught:
        next(decisions)
    assert "r0" not in str(caught.value)


@pytest.mark.parametrize("limits", [{"max_queries": 0}, {"max_request_bytes": 0}])
def test_a_server_without_limits_is_refused(client, fake, limits):
    fake.info = resolver_service_pb2.GetServerInfoResponse(**{"max_queries": 5, "max_request_bytes": 5000} | limits)
    with pytest.raises(MismatchedResponseError, match="no limits"):
        list(client.resolve(rows(1), sender_id="nordkraft"))


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_becomes_a_sentence_of_our_own(client, fake, code):
    fake.fate = always(code, "Anna Hansen, 010180-1239")
    error = refused(client)
    assert error.metadata == {"code": code.name, "server_reason": ""}
    assert "Anna" not in str(error)
    assert "0101" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code not in {grpc.StatusCode.OK, UNAVAILABLE}])
def test_only_unavailable_is_tried_again(client, fake, hours, code):
    fake.fate = always(code)
    refused(client)
    assert len(fake.requests) == 1
    assert hours.slept == []


def test_the_reason_of_the_error_info_is_told(client, fake):
    fake.fate = refuse_with(grpc.StatusCode.PERMISSION_DENIED, any_pb2.Any(), error_info("UNKNOWN_SENDER"))
    error = refused(client)
    assert error.metadata == {"code": "PERMISSION_DENIED", "server_reason": "UNKNOWN_SENDER"}
    assert "the id that the sender was onboarded with" in str(error)


@pytest.mark.parametrize(
    "detail",
    [
        error_info("Anna Hansen"),
        error_info("UNKNOWN_SENDER", domain="elsewhere.example"),
        any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff"),
    ],
    ids=["no reason", "foreign", "damaged"],
)
def test_a_foreign_or_damaged_error_info_is_not_told(client, fake, detail):
    fake.fate = refuse_with(grpc.StatusCode.PERMISSION_DENIED, detail)
    assert refused(client).metadata == {"code": "PERMISSION_DENIED", "server_reason": ""}


@pytest.mark.parametrize("details", [b"\xff\xff", status_pb2.Status(code=3).SerializeToString()])
def test_status_details_that_are_damaged_or_contradict_the_status_are_passed_over(client, fake, details):
    def fate(call):
        call.context.set_trailing_metadata((("grpc-status-details-bin", details),))
        call.context.abort(grpc.StatusCode.INTERNAL, "")

    fake.fate = fate
    assert refused(client).metadata == {"code": "INTERNAL", "server_reason": ""}


def test_a_batch_past_its_deadline_is_refused(fake, target):
    released = threading.Event()
    fake.fate = lambda _call: released.wait(60) and None
    with ResolverClient(target, timeout=0.05) as client:
        error = refused(client)
    released.set()
    assert error.metadata["code"] == "DEADLINE_EXCEEDED"
    assert "smaller batches or a longer timeout" in str(error)


def test_a_closed_client_says_so(client):
    client.close()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.server_info()
    with pytest.raises(ConfigurationError, match="closed"):
        list(client.resolve(rows(1), sender_id="nordkraft"))


def test_closing_the_client_ends_a_shipment_under_way_with_an_error(client, fake):
    released = threading.Event()
    fake.fate = lambda call: None if is_first(call) else released.wait(60) and None
    fake.info.max_queries = 1
    decisions = client.resolve(rows(9), sender_id="nordkraft")
    next(decisions)
    client.close()
    released.set()
    with pytest.raises((ServerRefusedError, ConfigurationError), match="closed"):
        list(decisions)


def test_an_error_of_the_callers_iterable_is_the_callers(client):
    def broken():
        yield from rows(2)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        list(client.resolve(broken(), sender_id="nordkraft"))


# What it does


def test_no_queries_give_no_decisions_and_no_request(client, fake):
    assert list(client.resolve([], sender_id="nordkraft")) == []
    assert fake.requests == []


def test_nothing_is_asked_before_the_first_decision_is_wanted(client, fake):
    client.resolve(rows(1), sender_id="nordkraft")
    assert (fake.infos, fake.requests) == (0, [])


def test_the_request_says_what_the_caller_said(client, fake):
    list(client.resolve(rows(2), sender_id="nordkraft", shipment_id="may", personal_content=True))
    (request,) = fake.requests
    assert (request.sender_id, request.shipment_id, request.personal_content) == ("nordkraft", "may", True)


def test_a_row_is_sent_field_by_field(client, fake):
    row = QueryRow(
        reference="r", kind=Kind.FULL_NAME, full_name="a", first_name="b", last_name="c", street_name="d",
        house_number="e", floor="f", door="g", postal_code="h", supplementary_town="i", address_line="j", kvhx="k",
        number="l", email_address="m", handle=b"n", has_postal_address=True,
    )  # fmt: skip
    list(client.resolve([row], sender_id="nordkraft"))
    (query,) = fake.requests[0].queries
    assert {name: getattr(query, name) for name in QueryRow.__slots__} == {
        name: getattr(row, name) for name in QueryRow.__slots__
    }


def test_wire_messages_pass_through_even_one_message_filled_again_and_again(client, fake):
    def refilled():
        message = Query()
        for row in rows(5):
            message.reference, message.kind, message.number = row.reference, query_pb2.KIND_CPR, row.number
            yield message

    fake.info.max_queries = 2
    decisions = list(client.resolve(refilled(), sender_id="nordkraft"))
    assert references(decisions) == [f"r{i}" for i in range(5)]
    assert [decision.targets[0].number for decision in decisions] == [f"{i:010}" for i in range(5)]


def test_the_limits_are_asked_for_once(client, fake):
    for _ in range(3):
        list(client.resolve(rows(2), sender_id="nordkraft"))
    assert fake.infos == 1


def test_server_info_is_asked_anew_each_time(client, fake):
    assert client.server_info().snapshot_id == "fake"
    fake.info.snapshot_id = "next"
    assert client.server_info().snapshot_id == "next"


def test_another_snapshot_in_the_middle_of_a_shipment_is_fine(client, fake):
    fake.info.max_queries = 1

    def fate(call):
        answer = fake.answer(call.request)
        answer.snapshot_id = f"snapshot-{call.number}"
        return answer

    fake.fate = fate
    assert references(client.resolve(rows(5), sender_id="nordkraft")) == [f"r{i}" for i in range(5)]


def test_a_large_response_is_received(client, fake):
    """The limit of gRPC itself for a received message is 4 MiB."""
    fake.decide = lambda query: decision_pb2.Decision(
        reference=query.reference, targets=[decision_pb2.Target(number="0101801239")] * 200_000
    )
    (decision,) = client.resolve(rows(1), sender_id="nordkraft")
    assert len(decision.targets) == 200_000


def test_an_endless_iterable_is_read_only_a_bounded_way_ahead(fake, target):
    taken = 0

    def endless():
        nonlocal taken
        for taken in itertools.count(1):
            yield QueryRow(reference=str(taken), kind=Kind.CPR)

    with ResolverClient(target, batch_size=7, in_flight=3) as client:
        decisions = client.resolve(endless(), sender_id="nordkraft")
        for given_out in range(1, 200):
            assert next(decisions).reference == str(given_out)
            # One query past the last full batch is what tells that the batch is full.
            assert taken <= (given_out // 7 + 1 + 3) * 7 + 1
        decisions.close()


def test_no_more_batches_than_in_flight_are_under_way(fake, target):
    released, arrived = threading.Event(), threading.Semaphore(0)

    def fate(call):
        arrived.release()
        released.wait(60)

    fake.fate = fate
    with ResolverClient(target, batch_size=1, in_flight=3) as client:
        got = []
        worker = threading.Thread(target=lambda: got.extend(client.resolve(rows(9), sender_id="nordkraft")))
        worker.start()
        assert all(arrived.acquire(timeout=60) for _ in range(3)), "three are sent without waiting for an answer"
        assert not arrived.acquire(timeout=0.05)
        released.set()
        worker.join(60)
    assert references(got) == [f"r{i}" for i in range(9)]


def test_closing_the_generator_cancels_what_is_in_flight(fake, target):
    arrived, ended = threading.Semaphore(0), threading.Semaphore(0)
    released = threading.Event()

    def fate(call):
        if not is_first(call):
            call.context.add_callback(ended.release)
            arrived.release()
            released.wait(60)

    fake.fate = fate
    with ResolverClient(target, batch_size=1, in_flight=3) as client:
        decisions = client.resolve(rows(9), sender_id="nordkraft")
        next(decisions)
        assert all(arrived.acquire(timeout=60) for _ in range(3))
        decisions.close()
        assert all(ended.acquire(timeout=60) for _ in range(3)), "the calls end although no answer was given"
        released.set()
        assert references(client.resolve(rows(2), sender_id="nordkraft")) == ["r0", "r1"], "the client goes on"


# Trying again


def test_it_gives_up_after_retry_for(fake, target, hours):
    fake.fate = always(UNAVAILABLE)
    with ResolverClient(target, retry_for=20.0, surroundings=hours.surroundings) as client:
        error = refused(client)
    assert error.metadata["code"] == "UNAVAILABLE"
    assert "send the whole shipment again" in str(error)
    assert 15 < sum(hours.slept) <= 20
    assert len(fake.requests) == len(hours.slept) + 1


def test_the_waits_double_up_to_a_cap(fake, target, hours):
    fake.fate = always(UNAVAILABLE)
    with ResolverClient(target, retry_for=30.0, surroundings=hours.surroundings) as client:
        refused(client)
    full = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert hours.slept == pytest.approx([delay * 0.75 for delay in full])


def test_without_retry_for_the_first_failure_counts(fake, target, hours):
    fake.fate = always(UNAVAILABLE)
    with ResolverClient(target, retry_for=0.0, surroundings=hours.surroundings) as client:
        refused(client)
    assert (len(fake.requests), hours.slept) == (1, [])


def test_an_outage_over_all_in_flight_costs_one_wait_not_one_each(fake, target, hours):
    fake.fate = lambda call: call.context.abort(UNAVAILABLE, "") if call.number < 4 else None
    with ResolverClient(target, batch_size=1, in_flight=4, surroundings=hours.surroundings) as client:
        assert references(client.resolve(rows(8), sender_id="nordkraft")) == [f"r{i}" for i in range(8)]
    # A call whose failure arrives just after the wait has one of its own.
    assert 1 <= len(hours.slept) <= 4


def retry_info(seconds):
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds)))
    return packed


EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_call_that_came_too_soon_is_made_again_after_the_time_asked_for(client, fake, hours):
    too_soon = refuse_with(EXHAUSTED, error_info("RATE_EXCEEDED"), retry_info(7))
    fake.fate = lambda call: too_soon(call) if call.number < 2 else None
    assert references(client.resolve(rows(3), sender_id="nordkraft")) == ["r0", "r1", "r2"]
    assert hours.slept == pytest.approx([7 * 1.05] * 2)


def test_of_several_that_came_too_soon_all_are_made_again_after_one_wait(fake, target, hours):
    too_soon = refuse_with(EXHAUSTED, error_info("RATE_EXCEEDED"), retry_info(2))
    fake.fate = lambda call: too_soon(call) if call.number < 4 else None
    with ResolverClient(target, batch_size=1, in_flight=4, surroundings=hours.surroundings) as client:
        assert references(client.resolve(rows(8), sender_id="nordkraft")) == [f"r{i}" for i in range(8)]
    assert 1 <= len(hours.slept) <= 4


def test_it_does_not_wait_longer_than_retry_for_however_long_it_is_asked_to(client, fake, hours):
    fake.fate = refuse_with(EXHAUSTED, error_info("RATE_EXCEEDED"), retry_info(3_000))
    error = refused(client)
    assert "ask its operator for a higher rate" in str(error)
    assert (len(fake.requests), hours.slept) == (1, [])


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("MISSES_SPENT", "recipients who are not found: check"), ("ADDRESSES_SPENT", "queries by address alone: send")],
)
def test_a_budget_of_the_day_ends_at_once_with_one_line_that_says_what_to_do(client, fake, hours, reason, sentence):
    fake.fate = refuse_with(EXHAUSTED, error_info(reason), retry_info(1))
    error = refused(client)
    assert sentence in str(error)
    assert "\n" not in str(error)
    assert (error.metadata["server_reason"], hours.slept) == (reason, [])


@pytest.mark.parametrize(
    "details",
    [(), (retry_info(1),), (error_info("RATE_EXCEEDED"),), (error_info("RATE_EXCEEDED", "other"), retry_info(1))],
    ids=["none", "no reason", "no time", "another domain"],
)
def test_whatever_else_is_exhausted_is_not_asked_again(client, fake, hours, details):
    """Such as gRPC's own refusal of a message that is too large."""
    fake.fate = refuse_with(EXHAUSTED, *details)
    assert refused(client).metadata["code"] == "RESOURCE_EXHAUSTED"
    assert hours.slept == []


def test_server_info_is_tried_again_too(client, fake, hours):
    fake.info_fate = lambda call: call.context.abort(UNAVAILABLE, "") if call.number < 2 else None
    assert client.server_info().snapshot_id == "fake"
    assert len(hours.slept) == 2


def test_server_info_may_be_asked_without_patience(client, fake, hours):
    fake.info_fate = lambda call: call.context.abort(UNAVAILABLE, "")
    with pytest.raises(ServerRefusedError):
        client.server_info(retry_for=0.0)
    assert hours.slept == []


def test_a_server_that_is_not_there_is_unavailable(hours):
    with (
        ResolverClient("127.0.0.1:9", retry_for=0.0, surroundings=hours.surroundings) as client,
        pytest.raises(ServerRefusedError, match="check its address"),
    ):
        client.server_info()


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.text(max_size=8), max_size=60),
    settings_of_client=st.fixed_dictionaries({"batch_size": st.integers(1, 20), "in_flight": st.integers(1, 6)}),
    limits=st.fixed_dictionaries({"max_queries": st.integers(1, 20), "max_request_bytes": st.integers(80, 400)}),
    failures=st.sets(st.integers(0, 80)),
)
def test_every_query_gets_its_decision_once_and_in_order_whatever_fails(
    lasting_fake, names, settings_of_client, limits, failures
):
    """Under random UNAVAILABLE failures, batch sizes, limits of queries and bytes, and references that repeat."""
    fake = lasting_fake
    fake.reset()
    fake.info = resolver_service_pb2.GetServerInfoResponse(**limits)
    fake.fate = lambda call: call.context.abort(UNAVAILABLE, "") if call.number in failures else None
    queries = [QueryRow(reference=name, kind=Kind.CPR, number=f"{i:010}") for i, name in enumerate(names)]
    with ResolverClient(fake.target, retry_for=1e6, surroundings=Hours().surroundings, **settings_of_client) as client:
        decisions = list(client.resolve(iter(queries), sender_id="nordkraft"))
    assert [(d.reference, d.targets[0].number) for d in decisions] == [(q.reference, q.number) for q in queries]
    for request in fake.requests:
        assert 1 <= len(request.queries) <= min(settings_of_client["batch_size"], limits["max_queries"])
        assert request.ByteSize() <= limits["max_request_bytes"]
