"""A store of generations: what the changes do, and that whatever stops them leaves a whole one live."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from store_snapshots import KEY, make_snapshot

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.snapshot.changing import changing
from resolver_grpc.snapshot.generations import current_generation, current_number, generation_path, list_generations
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.placing import Placed, pin, place, prune, roll_back, unpin
from resolver_grpc.snapshot.publish import publish
from resolver_grpc.snapshot.store import open_snapshot


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Five snapshots; none of the tests may change them."""
    folder = tmp_path_factory.mktemp("snapshots")
    for number in range(3, 8):
        make_snapshot(folder / str(number), number)
    return [folder / str(number) for number in range(3, 8)]


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def filled(store, snapshots):
    """A store of five generations, the fifth live."""
    for snapshot in snapshots:
        place(store, snapshot, KEY)
    return store


def live(store):
    """Opens the live generation and tells its snapshot id."""
    snapshot = open_snapshot(current_generation(store), KEY.columns_secret, KEY.key_id, CANONICAL_VERSION)
    snapshot.index.close()
    return snapshot.manifest.snapshot_id


def id_of(snapshot):
    return open_and_close(snapshot).snapshot_id


def open_and_close(directory):
    snapshot = open_snapshot(directory, KEY.columns_secret, KEY.key_id, CANONICAL_VERSION)
    snapshot.index.close()
    return snapshot.manifest


def standing(store):
    return [generation.number for generation in list_generations(store)]


def leftovers(store):
    return sorted(path.name for path in store.rglob(".*"))


def everything(store):
    return {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != "lock"}


def spoil(store, number, name=INDEX_FILE):
    path = generation_path(store, number) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_generations_are_numbered_from_1_and_the_last_placed_is_live(store, snapshots):
    for number, snapshot in enumerate(snapshots, start=1):
        assert place(store, snapshot, KEY) == Placed(number, is_new=True)
        assert current_generation(store) == store / "generations" / str(number)
        assert live(store) == id_of(snapshot)
    assert (store / "CURRENT").read_bytes() == b"5\n"
    assert leftovers(store) == []


def test_only_its_owner_may_read_a_store(filled):
    pin(filled, 2)
    for path in [filled, *filled.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_generation_is_a_copy_and_does_not_change_with_its_source(store, tmp_path):
    make_snapshot(tmp_path / "source")
    place(store, tmp_path / "source", KEY)
    with (tmp_path / "source" / INDEX_FILE).open("r+b") as file:
        file.write(bytes(64))
    assert [generation.fault for generation in list_generations(store)] == [""]
    shutil.rmtree(tmp_path / "source")
    assert live(store)


def test_the_snapshot_that_is_live_already_is_no_new_generation(filled, snapshots):
    before = everything(filled)
    assert place(filled, snapshots[-1], KEY) == Placed(5, is_new=False)
    assert everything(filled) == before


def test_an_older_snapshot_again_is_a_new_generation(filled, snapshots):
    assert place(filled, snapshots[0], KEY) == Placed(6, is_new=True)
    assert live(filled) == id_of(snapshots[0])


@pytest.mark.parametrize("name", [INDEX_FILE, MANIFEST_FILE])
def test_a_live_generation_that_is_damaged_is_replaced_by_placing_its_snapshot_again(filled, snapshots, name):
    spoil(filled, 5, name)
    assert place(filled, snapshots[-1], KEY) == Placed(6, is_new=True)
    assert live(filled) == id_of(snapshots[-1])


def test_rolling_back_goes_to_the_one_before_and_further_each_time(filled, snapshots):
    assert [roll_back(filled) for _ in range(4)] == [4, 3, 2, 1]
    assert live(filled) == id_of(snapshots[0])
    with pytest.raises(SnapshotError, match="no generation before the live one"):
        roll_back(filled)
    assert roll_back(filled, 4) == 4
    assert live(filled) == id_of(snapshots[3])
    assert standing(filled) == [1, 2, 3, 4, 5]


def test_numbers_only_grow_after_a_roll_back_and_a_removal(filled, snapshots):
    roll_back(filled, 2)
    assert prune(filled, 1) == [1, 3, 4]
    assert place(filled, snapshots[0], KEY).number == 6
    assert prune(filled, 1) == [2, 5]
    assert place(filled, snapshots[1], KEY).number == 7


def test_rolling_back_passes_over_generations_of_the_same_snapshot(filled, snapshots, monkeypatch):
    """A publisher that is killed before its generation is live leaves it there, and it is placed once more."""
    monkeypatch.setattr("resolver_grpc.snapshot.placing.publish", publish_and_die)
    with pytest.raises(KeyboardInterrupt):
        place(filled, snapshots[0], KEY)
    monkeypatch.undo()
    assert (standing(filled)[-1], current_number(filled)) == (6, 5)
    assert place(filled, snapshots[0], KEY).number == 7
    assert roll_back(filled) == 5


def publish_and_die(target, write):
    publish(target, write)
    raise KeyboardInterrupt


# The flipped bit of the manifest lies in a field's name.
DAMAGE = {INDEX_FILE: r"generations/4.*damaged", MANIFEST_FILE: r"generations/4/manifest\.json.*unknown fields"}


@pytest.mark.parametrize("name", [INDEX_FILE, MANIFEST_FILE])
@pytest.mark.parametrize("number", [None, 4])
def test_nothing_is_rolled_back_to_a_damaged_generation(filled, number, name):
    spoil(filled, 4, name)
    with pytest.raises(SnapshotError, match=DAMAGE[name]):
        roll_back(filled, number)
    assert current_number(filled) == 5
    assert leftovers(filled) == []


@pytest.mark.parametrize(
    ("keep", "current", "pinned", "removed"),
    [
        (5, 5, [], []),
        (9, 5, [], []),
        (3, 5, [], [1, 2]),
        (1, 5, [], [1, 2, 3, 4]),
        (2, 5, [], [1, 2, 3]),
        (2, 1, [], [2, 3]),
        (2, 5, [1, 3], [2]),
        (1, 3, [2], [1, 4]),
    ],
)
def test_pruning_keeps_the_newest_the_live_one_and_those_pinned(filled, keep, current, pinned, removed):
    """So the one before the live one goes only when it is beyond those kept."""
    roll_back(filled, current)
    for number in pinned:
        pin(filled, number)
    before = live(filled)
    assert prune(filled, keep) == removed
    assert standing(filled) == sorted({1, 2, 3, 4, 5} - set(removed))
    assert live(filled) == before
    assert leftovers(filled) == []


def test_what_was_unpinned_is_pruned_like_any_other(filled):
    pin(filled, 1)
    pin(filled, 1)
    unpin(filled, 1)
    assert prune(filled, 4) == [1]
    with pytest.raises(SnapshotError, match=r"Generation 1 of the store .* is not pinned; list"):
        unpin(filled, 1)


def test_the_list_tells_what_each_generation_is(filled, snapshots):
    roll_back(filled, 3)
    pin(filled, 1)
    spoil(filled, 2)
    spoil(filled, 4, MANIFEST_FILE)
    rows = list_generations(filled)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.is_current for row in rows] == [False, False, True, False, False]
    assert [row.is_pinned for row in rows] == [True, False, False, False, False]
    assert [bool(row.fault) for row in rows] == [False, True, False, True, False]
    assert [row.manifest and row.manifest.snapshot_id for row in rows] == [
        None if row.number == 4 else id_of(snapshot) for row, snapshot in zip(rows, snapshots, strict=True)
    ]


def test_what_is_no_generation_is_passed_over(filled):
    for name in ("0", "07", "x", ".8.unpublished", "-1", "1" * 30):
        (filled / "generations" / name).mkdir()
    assert standing(filled) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("text", [b"", b"5", b"05\n", b"x\n", b"5\n5\n", b"\xff\n", b"-1\n", "٣\n".encode()])
def test_a_damaged_current_is_said_and_mended_by_naming_a_generation(filled, snapshots, text):
    (filled / "CURRENT").write_bytes(text)
    for look in (current_generation, list_generations, roll_back, lambda store: prune(store, 1)):
        with pytest.raises(SnapshotError, match=r"CURRENT names no generation; roll back to one by its number"):
            look(filled)
    assert roll_back(filled, 2) == 2
    (filled / "CURRENT").write_bytes(text)
    assert place(filled, snapshots[0], KEY).number == 6


def test_a_live_generation_that_is_missing_is_said(filled):
    shutil.rmtree(generation_path(filled, 5))
    with pytest.raises(SnapshotError, match="names generation 5 as the live one, but it is missing; roll back"):
        current_generation(filled)
    assert roll_back(filled) == 4


def test_nothing_placed_yet_is_said(store):
    (store / "generations").mkdir(parents=True)
    with pytest.raises(SnapshotError, match="no generation yet; place"):
        current_generation(store)
    assert list_generations(store) == []


CHANGES = {
    "rollback": roll_back,
    "rollback to": lambda store: roll_back(store, 9),
    "pin": lambda store: pin(store, 9),
    "unpin": lambda store: unpin(store, 9),
    "prune": lambda store: prune(store, 3),
    "list": list_generations,
    "current": current_generation,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_where_there_is_no_store_nothing_is_made(store, change):
    with pytest.raises(SnapshotError, match=f"no store of snapshots at {store}; name"):
        change(store)
    assert not store.exists()


@pytest.mark.parametrize("change", [CHANGES["rollback to"], CHANGES["pin"]])
def test_a_generation_that_is_not_there_is_said(filled, change):
    with pytest.raises(SnapshotError, match="has no generation 9; list"):
        change(filled)


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_is_kept(filled, keep):
    with pytest.raises(SnapshotError, match="At least one generation is kept"):
        prune(filled, keep)
    assert len(standing(filled)) == 5


def test_a_folder_with_something_else_in_it_is_no_store(tmp_path, snapshots):
    (tmp_path / "letters.txt").touch()
    with pytest.raises(SnapshotError, match="holds something else than snapshots; choose an empty or new one"):
        place(tmp_path, snapshots[0], KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


@pytest.mark.parametrize("where", ["missing/store", "file/store", "file"])
def test_a_store_that_can_not_be_made_is_said(tmp_path, snapshots, where):
    (tmp_path / "file").touch()
    with pytest.raises(SnapshotError, match=f"{tmp_path / where} can't be made a store"):
        place(tmp_path / where, snapshots[0], KEY)


def break_index(directory):
    with (directory / INDEX_FILE).open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff")


@pytest.mark.parametrize(
    "harm", [break_index, lambda path: (path / MANIFEST_FILE).unlink(), lambda path: (path / INDEX_FILE).unlink()]
)
def test_a_snapshot_that_is_not_whole_is_never_placed(filled, tmp_path, snapshots, harm):
    shutil.copytree(snapshots[0], tmp_path / "harmed")
    harm(tmp_path / "harmed")
    before = everything(filled)
    with pytest.raises(SnapshotError, match="harmed"):
        place(filled, tmp_path / "harmed", KEY)
    assert everything(filled) == before


def test_a_snapshot_that_changes_while_it_is_copied_is_not_placed(filled, tmp_path, snapshots, monkeypatch):
    shutil.copytree(snapshots[0], tmp_path / "moving")
    copy = shutil.copyfile

    def late(source, target):
        shutil.rmtree(tmp_path / "moving")
        monkeypatch.undo()
        copytree = shutil.copytree(snapshots[1], tmp_path / "moving")
        return copy(copytree / Path(source).name, target)

    monkeypatch.setattr(shutil, "copyfile", late)
    before = everything(filled)
    with pytest.raises(SnapshotError, match="changed while it was copied"):
        place(filled, tmp_path / "moving", KEY)
    assert everything(filled) == before
    assert leftovers(filled) == []


def test_whoever_finds_the_store_locked_says_so_once_patience_ends(filled, snapshots):
    before = everything(filled)
    with changing(filled, 0):
        for change in (lambda: place(filled, snapshots[0], KEY, 0), lambda: roll_back(filled, 1, 0.01)):
            with pytest.raises(SnapshotError, match=r"Another publisher has been changing the store .* for 0"):
                change()
        assert len(list_generations(filled)) == 5  # reading waits for nobody
    assert everything(filled) == before
    assert place(filled, snapshots[0], KEY, 0).number == 6


def test_two_publishers_at_once_each_get_their_turn(store, tmp_path):
    """The lock counts for each opening of the file, so that threads stand for processes."""
    ids = {}
    placed = {}

    def run(first):
        for size in range(first, first + 8, 2):
            place(store, tmp_path / str(size), KEY)
            placed[size] = True

    for size in range(10, 18):
        ids[size] = make_snapshot(tmp_path / str(size), size)
    publishers = [threading.Thread(target=run, args=(first,)) for first in (10, 11)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    assert sorted(placed) == list(ids)
    rows = list_generations(store)
    assert [row.number for row in rows] == list(range(1, 9))
    assert {row.manifest.snapshot_id for row in rows} == set(ids.values())
    assert not any(row.fault for row in rows)
    assert current_number(store) == 8
    assert leftovers(store) == []


class Nursery:
    """A process that starts publishers and lets none of them end; see ``publisher_nursery.py``."""

    def __init__(self):
        program = Path(__file__).with_name("publisher_nursery.py")
        self.process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def fate(self, store, snapshot, how, when):
        print(store, snapshot, how, when, file=self.process.stdin)
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0


@pytest.fixture(scope="module")
def nursery():
    with closing(Nursery()) as nursery:
        yield nursery


def check_alive(store, known):
    """The live generation opens and is one of those placed; what is listed is whole; the lock is free."""
    assert live(store) in known
    assert not any(generation.fault for generation in list_generations(store))
    with changing(store, 0):
        assert leftovers(store) == []


def test_a_publisher_killed_at_any_step_leaves_a_whole_generation(filled, snapshots, nursery):
    """Each step of placing and pruning in turn, until a publisher lives to its end."""
    known = {id_of(snapshot) for snapshot in snapshots}
    grown = set()
    for step in range(1, 1_000):
        number = current_number(filled)
        fate = nursery.fate(filled, snapshots[step % 2], "step", step)
        check_alive(filled, known)
        grown.add(current_number(filled) > number)
        assert current_number(filled) >= number
        if fate == "ended":
            break
    assert fate == "ended"
    assert step > 30
    assert grown == {False, True}
    assert len(standing(filled)) == 2


def test_a_first_publisher_killed_at_any_step_leaves_room_for_the_next(tmp_path, snapshots, nursery):
    """There may be no store yet, but never one that can't be used."""
    for step in range(1, 1_000, 3):
        store = tmp_path / str(step)
        if nursery.fate(store, snapshots[0], "step", step) == "ended":
            break
        place(store, snapshots[1], KEY)
        assert live(store) == id_of(snapshots[1])
        assert leftovers(store) == []
    assert step > 30


def test_a_publisher_killed_at_random_instants_leaves_a_whole_generation(filled, snapshots, nursery):
    random = Random(7)  # noqa: S311 - no secret, but the same instants each time
    known = {id_of(snapshot) for snapshot in snapshots}
    fates = []
    for turn in range(60):
        fates.append(nursery.fate(filled, snapshots[turn % 5], "after", random.uniform(0, 0.03)))
        check_alive(filled, known)
    assert "died" in fates


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", folder]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no file system can be mounted here, so that none can be filled")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_store_as_it_was_whatever_room_is_left(small_disk, snapshots):
    """The rest of the disk is filled but for a few pages, from none to more than a generation takes."""
    store = small_disk / "store"
    place(store, snapshots[0], KEY)
    taken = small_disk / "taken"
    outcomes = []
    for pages in range(60):
        taken.write_bytes(bytes(shutil.disk_usage(small_disk).free))
        with taken.open("r+b") as file:
            file.truncate(max(0, taken.stat().st_size - pages * 4_096))
        before = everything(store)
        try:
            place(store, snapshots[1], KEY)
        except SnapshotError as error:
            outcomes.append(("No space left on device" in error.message, error.message.count("\n")))
            assert everything(store) == before
            assert live(store) == id_of(snapshots[0])
        else:
            break
        finally:
            taken.unlink()
        assert leftovers(store) == []
    assert set(outcomes) == {(True, 0)}
    assert len(outcomes) > 3
    assert live(store) == id_of(snapshots[1])
