"""What calls cost, and the soak, on a country of 2,000 mailboxes; the arithmetic of both."""

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path
from statistics import median

import grpc
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import ConfigurationError, MismatchedResponseError

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import call_sections
import calls
import soak
import stack_server
import stacks
from beside import asking_beside
from loops import Plan
from messages import write_messages
from nation.requests import encode_requests
from nation.world import make_country
from processes import cpu_seconds, family
from rounds import compare, table, take_calmest, take_in_turn
from samples import check_nothing_said, largest_share, take_sample
from serving import Running, make_site, serving
from soaking import CANCELLED, CUT, LEFT, READ, WRONG, cut_connection
from stack_server import Variant, read_variant
from stacks import serving_variants
from trend import after_warm_up, find_trend
from vitals import Vitals, add_up, parse_sizes, parse_stolen, read_vitals, stolen_seconds, workers_of

SIZE, SEED = 2_000, 7


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(SIZE, SEED, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def country():
    return make_country(SIZE, SEED)


@pytest.fixture(scope="module")
def singles(country):
    return encode_requests(country, "full_name", batch=1, count=50, hit_rate=0.8, seed=3)


@pytest.fixture(scope="module")
def running(site):
    with serving(site) as server:
        yield server


def plan(**options):
    usual = {"streams": 1, "in_flight": 2, "rate": None, "unary": True, "seconds": 0.2, "warm_up": 0.05}
    return Plan(**usual | options)


def resolve(address, message):
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary("/resolver_grpc.v1.ResolverService/ResolveBatch")(message, timeout=10)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@given(st.lists(st.tuples(st.floats(0.001, 1e6), st.floats(0.001, 1e6)), min_size=1, max_size=20))
def test_figures_are_compared_by_their_medians_and_round_by_round(pairs):
    ours, others = zip(*pairs, strict=True)
    ratio = compare(ours, others)
    assert ratio.of_medians == median(ours) / median(others)
    assert {ratio.lowest, ratio.highest} <= {one / other for one, other in pairs}
    assert all(ratio.lowest <= one / other <= ratio.highest for one, other in pairs)


@given(st.lists(st.text("abc", min_size=1), min_size=1, max_size=4, unique=True), st.integers(1, 5))
def test_measures_are_taken_in_turn_and_the_first_round_is_left_out(names, rounds):
    order = []

    def take(name):
        order.append(name)
        return len(order)

    taken = take_in_turn({name: lambda name=name: take(name) for name in names}, rounds)
    assert order == names * (1 + rounds)
    assert {name: len(each) for name, each in taken.items()} == dict.fromkeys(names, rounds)
    assert sorted(place for each in taken.values() for place in each) == list(range(len(names) + 1, len(order) + 1))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 9), st.floats(0, 1))
def test_the_calmest_of_some_tries_counts_and_a_calm_one_ends_them(unrests, tries, calm):
    left = iter(itertools.chain(unrests, itertools.repeat(2.0)))
    taken = []

    def take():
        taken.append(next(left))
        return taken[-1]

    assert take_calmest(take, float, calm, tries) == min(taken)
    assert len(taken) == tries or taken[-1] <= calm
    assert len(taken) <= tries
    assert all(unrest > calm for unrest in taken[:-1])


@given(st.lists(st.lists(st.text("xyz", max_size=3), min_size=3, max_size=3), max_size=5))
def test_a_table_has_a_line_for_each_row_and_a_cell_for_each_column(rows):
    lines = list(table(("a", "b", "c"), rows))
    assert lines[-1] == ""
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:-1]] == rows
    assert lines[1] == "| --- | ---: | ---: |"


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8))
def test_the_largest_share_is_between_an_even_one_and_all(parts):
    assert 1 / len(parts) - 1e-9 <= largest_share(parts) <= 1


def test_of_three_workers_the_busiest_share_is_told():
    assert largest_share([1.0, 3.0, 2.0]) == 0.5


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(2, 200))
def test_a_straight_line_has_its_own_slope(begin, slope, count):
    figures = [begin + slope * place for place in range(count)]
    trend = find_trend(range(count), figures)
    assert trend.slope == pytest.approx(slope, abs=1e-6)
    fifth = max(count // 5, 1)
    assert trend.first == pytest.approx(median(figures[:fifth]))
    assert trend.last == pytest.approx(median(figures[-fifth:]))


@given(st.lists(st.floats(0, 99), min_size=1, max_size=50).map(sorted))
def test_the_first_tenth_of_a_run_is_warm_up(instants):
    counted = [instant for instant in instants if instant >= 10]
    if len(counted) > 1:
        assert instants[after_warm_up(instants, 100) :] == counted
    else:
        with pytest.raises(ConfigurationError, match="too short"):
            after_warm_up(instants, 100)


@given(st.dictionaries(st.text("abcXY_", min_size=1), st.integers(0, 2**40)))
def test_sizes_are_read_in_bytes(sizes):
    lines = [f"{name}: {' ' * (len(name) % 5)} {size} kB" for name, size in sizes.items()]
    text = "\n".join(["55d0-7fff ---p 00000000 00:00 0   [rollup]", *lines])
    assert parse_sizes(text) == {name: size * 1024 for name, size in sizes.items()}


def test_what_the_host_kept_is_the_eighth_number_of_the_first_line():
    assert parse_stolen("cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 44 9 10\n") == 88
    assert stolen_seconds() >= 0


def test_a_process_is_seen_with_what_it_holds():
    held = "held = bytearray(50_000_000); files = [open('/dev/null') for _ in range(40)]; print(flush=True); input()"
    words = [sys.executable, "-c", held]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        seen = read_vitals(process.pid)
        process.stdin.close()
    assert seen.resident > seen.private > 50_000_000
    assert 60_000_000 > seen.anonymous > 50_000_000
    assert seen.descriptors == 43
    assert seen.threads == 1
    with pytest.raises(ConfigurationError, match="ended while it was looked at"):
        read_vitals(process.pid)


def test_what_processes_hold_is_added_up():
    assert add_up([Vitals(1, 2, 3, 4, 5), Vitals(10, 20, 30, 40, 50)]) == Vitals(11, 22, 33, 44, 55)


def test_the_workers_of_a_server_are_those_that_answer(site, running):
    assert workers_of(running.pid) == [running.pid]
    with serving(site, ("--workers", "2")) as server:
        workers = workers_of(server.pid)
        assert len(workers) == 2
        assert set(workers) < set(family(server.pid)) - {server.pid}
        assert all(map(is_alive, workers))


def test_the_empty_server_answers_nothing_and_is_ended(singles):
    with serving_variants([Variant("aio"), Variant("sync", 2)]) as servers:
        assert [resolve(server.address, singles[0]) for server in servers] == [b"", b""]
        sample = take_sample(servers[0], singles, plan(), check_nothing_said)
        assert sample.queries_per_second > 0
        assert sample.busiest == 1
    assert not is_alive(servers[0].pid)


def test_every_stack_gives_the_real_servers_answers(site, running, singles):
    variants = [*stacks.STACKS.values(), *(Variant("aio", options=options) for options in stacks.OPTIONS.values())]
    right = resolve(running.address, singles[0])
    with serving_variants(variants, site) as servers:
        assert [resolve(server.address, singles[0]) for server in servers] == [right] * len(variants)
        for server in servers[:4]:
            take_sample(server, singles, plan(unary=False))
    assert not is_alive(servers[0].pid)


def test_the_empty_server_has_the_real_servers_options():
    options = stack_server._options(Variant("aio", options={"grpc.http2.bdp_probe": 0}))
    assert dict(options) == {
        **dict(stack_server._AS_SERVED),
        "grpc.http2.bdp_probe": 0,
    }
    assert ("grpc.so_reuseport", 0) in options


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("aio", "no variant"), ("[1]", "no variant"), ("3", "no variant"), ('["x", 1, {}]', "no stack")],
)
def test_what_is_no_variant_is_refused(text, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        read_variant(text)


def test_a_server_of_stacks_that_does_not_start_says_so():
    with pytest.raises(ConfigurationError, match="did not start"), serving_variants([Variant("neither")]):
        pass


def test_a_wrong_answer_fails_the_measurement(singles, running):
    with serving_variants([Variant("aio")]) as (empty,), pytest.raises(MismatchedResponseError):
        take_sample(empty, singles, plan())
    with pytest.raises(MismatchedResponseError, match="not empty"):
        take_sample(running, singles, plan(), check_nothing_said)


def test_a_message_that_is_not_answered_fails_the_measurement(running):
    foreign = encode_requests(make_country(SIZE, SEED), "cpr", batch=1, count=1, hit_rate=1.0, seed=1)
    with pytest.raises(ConfigurationError, match=r"not every message was answered \([0-9]+ "):
        take_sample(running, [foreign[0].replace(b"afsender-01", b"afsender-02")], plan())


@pytest.fixture
def large(country, tmp_path):
    path = tmp_path / "large.messages"
    write_messages(path, encode_requests(country, "full_name", batch=200, count=5, hit_rate=0.8, seed=3))
    return path


def streams_beside():
    mine = [pid for pid in family(os.getpid()) if pid != os.getpid()]
    return [pid for pid in mine if b"beside.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_stream_beside_is_under_way_while_the_block_runs(running, large):
    before = cpu_seconds(running.pid)
    with asking_beside(running, large, in_flight=2, seconds=0.5):
        assert len(streams_beside()) == 1
    assert cpu_seconds(running.pid) > before
    assert streams_beside() == []


def await_end_of_streams():
    (stream,) = streams_beside()
    os.waitid(os.P_PID, stream, os.WEXITED | os.WNOWAIT)


def test_a_stream_that_ends_before_the_block_does_is_told(running, large):
    """Small calls beside nothing would be taken for calls beside large ones."""
    beside = asking_beside(running, large, in_flight=1, seconds=0.1)
    with pytest.raises(ConfigurationError, match="ended too early"), beside:
        await_end_of_streams()


def test_a_stream_that_does_not_begin_is_told(large):
    beside = asking_beside(Running("127.0.0.1:1", 0), large.with_name("none"), in_flight=1, seconds=0.1)
    with pytest.raises(ConfigurationError, match="did not begin"), beside:
        pass


def take_once(measures, rounds):
    return {name: [take()] * rounds for name, take in measures.items()}


@pytest.fixture
def tiny(monkeypatch):
    """Small messages, one kind, a few stacks, and no round but one."""
    monkeypatch.setattr(call_sections, "take_in_turn", take_once)
    monkeypatch.setattr(stacks, "take_in_turn", take_once)
    monkeypatch.setattr(calls, "_BATCH", 50)
    monkeypatch.setattr(calls, "_LARGE", 200)
    monkeypatch.setattr(calls, "_SINGLES", 50)
    monkeypatch.setattr(call_sections, "MARGIN_SECONDS", 0.7)
    monkeypatch.setattr(stacks, "MARGIN_SECONDS", 0.7)
    monkeypatch.delitem(call_sections.KINDS, "mix_with_lines")
    monkeypatch.setattr(stacks, "STACKS", dict(list(stacks.STACKS.items())[1:3]))
    monkeypatch.setattr(stacks, "OPTIONS", {})


def run(main, site, *words, seed=SEED):
    usual = ["--snapshot", site.snapshot, "--keys", site.keys, "--mailboxes", SIZE, "--seed", seed]
    return CliRunner().invoke(main, [str(word) for word in (*usual, *words)])


def sections_of(text):
    """The cells of each section's table, by its heading."""
    found = {}
    for section in text.split("## ")[1:]:
        lines = section.splitlines()
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
        found[lines[0]] = rows[2:]
    return found


def test_each_section_has_its_heading_and_its_rows(site, tiny, tmp_path):
    before = set(family(os.getpid()))
    words = ["--queries", 400, "--rounds", 1, "--seconds", 0.25, "--out", tmp_path / "calls.md"]
    done = run(calls.main, site, *words)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "calls.md").read_text(encoding="utf-8")
    sections = sections_of(text)
    assert {name: len(rows) for name, rows in sections.items()} == {
        "A single-query unary call against an empty handler": 4,
        "A small call beside large ones": 2,
        "A batch of 1,000 at half load": 1,
        "Two workers against one": 4,
        "Memory": 4,
        "Streams and threads": 2 + 3,
    }
    assert all(cell for rows in sections.values() for row in rows for cell in row)
    assert [row[3] for row in sections["A single-query unary call against an empty handler"]][::2] == ["1", "1"]
    assert set(family(os.getpid())) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--only", "a,x"], "x: no section; name some of a, b, c, d, e, f"), (["--only", ""], "no section")],
)
def test_what_is_no_section_is_refused(site, words, sentence):
    done = run(calls.main, site, *words)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_sections_come_in_the_reports_order():
    assert calls.choose_sections("f, a,c,a") == ["a", "c", "f"]


def test_a_snapshot_wants_its_key_file(site, tmp_path):
    done = CliRunner().invoke(calls.main, ["--snapshot", str(site.snapshot), "--out", str(tmp_path / "calls.md")])
    assert done.exit_code == 2
    assert "--snapshot and --keys go together" in done.output
    assert not (tmp_path / "calls.md").exists()


def test_a_soak_tells_what_the_server_held_and_what_became_of_the_calls(site, tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "_BATCHES", 3)
    before = set(family(os.getpid()))
    words = ["--minutes", 0.025, "--every", 0.1, "--callers", 2, "--out", tmp_path / "soak.md"]
    done = run(soak.main, site, *words)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "soak.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    rows = {row[0]: row[1:] for row in cells}
    for when in ("before", "first fifth", "last fifth", "after, clients gone"):
        assert all(float(figure) > 0 for figure in rows[when])
    assert {CANCELLED, CUT, LEFT, READ} < rows.keys()
    assert int(rows["answered"][0].replace(",", "")) > 100
    assert WRONG not in rows
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert set(family(os.getpid())) == before


def test_a_soak_with_wrong_answers_ends_with_exit_code_2(site, monkeypatch):
    """The messages are about another country."""
    monkeypatch.setattr(soak, "_BATCHES", 1)
    done = run(soak.main, site, "--minutes", 0.01, "--every", 0.05, "--callers", 1, seed=SEED + 1)
    assert done.exit_code == 2
    assert "answers were wrong" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_soak_whose_server_dies_says_so(site, monkeypatch):
    monkeypatch.setattr(soak, "_BATCHES", 1)
    looks, look = itertools.count(1), soak._look

    def kill_at_the_third_look(pid):
        if next(looks) == 3:
            os.kill(pid, 9)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return look(pid)

    monkeypatch.setattr(soak, "_look", kill_at_the_third_look)
    done = run(soak.main, site, "--minutes", 0.5, "--every", 0.05)
    assert done.exit_code == 2
    assert "ended while it was looked at" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_connection_that_is_cut_ends_for_both():
    here, there = socket.socketpair()
    with here, there:
        cut_connection(here.fileno())
        assert there.recv(1) == b""
        cut_connection(there.fileno())
        assert here.fileno() > 0
