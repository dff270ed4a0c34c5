"""The load generator and the yardstick comparison, on a country of 2,000 mailboxes."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import ConfigurationError, MismatchedResponseError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.model import Kind, Reason, Route
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.served import open_served
from resolver_grpc.times import parse_time
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import load
import loops
import yardstick
from latency import Answer, Window, due_times, measure, percentile
from loading import run_load
from messages import check_answer, count_queries, read_messages, write_messages
from nation.requests import KINDS, MIX_WITH_LINES, MIXES, apportion, encode_requests
from nation.world import make_country
from plots import plot_latency
from processes import cpu_seconds, memory
from serving import AS_OF, Running, Site, make_site, serving

SIZE, SEED = 2_000, 7
NOON = parse_time(AS_OF)
FOUND = {Reason.DELIVERABLE, Reason.SUBSCRIBED_BY_TERMS}


@pytest.fixture(scope="module")
def country():
    return make_country(SIZE, SEED)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(SIZE, SEED, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def served(site):
    served = open_served(site.snapshot, read_key_ring(site.keys).active, read_senders(site.senders), NOON)
    yield served
    served.snapshot.index.close()


@pytest.fixture(scope="module")
def small(country):
    """Messages of ten queries of all kinds."""
    return encode_requests(country, "mix", batch=10, count=30, hit_rate=0.8, seed=3)


def encode(country, kind="mix", batch=60, count=5, hit_rate=0.8, seed=3):
    return encode_requests(country, kind, batch=batch, count=count, hit_rate=hit_rate, seed=seed)


def queries_of(messages):
    return [query for message in messages for query in ResolveBatchRequest.FromString(message).queries]


@pytest.mark.parametrize("hit_rate", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_are_found_as_were_asked_for(country, served, kind, hit_rate):
    """Hits reach a mailbox, misses are nowhere to be found; none of either is malformed or ambiguous."""
    messages = encode(country, kind, hit_rate=hit_rate)
    decisions = []
    for message in messages:
        response = served.batches.answer(message, NOON)
        check_answer(message, response)
        decisions += ResolveBatchResponse.FromString(response).decisions
    found = [decision.reason in FOUND and decision.route == Route.MAILBOX for decision in decisions]
    assert sum(found) == pytest.approx(300 * hit_rate, abs=len(MIXES.get(kind, ())))
    assert {one.reason for one, hit in zip(decisions, found, strict=True) if not hit} <= {Reason.NOT_FOUND}
    assert all(bool(one.targets) == hit for one, hit in zip(decisions, found, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_arguments_give_equal_bytes(country, kind):
    assert encode(country, kind) == encode(country, kind) != encode(country, kind, seed=4)


def test_each_message_holds_as_many_queries_as_asked_and_each_its_own_reference(country):
    messages = encode(country, batch=7, count=11)
    assert [count_queries(message) for message in messages] == [7] * 11
    assert len({query.reference for query in queries_of(messages)}) == 77


def test_a_mix_has_every_way_of_asking_in_its_share(country):
    ways = Counter()
    for query in queries_of(encode(country, "mix_with_lines", batch=100, count=4)):
        fields = {field.name for field, _ in query.ListFields()} - {"reference", "kind", "floor", "door"}
        ways[Kind(query.kind).name, frozenset(fields)] += 1
    address = {"street_name", "house_number", "postal_code"}
    shares = {
        ("FULL_NAME", frozenset({"full_name", *address})): MIX_WITH_LINES["full_name"],
        ("FULL_NAME", frozenset({"full_name", "kvhx"})): MIX_WITH_LINES["full_name_kvhx"],
        ("FULL_NAME", frozenset({"full_name", "address_line"})): MIX_WITH_LINES["full_name_line"],
        ("FIRST_NAME", frozenset({"first_name", *address})): MIX_WITH_LINES["first_name"],
        ("ADDRESS", frozenset(address)): MIX_WITH_LINES["address"],
        ("EMAIL", frozenset({"email_address"})): MIX_WITH_LINES["email"],
        ("CPR", frozenset({"number"})): MIX_WITH_LINES["cpr"],
        ("CVR", frozenset({"number"})): MIX_WITH_LINES["cvr"],
    }
    assert ways == {way: round(share * 400) for way, share in shares.items()}


def test_kvhx_keys_have_19_characters_and_some_a_floor(country):
    keys = [query.kvhx for query in queries_of(encode(country, "full_name_kvhx"))]
    assert {len(key) for key in keys} == {19}
    assert {key[12:15] for key in keys} >= {"___", "_st", "__1"}


@given(st.integers(0, 10_000))
def test_parts_make_up_the_whole_and_are_off_their_share_by_less_than_one(total):
    parts = apportion(total, MIX_WITH_LINES)
    assert sum(parts.values()) == total
    assert all(abs(parts[name] - total * share) < 1.0001 for name, share in MIX_WITH_LINES.items())


SECONDS = st.floats(0, 1e6)


@given(st.lists(SECONDS, min_size=1, max_size=60), st.integers(1, 1000))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, thousandths):
    enough = [one for one in values if sum(other <= one for other in values) * 1000 >= thousandths * len(values)]
    assert percentile(sorted(values), thousandths) == min(enough)


@given(st.integers(0, 100), st.integers(0, 300), st.integers(1, 40))
def test_messages_are_due_at_even_intervals(begin, seconds, gap):
    assert list(due_times(begin, seconds, gap)) == list(range(begin, begin + seconds, gap))


ANSWERS = st.lists(st.tuples(SECONDS, SECONDS, SECONDS).map(lambda one: Answer(*sorted(one))), max_size=40)


@given(ANSWERS, SECONDS, st.floats(0.001, 1e6))
def test_what_is_due_in_the_window_counts_and_what_is_answered_in_it_is_the_throughput(answers, begin, length):
    window = Window(begin, begin + length)
    times = measure(answers, window)
    due = [one for one in answers if window.begin <= one.due < window.end]
    assert Counter(times.latencies) == Counter(one.answered - one.due for one in due)
    assert Counter(times.late) == Counter(one.sent - one.due for one in due)
    assert times.latencies == sorted(times.latencies)
    answered = [one for one in answers if window.begin <= one.answered < window.end]
    assert times.answered_per_second * (window.end - window.begin) == pytest.approx(len(answered))


@given(st.integers(2, 50), st.integers(1, 30))
def test_a_stall_is_charged_to_every_message_that_was_due_meanwhile(stall, fast):
    """One message a second, the first one answered after a stall: each second of it delays one message less."""
    answers = [Answer(due, max(due, stall), max(due, stall)) for due in range(stall + fast)]
    latencies = measure(answers, Window(0, stall + fast)).latencies
    assert latencies == [0] * fast + list(range(1, stall + 1))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=10))
def test_messages_come_back_from_their_file(tmp_path_factory, messages):
    path = tmp_path_factory.mktemp("messages") / "m"
    write_messages(path, messages)
    assert read_messages(path) == messages
    for end in (path.stat().st_size - 1, 30):
        os.truncate(path, end)
        with pytest.raises(ConfigurationError, match="no whole file of messages"):
            read_messages(path)


@pytest.mark.parametrize("content", [b"", b"MZ" * 40, b"messages of a benchmark, 1\n"])
def test_another_file_is_not_taken_for_messages(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ConfigurationError, match="no whole file of messages"):
        read_messages(tmp_path / "m")


def spoil(response, how):
    message = ResolveBatchResponse.FromString(response)
    how(message.decisions)
    return message.SerializeToString()


def turn_round(decisions):
    decisions[0].route = Route.REJECT if decisions[0].route == Route.MAILBOX else Route.MAILBOX


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (lambda decisions: decisions.pop(), "one decision for each query"),
        (lambda decisions: decisions.reverse(), "one decision for each query"),
        (turn_round, "must be found"),
    ],
)
def test_a_wrong_answer_is_told_from_the_right_one(small, served, how, sentence):
    response = served.batches.answer(small[0], NOON)
    check_answer(small[0], response)
    with pytest.raises(MismatchedResponseError, match=sentence):
        check_answer(small[0], spoil(response, how))


def test_bytes_that_are_no_response_are_refused(small):
    with pytest.raises(MismatchedResponseError, match="no ResolveBatchResponse"):
        check_answer(small[0], b"\xff")


def test_a_process_is_charged_for_its_memory_and_its_children():
    held = "held = bytearray(60_000_000); sum(range(3_000_000)); print(flush=True); input()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}])"
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        used = memory(process.pid)
        assert used.resident > used.own > 60_000_000
        assert cpu_seconds(process.pid) > 0
        process.stdin.close()
    assert cpu_seconds(process.pid) == 0
    assert memory(process.pid) == (0, 0)


def plan(**options):
    usual = {"streams": 2, "in_flight": 3, "rate": None, "unary": False, "seconds": 0.3, "warm_up": 0.0}
    return loops.Plan(**usual | options)


@pytest.fixture(scope="module")
def running(site):
    with serving(site) as server:
        yield server


@pytest.mark.parametrize("unary", [False, True])
@pytest.mark.parametrize("rate", [None, 500.0])
def test_a_real_server_answers_all_that_is_sent(running, small, unary, rate):
    figures = run_load(running, small, plan(unary=unary, rate=rate))
    assert figures.errors == {}
    assert figures.queries_per_second > 0
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.p999_ms
    assert figures.resident_mib > figures.own_mib > 1


def test_a_run_is_told_as_json_and_its_messages_are_kept(site, tmp_path):
    """The program starts a server of its own, makes the messages, and ends the server."""
    kept = tmp_path / "kept"
    words = ["--snapshot", site.snapshot, "--keys", site.keys, "--mailboxes", SIZE, "--seed", SEED, "--batch", 1]
    words += ["--count", 50, "--seconds", 0.2, "--warm-up", 0, "--json", "--keep-messages", kept]
    done = CliRunner().invoke(load.main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["errors"] == {}
    assert len(read_messages(kept)) == 50


def test_a_sweep_makes_a_table_and_a_plot(running, small, tmp_path):
    write_messages(tmp_path / "m", small)
    words = ["--server", running.address, "--messages", tmp_path / "m", "--sweep", "--out", tmp_path / "load.md"]
    done = CliRunner().invoke(load.main, [*map(str, words), "--seconds", "0.2", "--warm-up", "0"])
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "load.md").read_text(encoding="utf-8").split("---: |\n")[1].splitlines()
    assert len(rows) == 9
    assert rows[0].startswith("| closed loop |")
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--sweep"], "say with --out where"),
        ([], "name a server with --server"),
        (["--server", "127.0.0.1:1"], "nobody answers"),
    ],
)
def test_bad_options_are_told_in_one_line(small, tmp_path, monkeypatch, words, sentence):
    monkeypatch.setattr(loops, "_SECONDS_TO_CONNECT", 0.1)
    write_messages(tmp_path / "m", small)
    done = CliRunner().invoke(load.main, ["--messages", str(tmp_path / "m"), *words])
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_server_is_ended_whatever_becomes_of_the_load(site):
    ran = []

    def be_interrupted(server):
        ran.append(server.pid)
        os.kill(server.pid, 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), serving(site) as server:
        be_interrupted(server)
    with pytest.raises(ProcessLookupError):
        os.kill(ran[0], 0)


def test_a_server_that_does_not_start_says_why(site, tmp_path):
    nothing = Site(tmp_path, site.keys, site.senders)
    with pytest.raises(ConfigurationError, match=r"did not start: .*manifest"), serving(nothing):
        pass


@contextmanager
def fake_server(answer):
    """A server of both calls that gives what a coroutine makes of each message, from a thread of its own."""
    loop = asyncio.new_event_loop()

    async def unary(request, context):
        return await answer(request, context)

    async def stream(requests, context):
        async for request in requests:
            yield await answer(request, context)

    async def start():
        server = grpc.aio.server()
        methods = {
            "ResolveBatch": grpc.unary_unary_rpc_method_handler(unary),
            "ResolveStream": grpc.stream_stream_rpc_method_handler(stream),
        }
        handler = grpc.method_handlers_generic_handler("resolver_grpc.v1.ResolverService", methods)
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Running(f"127.0.0.1:{port}", 0)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def failing_after(served, good, then):
    """Answers so many messages rightly, then does something else."""
    left = iter(range(good))

    async def answer(request, context):
        if next(left, None) is None:
            return await then(context)
        return served.batches.answer(request, NOON)

    return answer


async def refuse(context):
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more")


async def say_nothing(_context):
    await asyncio.Event().wait()


async def say_too_little(_context):
    return b""


# Where a stream breaks as the client writes to it, gRPC may say INTERNAL in place of the server's status.
BROKEN = [(refuse, {"RESOURCE_EXHAUSTED", "INTERNAL"}), (say_nothing, {"UNANSWERED"})]


@pytest.mark.parametrize("unary", [False, True])
@pytest.mark.parametrize(("then", "codes"), BROKEN)
def test_what_is_due_is_answered_or_an_error(served, small, monkeypatch, unary, then, codes):
    """50 messages are due in half a second; the server answers eight."""
    monkeypatch.setattr(loops, "_SECONDS_TO_ANSWER", 0.5)
    with fake_server(failing_after(served, 8, then)) as server:
        figures = run_load(server, small, plan(unary=unary, rate=1000.0, seconds=0.5, streams=1))
    assert sum(figures.errors.values()) == 42
    assert figures.errors.keys() <= codes
    assert figures.cpu_us is None


@pytest.mark.parametrize(("then", "codes"), BROKEN)
def test_a_closed_loop_counts_what_was_under_way(served, small, monkeypatch, then, codes):
    monkeypatch.setattr(loops, "_SECONDS_TO_ANSWER", 0.5)
    with fake_server(failing_after(served, 8, then)) as server:
        figures = run_load(server, small, plan(streams=1))
    assert sum(figures.errors.values()) == 3
    assert figures.errors.keys() <= codes


def test_a_server_that_answers_nothing_is_no_measurement(served, small):
    with (
        fake_server(failing_after(served, 0, refuse)) as server,
        pytest.raises(ConfigurationError, match=r"nothing was answered \([0-9]+ RESOURCE_EXHAUSTED\)"),
    ):
        run_load(server, small, plan(streams=1, seconds=0.1, unary=True))


def test_wrong_answers_are_no_measurement(served, small):
    with fake_server(failing_after(served, 0, say_too_little)) as server, pytest.raises(MismatchedResponseError):
        run_load(server, small, plan(seconds=0.1))


def test_a_plot_without_matplotlib_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match="pip install matplotlib"):
        plot_latency(tmp_path / "p.png", "", [1.0], {"p50": [1.0]})


FAKE_YARDSTICK = """#!{python}
import os, pathlib, signal, sys
mode, speeds = sys.argv[1], {speeds}
if mode == "build":
    pathlib.Path(sys.argv[2], "data.mdb").touch()
elif mode == "serve":
    pathlib.Path(sys.argv[2], "pid").write_text(str(os.getpid()))
    print("{greeting}", flush=True)
    signal.pause()
else:
    data, persons = sys.argv[2:4] if mode == "inproc" else (None, sys.argv[2])
    assert persons == "{persons}" and (not data or pathlib.Path(data, "data.mdb").exists())
    for speed in speeds:
        print(f"{{'grpc' if mode == 'load' else mode}}: {{1e6 / speed:.3f}} us/query, {{speed}} queries/s")
"""


def write_fake(folder, speeds=(1, 2_000, 1_000, 3_000), greeting="serving"):
    """A program that prints what the yardstick prints, and serves nobody."""
    path = folder / "yardstick"
    text = FAKE_YARDSTICK.format(python=sys.executable, speeds=speeds, greeting=greeting, persons=SIZE)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o700)
    return path


def run_yardstick(program, data, site):
    words = ["--yardstick", program, "--data", data, "--mailboxes", SIZE, "--seed", SEED, "--rounds", 1, "--count", 1]
    words += ["--snapshot", site.snapshot, "--keys", site.keys, "--seconds", 0.2, "--out", data / "out.md"]
    return CliRunner().invoke(yardstick.main, list(map(str, words)))


def test_both_sides_stand_in_the_report(site, tmp_path, monkeypatch):
    """The yardstick's figure is the median of its rounds after the first; the ratio is ours to that."""
    monkeypatch.setattr(yardstick, "_BATCH", 20)
    done = run_yardstick(write_fake(tmp_path), tmp_path, site)
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "out.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith(("| the", "| ours"))]
    ours = [yardstick._YARDSTICK, *yardstick._KINDS.values()]
    guarded = [yardstick._GUARDED.format(name) for name in ours[1:]]
    assert [row[0] for row in rows] == [*ours, *ours, *guarded]
    for row in rows:
        assert float(row[3]) == pytest.approx(float(row[2].replace(",", "")) / 2_000, abs=0.01)
    assert rows[0][1:] == rows[3][1:] == ["500.00", "2,000", "1.00", "1.00 to 1.00"]


def test_data_that_are_there_are_not_built_again(tmp_path):
    stick = yardstick.Yardstick(write_fake(tmp_path), tmp_path / "data", SIZE)
    stick.build()
    (stick.data / "data.mdb").write_text("kept", encoding="utf-8")
    stick.build()
    assert (stick.data / "data.mdb").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("fake", "sentence"),
    [({"speeds": (1,)}, "no speed of a second round"), ({"speeds": (0, 0)}, "yardstick inproc failed")],
)
def test_a_program_that_is_no_yardstick_is_refused(site, tmp_path, fake, sentence):
    done = run_yardstick(write_fake(tmp_path, **fake), tmp_path, site)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_the_yardsticks_server_is_ended(tmp_path):
    with yardstick.Yardstick(write_fake(tmp_path), tmp_path, SIZE).serving() as port:
        assert port.isdecimal()
        pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_yardstick_that_serves_nobody_is_refused_and_ended(tmp_path):
    stick = yardstick.Yardstick(write_fake(tmp_path, greeting="can't open"), tmp_path, SIZE)
    with pytest.raises(ConfigurationError, match="did not start"), stick.serving():
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)
