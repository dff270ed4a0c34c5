"""Following a store, look by look: what is taken up, what is refused and why, what is closed, and when."""

import asyncio
import errno
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hot_swap_store import Following, build_variants, change_manifest, is_open, make_current
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import ConfigurationError, SnapshotError
from resolver_grpc.index.layout import DATABASES, FORMAT_VERSION, INDEX_FILE, PAGES_DATABASE
from resolver_grpc.keys import MasterKey
from resolver_grpc.server.in_service import Refusal
from resolver_grpc.server.served import open_served
from resolver_grpc.snapshot.files import measure_file, read_manifest
from resolver_grpc.snapshot.generations import CURRENT_FILE, generation_path
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.placing import place, prune, roll_back
from resolver_grpc.times import parse_time
from small_register import NOON

GENERATIONS = 3


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return build_variants(tmp_path_factory.mktemp("variants"), GENERATIONS)


@pytest.fixture(scope="module")
def full_store(variants, tmp_path_factory):
    store = tmp_path_factory.mktemp("full") / "store"
    for folder in variants.folders:
        place(store, folder, variants.key)
    roll_back(store, 1)
    return store


@pytest.fixture
def store(full_store, tmp_path):
    """Three generations, the first live; each test has its own."""
    return shutil.copytree(full_store, tmp_path / "store")


def look(reload, times=1):
    async def looking():
        for _ in range(times):
            await reload.look()

    asyncio.run(looking())


def flip(path, place_in_file):
    data = bytearray(path.read_bytes())
    data[place_in_file] ^= 1
    path.write_bytes(data)


def of_another_key(generation, variants):
    change_manifest(generation, key_id=MasterKey(b"o" * 32).key_id)


def of_a_newer_format(generation, variants):
    change_manifest(generation, format_version=FORMAT_VERSION + 1)


def of_a_newer_canonical_version(generation, variants):
    change_manifest(generation, canonical_version=CANONICAL_VERSION + 1)


def with_a_flipped_byte(generation, variants):
    flip(generation / INDEX_FILE, 9_000)


def truncated(generation, variants):
    index = generation / INDEX_FILE
    index.write_bytes(index.read_bytes()[:-4096])


def without_manifest(generation, variants):
    (generation / MANIFEST_FILE).unlink()


def with_a_damaged_manifest(generation, variants):
    flip(generation / MANIFEST_FILE, 20)


def without_index(generation, variants):
    (generation / INDEX_FILE).unlink()


def with_the_index_of_another_snapshot(generation, variants):
    shutil.copyfile(variants.folders[2] / INDEX_FILE, generation / INDEX_FILE)
    size, digest = measure_file(generation / INDEX_FILE)
    change_manifest(generation, file_size=size, file_digest=digest)


def with_other_owners_than_stated(generation, variants):
    change_manifest(generation, owners=99)


def with_a_page_that_leads_nowhere(generation, variants):
    """Sound as a file, as somebody who can measure files would leave it."""
    index = generation / INDEX_FILE
    with lmdb.open(str(index), subdir=False, lock=False, max_dbs=len(DATABASES), map_size=1 << 26) as environment:
        pages = environment.open_db(PAGES_DATABASE, integerkey=True)
        with environment.begin(pages, write=True) as transaction:
            bucket, page = next(iter(transaction.cursor()))
            transaction.put(bucket, page[:-4] + b"\xff\xff\xff\x7f")
    size, digest = measure_file(index)
    change_manifest(generation, file_size=size, file_digest=digest)


def missing(generation, variants):
    shutil.rmtree(generation)


def of_a_coming_day(generation, variants):
    change_manifest(generation, register_date="2026-11-02")


SORTS = [
    (of_another_key, "built under another key; pass the key file that the builder used"),
    (of_a_newer_format, f"has format {FORMAT_VERSION + 1}, this program reads format {FORMAT_VERSION}"),
    (of_a_newer_canonical_version, f"canonical forms have version {CANONICAL_VERSION + 1}"),
    (with_a_flipped_byte, "store/generations/2/index.lmdb is damaged, its digest is another"),
    (truncated, "store/generations/2/index.lmdb has"),
    (without_manifest, "store/generations/2 has no manifest.json"),
    (with_a_damaged_manifest, "store/generations/2/manifest.json: The manifest"),
    (without_index, "store/generations/2 has no index.lmdb"),
    (with_the_index_of_another_snapshot, "belongs to another snapshot than its manifest"),
    (with_other_owners_than_stated, "holds another number of owners than it states"),
    (with_a_page_that_leads_nowhere, "leads to no owner and no posting list"),
    (missing, "The store store names generation 2 as the live one, but it is missing"),
]


@pytest.mark.parametrize(("spoil", "reason"), SORTS, ids=[spoil.__name__ for spoil, _ in SORTS])
def test_a_refused_generation_leaves_the_old_one_serving(store, variants, spoil, reason):
    """It is opened once, told once, with the reason, and over as soon as the store is rolled back."""
    spoil(generation_path(store, 2), variants)
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        make_current(store, 2)
        look(reload, times=3)
        assert (in_service.served.generation, is_open(in_service.served)) == (1, True)
        assert in_service.refusal.generation == 2
        assert reason in in_service.refusal.reason
        assert str(store) not in in_service.refusal.reason
        assert following.openings <= 2
        assert following.events() == [("generation refused", 2)]
        make_current(store, 1)
        look(reload)
        assert (in_service.served.generation, in_service.refusal) == (1, None)
        make_current(store, 3)
        look(reload)
        assert (in_service.served.generation, in_service.refusal) == (3, None)
    assert following.events()[1:] == [("refusal over", 1), ("generation taken up", 3)]


@pytest.mark.parametrize("text", ["", "1", "two\n", "0\n", None])
def test_a_store_that_names_no_generation_leaves_the_old_one_serving(store, variants, text):
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        if text is None:
            (store / CURRENT_FILE).unlink()
        else:
            (store / CURRENT_FILE).write_text(text, encoding="ascii")
        look(reload, times=2)
        assert (in_service.served.generation, in_service.refusal.generation) == (1, 0)
        make_current(store, 1)
        look(reload)
        assert in_service.refusal is None
    assert following.events() == [("generation refused", 0), ("refusal over", 1)]


def test_a_store_that_is_gone_leaves_the_old_one_serving_and_one_made_anew_is_followed(store, variants):
    """Its numbers begin again, so that the number alone would not tell the new generation 1 from the old."""
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        shutil.rmtree(store)
        look(reload, times=2)
        assert "There is no store of snapshots at store" in in_service.refusal.reason
        assert is_open(in_service.served)
        assert place(store, variants.folders[2], variants.key).number == 1
        look(reload)
        assert in_service.served.snapshot.manifest.snapshot_id == variants.ids[2]
    assert following.events() == [("generation refused", 0), ("generation taken up", 1)]


def test_a_refused_generation_is_tried_again_when_its_files_change_or_it_is_named_once_more(store, variants):
    """A reason that was told is not told again."""
    generation = generation_path(store, 2)
    with_a_flipped_byte(generation, variants)
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        make_current(store, 2)
        look(reload, times=2)
        assert following.openings == 2
        make_current(store, 2)
        look(reload, times=2)
        assert (following.openings, in_service.refusal.generation) == (3, 2)
        without_manifest(generation, variants)
        look(reload, times=2)
        assert "no manifest.json" in in_service.refusal.reason
        for name in (MANIFEST_FILE, INDEX_FILE):
            shutil.copyfile(variants.folders[1] / name, generation / name)
        look(reload, times=2)
        assert (in_service.served.generation, in_service.refusal) == (2, None)
    assert following.events() == [("generation refused", 2)] * 2 + [("generation taken up", 2)]


def test_a_generation_of_a_coming_day_waits_until_that_day_begins(store, variants):
    """The old one goes on; nothing large is read before, and the digest is checked once."""
    of_a_coming_day(generation_path(store, 2), variants)
    midnight = parse_time("2026-11-02")
    now = [midnight - 2]
    following = Following(store, variants.key, as_of=None)
    with following.reload(clock=lambda: now[0]) as (reload, in_service):
        make_current(store, 2)
        for now[0] in (midnight - 2, midnight - 1):
            look(reload)
            assert in_service.served.generation == 1
            assert in_service.refusal == Refusal(
                2,
                "The snapshot store/generations/2 has the register date 2026-11-02, which is still to come; it is "
                "taken up when that day begins.",
            )
        assert following.openings == 1
        now[0] = midnight
        look(reload)
        assert (in_service.served.generation, in_service.served.valid_from) == (2, midnight)
        assert (in_service.refusal, following.openings) == (None, 2)
    assert following.events() == [("generation refused", 2), ("generation taken up", 2)]


def test_where_a_past_day_is_replayed_a_generation_of_a_later_day_is_refused(store, variants):
    of_a_coming_day(generation_path(store, 2), variants)
    following = Following(store, variants.key, as_of=NOON)
    with following.reload() as (reload, in_service):
        make_current(store, 2)
        look(reload, times=3)
        assert in_service.refusal.reason.startswith("--as-of lies before the snapshot's register date 2026-11-02")
        assert (in_service.served.generation, following.openings) == (1, 2)


@pytest.mark.parametrize(
    ("fault", "word"), [(MemoryError("8210101234"), "MemoryError"), (OSError(errno.EMFILE, "Too many"), "Too many")]
)
def test_a_fault_while_opening_is_a_refusal_that_says_no_more_than_its_name(store, variants, fault, word):
    following = Following(store, variants.key)

    def fail():
        raise fault

    with following.reload() as (reload, in_service):
        following.before = fail
        make_current(store, 2)
        look(reload, times=2)
        assert f"can't be opened ({word})" in in_service.refusal.reason
        assert "8210101234" not in str(following.logged)
        assert (following.logged[0]["error_type"], following.logged[0]["where"][:5]) == (type(fault).__name__, "fail:")
        following.before = lambda: None
        make_current(store, 2)
        look(reload)
        assert in_service.served.generation == 2


def test_an_instant_that_no_snapshot_knows_is_a_refusal(store, variants):
    """The clock went wrong: what was opened is closed again."""
    following = Following(store, variants.key)
    now = [NOON]
    with following.reload(clock=lambda: now[0]) as (reload, in_service):
        now[0] = -1
        make_current(store, 2)
        look(reload)
        assert "check the clock" in in_service.refusal.reason
        assert following.still_open() == [1]


def test_of_two_moves_in_quick_succession_the_last_wins(store, variants):
    """The first was just opened, was never served, and is closed."""
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        make_current(store, 2)

        def move_on():
            following.before = lambda: None
            make_current(store, 3)

        following.before = move_on
        look(reload)
        assert in_service.served.generation == 3
        assert [served.generation for served in following.opened] == [1, 2, 3]
        assert following.still_open() == [3]
    assert following.events() == [("generation taken up", 3)]


def test_a_generation_that_is_pruned_while_it_is_opened_gives_way_to_the_live_one(store, variants):
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        make_current(store, 2)

        def move_on():
            following.before = lambda: None
            make_current(store, 3)
            assert prune(store, keep=1) == [1, 2]

        following.before = move_on
        look(reload)
        assert (in_service.served.generation, in_service.refusal) == (3, None)
    assert following.events() == [("generation taken up", 3)]


def test_a_start_gives_way_to_the_live_generation_too(store, variants):
    following = Following(store, variants.key)

    def move_on():
        following.before = lambda: None
        make_current(store, 3)
        prune(store, keep=1)

    following.before = move_on
    with following.reload() as (reload, in_service):
        look(reload)
        assert in_service.served.generation == 3
        assert following.openings == 2


def test_a_start_on_a_refused_generation_fails(store, variants):
    with_a_flipped_byte(generation_path(store, 1), variants)
    with pytest.raises(SnapshotError, match="is damaged"):
        Following(store, variants.key).store.open_live()
    make_current(store, 2)
    with pytest.raises(ConfigurationError, match="--as-of"):
        Following(store, variants.key, as_of=0).store.open_live()


def test_the_old_snapshot_is_closed_after_its_last_batch(store, variants):
    """A batch under way keeps its snapshot, however long it takes; the next one gets the new one at once."""
    following = Following(store, variants.key)

    async def swap_under_a_batch(reload, in_service):
        # One thread works off in order what it is given: once it takes up ours, a closing would be done.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        with in_service.batch() as old:
            with in_service.batch():
                make_current(store, 2)
                in_service.changed.clear()
                looking = asyncio.create_task(reload.look())
                await in_service.changed.wait()
                with in_service.batch() as new:
                    assert (old.generation, new.generation) == (1, 2)
            await asyncio.to_thread(lambda: None)
            assert is_open(old)
            assert not looking.done()
        await looking
        assert not is_open(old)

    with following.reload() as (reload, in_service):
        asyncio.run(swap_under_a_batch(reload, in_service))
        make_current(store, 1)
        look(reload)
        assert (in_service.served.generation, following.still_open()) == (1, [1])


def test_a_batch_that_fails_lets_go_of_its_snapshot(store, variants):
    with Following(store, variants.key).reload() as (reload, in_service):

        async def fail():
            with in_service.batch():
                raise RuntimeError

        with pytest.raises(RuntimeError):
            asyncio.run(fail())
        make_current(store, 2)
        look(reload)
        assert in_service.served.generation == 2


def test_the_event_loop_answers_while_a_generation_is_opened(store, variants):
    following = Following(store, variants.key)
    is_opening, may_open = threading.Event(), threading.Event()

    def wait():
        is_opening.set()
        assert may_open.wait(30)

    async def answer_meanwhile(reload, in_service):
        looking = asyncio.create_task(reload.look())
        await asyncio.to_thread(is_opening.wait)
        with in_service.batch() as served:
            assert served.generation == 1
        may_open.set()
        await looking
        assert in_service.served.generation == 2

    with following.reload() as (reload, in_service):
        following.before = wait
        make_current(store, 2)
        asyncio.run(answer_meanwhile(reload, in_service))


def test_a_stopped_reload_closes_what_it_was_opening(store, variants):
    following = Following(store, variants.key)
    with following.reload() as (reload, in_service):
        following.before = reload.stop
        make_current(store, 2)
        asyncio.run(reload.watch(3600))
        assert (in_service.served.generation, following.still_open()) == (1, [1])
        assert [served.generation for served in following.opened] == [1, 2]
    assert following.events() == []


def test_a_log_that_fails_does_not_end_the_watching(store, variants):
    """The disk of the log is full: the swap has taken place, and so does the next."""
    following = Following(store, variants.key)

    class FullLog(list):
        def append(self, line):
            super().append(line)
            make_current(store, 3)
            if len(self) == 3:
                reload.stop()
            raise OSError(errno.ENOSPC, "No space left on device")

    following.logged = FullLog()
    with following.reload() as (reload, in_service):
        make_current(store, 2)
        asyncio.run(reload.watch(0))
        assert in_service.served.generation == 3
    assert following.events()[:3] == [("generation taken up", 2), ("fault", None), ("generation taken up", 3)]


class WatchedIndex:
    """Another index, and the instants that its facts were asked of."""

    def __init__(self, index):
        self._index, self.instants = index, []

    def __getattr__(self, name):
        return getattr(self._index, name)

    def facts_at(self, instant):
        self.instants.append(instant)
        return self._index.facts_at(instant)


def test_the_sets_of_this_instant_are_worked_out_before_the_swap(store, variants):
    following = Following(store, variants.key)
    watched = []

    def open_watched(directory, sighting):
        served = open_served(directory, variants.key, {}, None, sighting)
        watched.append(WatchedIndex(served.snapshot.index))
        return replace(served, snapshot=replace(served.snapshot, index=watched[-1]))

    following.open = open_watched
    with following.reload() as (reload, in_service):
        make_current(store, 2)
        look(reload)
        assert in_service.served.generation == 2
    assert watched[1].instants == [NOON]


STEPS = st.lists(
    st.tuples(st.sampled_from(["move", "hide", "show", "look"]), st.integers(1, GENERATIONS)), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_the_live_generation_is_served_if_it_is_whole_else_the_former(
    steps, full_store, variants, tmp_path_factory
):
    """Held against the sentence itself; a generation that is served already needs its files no more."""
    store = shutil.copytree(full_store, tmp_path_factory.mktemp("steps") / "store")
    following = Following(store, variants.key)
    current, hidden, served = 1, set(), 1
    with following.reload() as (reload, in_service):
        for step, number in [*steps, ("look", 0)]:
            manifest = generation_path(store, number) / MANIFEST_FILE
            match step:
                case "move":
                    make_current(store, number)
                    current = number
                case "hide" if number not in hidden:
                    manifest.rename(manifest.with_suffix(".hidden"))
                    hidden.add(number)
                case "show" if number in hidden:
                    manifest.with_suffix(".hidden").rename(manifest)
                    hidden.remove(number)
                case "look":
                    look(reload)
                    served = served if current in hidden else current
                    assert in_service.served.generation == served
                    assert in_service.served.snapshot.manifest == read_manifest(variants.folders[served - 1])
                    assert (in_service.refusal.generation if in_service.refusal else served) == current
                    assert following.still_open()[-1:] == [served]
                    assert len(following.still_open()) == 1
