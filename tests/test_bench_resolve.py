"""The in-process benchmarks: a row for every way of asking, every stage and every size, on tiny countries."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.fastpath.machine import find_kernel, set_up
from resolver_grpc.v1.decision_pb2 import ROUTE_MAILBOX
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import resolve
import scale
from lesser import machine_without_recipes, refusing_machine
from nation.requests import KINDS, encode_requests
from nation.world import make_country
from plots import plot_sizes, plot_stages
from rounds import medians
from sites import find_site, opening
from stages import STAGES, Passes, Staging, count_left, stages_of

SIZE, SEED = 2_000, 7
PNG = b"\x89PNG"
KERNEL = find_kernel()
MOST = 10_000

pytestmark = pytest.mark.skipif(KERNEL is None, reason="this installation has no compiled kernel")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return find_site(SIZE, SEED, tmp_path_factory.mktemp("resolve"), None, None)


@pytest.fixture(scope="module")
def closed(site, tmp_path_factory):
    """The same snapshot once more: a file is open once in a process."""
    folder = tmp_path_factory.mktemp("closed") / "snapshot"
    shutil.copytree(site.snapshot, folder)
    return site._replace(snapshot=folder)


@pytest.fixture(scope="module")
def messages():
    """200 queries of each way of asking."""
    country = make_country(SIZE, SEED)
    return {
        kind: encode_requests(country, kind, batch=100, count=2, hit_rate=0.8, seed=SEED)
        for kind in ("full_name", "mix", "full_name_line")
    }


@pytest.fixture(scope="module")
def opened(site):
    with opening(site) as opened:
        yield opened


@pytest.fixture(scope="module")
def staging(opened):
    return Staging(opened.kernel, opened.served.snapshot.index, opened.keys, opened.judge(opened.fast.way))


def run_resolve(site, *words):
    existing = ["--snapshot", str(site.snapshot), "--keys", str(site.keys)]
    sizes = ["--mailboxes", str(SIZE), "--seed", str(SEED), "--messages", "1", "--rounds", "2"]
    return CliRunner().invoke(resolve.main, [*sizes, *existing, *words])


def run_scale(*words):
    return CliRunner().invoke(scale.main, ["--seed", str(SEED), "--messages", "1", "--rounds", "2", *map(str, words)])


def rows(text):
    """The rows of all tables, by their first cell."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {name: values for name, *values in cells}


def keys_of(lesser, message):
    """What a pass leaves of a message: the numbers of its rows, and of those that are left."""
    batch, done, left = lesser.batch(message), 0, []
    while done < batch.count:
        rows_done, some, _ = lesser.resolve(batch, done)
        done, left = done + rows_done, left + some
    return batch.count, left


@given(st.lists(st.floats(0, 1e6), min_size=len(Passes._fields), max_size=len(Passes._fields)))
def test_stages_add_up_to_the_whole(taken):
    passes = Passes(*taken)
    stages = stages_of(passes)
    assert list(stages) == list(STAGES)
    assert sum(stages.values()) == pytest.approx(passes.whole, abs=1e-6)


def test_a_stage_is_what_its_pass_takes_longer():
    passes = Passes(
        framed=1,
        empty_framed=2,
        empty=5,
        walked=14,
        worded=34,
        keyed=81,
        missed=181,
        probed=381,
        written=781,
        whole=1581,
    )
    assert list(stages_of(passes).values()) == [1, 10, 20, 50, 200, 100, 400, 800]


def test_every_pass_is_measured(opened, staging, messages):
    works = staging.works(opened.fast, messages["mix"], opened.instant)
    assert set(works) == set(Passes._fields)
    assert all(work() > 0 for work in works.values())


@pytest.mark.parametrize("name", ["walked", "worded"])
def test_a_pass_that_stops_before_the_keys_leaves_every_row(staging, messages, name):
    for message in messages["mix"]:
        count, left = keys_of(staging.lesser[name], message)
        assert left == list(range(count))


@pytest.mark.parametrize("name", ["keyed", "missed"])
def test_a_pass_over_pages_without_keys_makes_every_key(staging, messages, name):
    """Nothing is left to the plain way: each row went all the way, to a miss."""
    for message in messages["mix"]:
        assert keys_of(staging.lesser[name], message) == (100, [])


def test_a_refusing_kernel_looks_every_word_up(opened, messages):
    """What is refused is the last word, so that all others cost what they cost a whole kernel."""
    judge = opened.judge(opened.fast.way)
    whole, less, bare = (
        make(opened.kernel, opened.keys) for make in (set_up, refusing_machine, machine_without_recipes)
    )
    raw = opened.served.snapshot.index.raw
    pages = opened.kernel.PageSet(raw.pages, raw.owners, raw.postings, raw.checked, raw.shared_streets)
    for machine in (whole, less, bare):
        for message in messages["mix"]:
            batch, done = opened.kernel.Batch(machine, message, MOST), 0
            while done < batch.count:
                done += batch.run(pages, judge, done)[0]
    assert less.memories()[:-1] == whole.memories()
    assert sum(map(sum, whole.memories())) > 0
    assert not any(map(sum, bare.memories()))


def test_what_is_left_to_the_plain_way_is_counted(opened, staging, messages):
    way = opened.fast.way
    for message in messages["mix"]:
        count_left(way, staging.judge, message)
    assert [count_left(way, staging.judge, message) for message in messages["full_name_line"]] == [100, 100]
    assert [count_left(way, staging.judge, message) for message in messages["full_name"]] == [0, 0]


def test_a_fresh_way_met_no_word_and_answers_the_same(opened, messages):
    (message, _) = messages["mix"]
    fresh = opened.fresh()
    assert fresh.way is not opened.fast.way
    response = fresh.answer(message, opened.instant)
    assert response == opened.fast.plain.answer(message, opened.instant)
    assert sum(one.route == ROUTE_MAILBOX for one in ResolveBatchResponse.FromString(response).decisions) > 0


def test_medians_are_taken_name_by_name():
    assert medians({"A": [9, 3, 5], "B": [4, 6]}) == {"A": 5, "B": 5}


def test_every_way_of_asking_and_every_stage_has_a_row(closed, tmp_path):
    done = run_resolve(closed, "--out", str(tmp_path / "resolve.md"))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "resolve.md").read_text(encoding="utf-8")
    assert text.strip() == done.stdout.strip()
    table = rows(text)
    assert {*KINDS, *STAGES, "all"} <= set(table)
    for kind in KINDS:
        assert all(float(cell) > 0 for cell in table[kind][:5])
    assert table["full_name"][6] == "0.0%"
    assert table["full_name_line"][6] == "100.0%"
    for column in (0, 1):
        stages = sum(float(table[stage][column]) for stage in STAGES)
        assert stages == pytest.approx(float(table["all"][column]), abs=0.01)
    assert (tmp_path / "resolve.png").read_bytes().startswith(PNG)


def test_a_snapshot_of_another_country_is_refused_in_one_line(closed):
    done = run_resolve(closed, "--seed", "8")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "serve the snapshot of the country" in done.stderr
    assert "## " not in done.stdout


def test_without_the_fast_way_nothing_is_measured(closed, monkeypatch):
    monkeypatch.setenv("RESOLVER_FASTPATH", "off")
    done = run_resolve(closed)
    assert done.exit_code == 2
    assert "RESOLVER_FASTPATH" in done.stderr


@pytest.mark.parametrize("program", [resolve, scale], ids=["resolve", "scale"])
@pytest.mark.parametrize("named", ["--snapshot", "--keys"])
def test_a_snapshot_and_its_key_go_together(site, program, named):
    done = CliRunner().invoke(program.main, [named, str(site.snapshot)])
    assert done.exit_code == 2
    assert "go together" in done.stderr


def test_every_size_has_a_row(site, tmp_path):
    words = ["--sizes", f"{SIZE},500", "--keep", tmp_path / "kept", "--out", tmp_path / "scale.md"]
    done = run_scale(*words, "--snapshot", site.snapshot, "--keys", site.keys)
    assert done.exit_code == 0, done.output
    table = rows((tmp_path / "scale.md").read_text(encoding="utf-8"))
    assert list(table)[-2:] == ["500", f"{SIZE:,}"]
    for size in ("500", f"{SIZE:,}"):
        keys, micros, ratio, _, *others = table[size]
        assert int(keys.replace(",", "")) > 0
        assert all(float(cell) >= 0 for cell in (micros, ratio, *others))
    assert table["500"][2:4] == ["1.00", "1.00 to 1.00"]
    assert (tmp_path / "scale.png").read_bytes().startswith(PNG)


def test_what_is_kept_is_not_made_again(tmp_path):
    made = []
    for _ in range(2):
        done = run_scale("--sizes", 500, "--keep", tmp_path)
        assert done.exit_code == 0, done.output
        kept = [*tmp_path.rglob("index.lmdb"), *tmp_path.rglob("*.messages")]
        made.append({path: path.stat().st_mtime_ns for path in kept})
    assert len(made[0]) == 2
    assert made[0] == made[1]


@pytest.mark.parametrize("sizes", ["", "99", "1000,", "1e4", "-1000", "²000", "thousand"])
def test_sizes_that_are_none_are_refused(sizes):
    done = run_scale("--sizes", sizes)
    assert done.exit_code == 2
    assert "such as 10000,100000" in done.stderr


def test_sizes_are_measured_in_ascending_order_each_once():
    assert scale.Sizes().convert("500,200,500", None, None) == (200, 500)


def test_a_size_whose_snapshot_is_another_countrys_is_refused(site, tmp_path):
    """The process that holds it open says why; the benchmark ends with one line of its own."""
    done = run_scale(
        "--sizes", SIZE, "--seed", SEED + 1, "--keep", tmp_path, "--snapshot", site.snapshot, "--keys", site.keys
    )
    assert done.exit_code == 2
    assert "one_size.py failed" in done.stderr


def test_a_process_that_ended_is_told(site, messages, tmp_path):
    asked = scale._keep_messages(SIZE, SEED, 1, tmp_path)
    with scale._holding(site, asked) as holder:
        assert holder.round() > 0
        assert holder.own_bytes > 0
        os.kill(holder.process.pid, signal.SIGKILL)
        holder.process.wait()
        with pytest.raises(ConfigurationError, match="one_size"):
            holder.round()


def test_plots_want_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match="pip install matplotlib"):
        plot_stages(tmp_path / "p.png", "", {"mix": {"words": 1.0}})
    with pytest.raises(ConfigurationError, match="pip install matplotlib"):
        plot_sizes(tmp_path / "p.png", "", {100: 1.0}, 1.5)


def test_a_stage_below_nothing_is_drawn_all_the_same(tmp_path):
    plot_stages(tmp_path / "p.png", "", {"full_name": {"words": 1.0, "pages": -0.1}, "mix": {"words": 0.5, "pages": 2}})
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)
