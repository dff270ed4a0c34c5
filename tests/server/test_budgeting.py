"""A server that holds senders to their budgets: what is refused and how, and what all its workers share."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status
from test_auditing import found_in
from test_metrics import read_page
from worker_nursery import COMMAND, supervised

from nursery import tool
from resolver_grpc.budgets.budget_file import BudgetFile, Sketch
from resolver_grpc.budgets.sketch import REGISTERS, mark, salt_of
from resolver_grpc.errors import RateExceededError
from resolver_grpc.keys import KeyKind
from resolver_grpc.model import Kind, Limits, QueryRow
from resolver_grpc.resolve import Counted
from resolver_grpc.server import budgeting
from resolver_grpc.server.budgeting import Budgeting
from resolver_grpc.server.log import make_log
from resolver_grpc.times import danish_day, parse_time
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import ANN, KNOWN_SENDERS, QUERIES, build_register, serving

NOON = parse_time("2026-11-22T11:00:00Z")
MIDNIGHT = parse_time("2026-11-23")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    # Two keys may share a register of a sketch: under this key none of these tests' do.
    return build_register(tmp_path_factory.mktemp("budgeted"), b"b" * 32)


@pytest.fixture(params=["fast", "plain"])
def way(request, monkeypatch):
    monkeypatch.setenv("RESOLVER_FASTPATH", "on" if request.param == "fast" else "off")


def limited(**limits):
    return KNOWN_SENDERS | {"power": replace(KNOWN_SENDERS["power"], limits=Limits(**limits))}


@contextmanager
def budgeted(register, path, senders, clock=None, **options):
    """A stub of a server that keeps its budgets in a file."""
    budgets = Budgeting(BudgetFile(path), make_log(), clock or Clock())
    with (
        serving(register, senders, budgets=budgets, **options) as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        yield ResolverServiceStub(channel)


def nobody(number, kind=Kind.CPR):
    """A query that nobody is found by."""
    if kind is Kind.ADDRESS:
        return QueryRow("r", Kind.ADDRESS, kvhx=f"07511234{number:_>4}__3__tv")
    return QueryRow("r", Kind.CPR, number=f"0101{number % 90 + 1:02}{number // 90 + 4000}")


HIT = QueryRow("r", Kind.CPR, number=ANN)


def ask(stub, *queries, sender_id="power", kind=wire.ResolveBatchRequest):
    rows = [Query(**{name: getattr(row, name) for name in QueryRow.__slots__}) for row in queries]
    request = kind(sender_id=sender_id, queries=rows)
    if kind is wire.ResolveStreamRequest:
        return next(iter(stub.ResolveStream(iter([request])))).decisions
    return stub.ResolveBatch(request).decisions


def refusal(stub, *queries, **options):
    """How a batch is refused: code, reason, seconds to wait."""
    with pytest.raises(grpc.RpcError) as error:
        ask(stub, *queries, **options)
    status, info, retry = rpc_status.from_call(error.value), ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert info.domain == "resolver-grpc"
    assert str(ANN) not in str(status)
    return error.value.code(), info.reason, retry.retry_delay.ToTimedelta().total_seconds()


SPENT = grpc.StatusCode.RESOURCE_EXHAUSTED


def test_past_its_misses_a_sender_is_refused_until_danish_midnight_and_nobody_else(register, tmp_path, way):
    clock = Clock()
    with budgeted(register, tmp_path / "budgets", limited(daily_misses=5), clock) as stub:
        for _ in range(3):
            ask(stub, *map(nobody, range(5)), HIT)
        assert refusal(stub, nobody(5), HIT) == (SPENT, "MISSES_SPENT", MIDNIGHT - NOON)
        clock.now += 60.5
        assert refusal(stub, HIT) == (SPENT, "MISSES_SPENT", MIDNIGHT - NOON - 60.5)
        assert refusal(stub, HIT, kind=wire.ResolveStreamRequest)[1] == "MISSES_SPENT"
        assert len(ask(stub, nobody(6), sender_id="town")) == 1
        clock.now = MIDNIGHT
        assert len(ask(stub, HIT, nobody(7))) == 2


def test_whatever_intake_sees_as_a_miss_counts_and_nothing_else(register, tmp_path, way):
    """Of a batch of all kinds; an owner without consent, opted out or not subscribed is a miss like nobody."""
    with budgeted(register, tmp_path / "budgets", limited(daily_misses=100)) as stub:
        ask(stub, *QUERIES)
        ask(stub, *QUERIES)
    file = BudgetFile(tmp_path / "budgets")
    with file.page_of("power") as page:
        account = page.read()
    # Opted out, not subscribed, an unknown name, a forged handle and a protected one; the two malformed are none.
    assert (round(account.misses), round(account.addresses)) == (5, 1)


def test_what_stands_in_the_file_is_made_under_the_key_file_for_this_sender_and_day(register, tmp_path, way):
    with budgeted(register, tmp_path / "budgets", limited()) as stub:
        ask(stub, nobody(1), nobody(2))
    expected, today = np.zeros(REGISTERS, np.uint8), danish_day(NOON).toordinal()
    keys = [register.key.index_keys.key(KeyKind.CPR, nobody(number).number) for number in (1, 2)]
    mark(expected, keys, salt_of(register.key.budgets_secret, "power", today))
    file = BudgetFile(tmp_path / "budgets")
    with file.page_of("power") as page:
        assert page.read_sketch(Sketch.MISSES).tolist() == expected.tolist()
        assert page.read().day == today


def test_past_its_addresses_a_sender_may_still_ask_other_kinds(register, tmp_path, way):
    with budgeted(register, tmp_path / "budgets", limited(daily_addresses=3)) as stub:
        ask(stub, *(nobody(number, Kind.ADDRESS) for number in range(1, 4)))
        assert refusal(stub, nobody(4, Kind.ADDRESS)) == (SPENT, "ADDRESSES_SPENT", MIDNIGHT - NOON)
        assert len(ask(stub, HIT)) == 1


def test_past_its_rate_a_sender_waits_as_long_as_it_is_told(register, tmp_path, way):
    clock = Clock()
    with budgeted(register, tmp_path / "budgets", limited(queries_per_second=4), clock) as stub:
        ask(stub, *[HIT] * 10)
        code, reason, wait = refusal(stub, HIT)
        assert (code, reason, wait) == (SPENT, "RATE_EXCEEDED", 1.5)
        clock.now += wait
        ask(stub, HIT)


def test_a_large_batch_tells_nothing_of_what_is_past_the_budget(register, tmp_path, way):
    with budgeted(register, tmp_path / "budgets", limited(daily_misses=50, queries_per_second=10**6)) as stub:
        assert refusal(stub, *map(nobody, range(3_000)))[1] == "MISSES_SPENT"
        assert refusal(stub, HIT)[1] == "MISSES_SPENT"


def test_a_budget_is_that_of_the_sender_whichever_way_the_server_is_started(register, tmp_path, monkeypatch):
    """Counted the fast way, known the plain way after a restart."""
    senders = limited(daily_misses=5)
    for number, way in enumerate(["on", "off", "on"]):
        monkeypatch.setenv("RESOLVER_FASTPATH", way)
        with budgeted(register, tmp_path / "budgets", senders) as stub:
            ask(stub, *map(nobody, range(3)), nobody(10 + number // 2))
    with budgeted(register, tmp_path / "budgets", senders) as stub:
        assert refusal(stub, nobody(20))[1] == "MISSES_SPENT"


def test_a_refusal_is_on_record_with_its_sender_and_reason(register, tmp_path):
    audit = tmp_path / "audit"
    audit.mkdir()
    with budgeted(register, tmp_path / "budgets", limited(daily_misses=1), audit=audit) as stub:
        ask(stub, nobody(1))
        for _ in range(2):
            refusal(stub, nobody(2), HIT)
    told = [(body["sender"], body["refusal"], len(body["counts"])) for body in found_in(audit, register.key)]
    assert told == [("power", "", 1), *[("power", "MISSES_SPENT", 0)] * 2]
    verify = [sys.executable, tool("verify_audit"), audit, "--keys", register.key_file]
    done = subprocess.run(verify, check=True, capture_output=True, text=True)
    assert "refused, MISSES_SPENT" in done.stdout
    assert "power" in done.stdout


def test_while_budgets_cannot_be_kept_nothing_is_resolved(register, tmp_path, capfd, way):
    path, away = tmp_path / "budgets", tmp_path / "away"
    budgets = Budgeting(BudgetFile(path), make_log(), Clock())
    with serving(register, budgets=budgets) as server, grpc.insecure_channel(server.target) as channel:
        stub = ResolverServiceStub(channel)
        ask(stub, HIT)
        path.rename(away)
        budgets.look()
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as error:
                ask(stub, HIT)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert str(tmp_path) not in error.value.details()
        away.rename(path)
        budgets.look()
        ask(stub, HIT)
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [(line["event"], line["level"]) for line in logged if "budgets" in line["event"]]
    assert told == [("budgets can't be kept", "error"), ("budgets kept again", "info")]


def comes(status, seen):
    """Whether a health comes before the call's time is over."""
    try:
        return status in seen
    except grpc.RpcError:
        return False


def test_health_tells_that_budgets_are_gone_before_anybody_asks(register, tmp_path, monkeypatch):
    """Who watches sees it go and come back, and the log tells each once."""
    monkeypatch.setattr(budgeting, "SECONDS_BETWEEN_LOOKS", 0.01)
    path, away = tmp_path / "budgets", tmp_path / "away"
    budgets = Budgeting(BudgetFile(path), make_log(), Clock())
    with serving(register, budgets=budgets) as server, grpc.insecure_channel(server.target) as channel:
        for name in ("", "budgets"):
            seen = (one.status for one in HealthStub(channel).Watch(HealthCheckRequest(service=name), timeout=10))
            assert comes(HealthCheckResponse.SERVING, seen)
            path.rename(away)
            assert comes(HealthCheckResponse.NOT_SERVING, seen)
            away.rename(path)
            assert comes(HealthCheckResponse.SERVING, seen)


def test_a_senders_damaged_slot_is_no_reason_to_take_the_server_out(register, tmp_path, capfd):
    """It is refused, whoever looks meanwhile; others are served."""
    path = tmp_path / "budgets"
    budgets = Budgeting(BudgetFile(path), make_log(), Clock())
    with serving(register, budgets=budgets) as server, grpc.insecure_channel(server.target) as channel:
        stub = ResolverServiceStub(channel)
        ask(stub, HIT)
        with path.open("r+b") as file:
            file.seek(128)
            file.write(bytes(64))
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as error:
                ask(stub, HIT)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert str(tmp_path) not in error.value.details()
            budgets.look()
        assert budgets.is_well
        path.rename(tmp_path / "away")
        budgets.look()
        assert not budgets.is_well
        (tmp_path / "away").rename(path)
        budgets.look()
        assert budgets.is_well
        ask(stub, HIT, sender_id="town")
    logged = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    told = ["budgets can't be kept"] * 2 + ["budgets kept again"]
    assert [event for event in logged if "budgets" in event] == told


SENDERS = """
[[senders]]
id = "power"
name = "Power"
cvr = "13585628"
class = "PRIVATE"
kinds = ["CPR", "ADDRESS"]
daily_misses = 12

[[senders]]
id = "town"
name = "Town"
cvr = "61126228"
class = "PUBLIC"
kinds = ["CPR"]
"""


def command(register, folder, *options):
    (folder / "senders.toml").write_text(SENDERS, encoding="utf-8")
    paths = ["--snapshot", register.directory, "--keys", register.key_file, "--senders", folder / "senders.toml"]
    fixed = ["--insecure", "--as-of", "2026-11-01", "--listen", "127.0.0.1:0", "--budgets", folder / "budgets"]
    return [COMMAND, "serve", *paths, *fixed, *options]


@contextmanager
def own_connection(address):
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield ResolverServiceStub(channel)


def test_workers_share_budgets_and_neither_a_kill_nor_a_restart_begins_them_anew(register, tmp_path):
    """One query a connection, so that both workers count; as many as the budget are answered, whoever answers."""
    with supervised(command(register, tmp_path, "--workers", "2", "--metrics", "127.0.0.1:0")) as server:
        shown = server.logged[-1]["metrics"]
        for number in range(8):
            with own_connection(server.address) as stub:
                ask(stub, nobody(number), nobody(number // 2))
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for("worker serving")
        for number in range(4, 12):
            with own_connection(server.address) as stub:
                ask(stub, nobody(number))
        for _ in range(6):
            with own_connection(server.address) as stub:
                code, reason, wait = refusal(stub, nobody(12))
                assert (code, reason) == (SPENT, "MISSES_SPENT")
                assert 0 < wait <= 25 * 3600
                ask(stub, nobody(12), sender_id="town")
        page = read_page(shown)
        assert page["resolver_over_budget_calls_total", "MISSES_SPENT"] == 6
        assert page["resolver_refused_calls_total", "RESOURCE_EXHAUSTED"] == 6
        assert server.end() == 0
    with supervised(command(register, tmp_path)) as server:
        with own_connection(server.address) as stub:
            assert refusal(stub, HIT)[1] == "MISSES_SPENT"
            ask(stub, HIT, sender_id="town")
        assert server.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_file_that_is_none_of_budgets_ends_the_start_with_one_line(register, tmp_path, workers):
    (tmp_path / "budgets").write_bytes(b"somebody's letters, which are not to be written over")
    (tmp_path / "budgets").chmod(0o600)
    done = subprocess.run(
        command(register, tmp_path, "--workers", workers), check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "is no file of budgets; name another file" in done.stderr
    assert (tmp_path / "budgets").read_bytes().startswith(b"somebody's letters")


def test_the_highest_share_is_that_of_whoever_used_up_most_and_begins_anew(tmp_path):
    clock = Clock()
    kept = Budgeting(BudgetFile(tmp_path / "budgets"), make_log(), clock)
    assert kept.highest_share() == 0
    for sender in limited(daily_misses=10).values():
        meter = kept.meter(b"s" * 32)
        meter.admit(sender, 1)
        meter.settle(sender, Counted([blake2b(bytes([number]), digest_size=16).digest() for number in range(4)]))
    assert round(kept.highest_share(), 2) == 0.4
    clock.now = MIDNIGHT
    assert kept.highest_share() == 0
    kept.close()


def test_a_request_that_both_ways_look_at_is_admitted_once(tmp_path):
    kept = Budgeting(BudgetFile(tmp_path / "budgets"), make_log(), Clock())
    sender = limited(queries_per_second=1)["power"]
    meter = kept.meter(b"s" * 32)
    for _ in range(3):
        meter.admit(sender, 5_000)
    with pytest.raises(RateExceededError):
        kept.meter(b"s" * 32).admit(sender, 1)
    kept.close()
