"""Builders that are killed, or run out of disk: no half snapshot ever, and the next build comes to the same one."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from pathlib import Path
from random import Random
from time import perf_counter

import pytest

from nursery import Nursery, mounted_disk, room_left
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import current_generation, list_generations
from resolver_grpc.snapshot.placing import place
from resolver_grpc.snapshot.publish import is_unpublished
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.snapshot.verify import verify_snapshot
from small_register import build_register, mailbox, person, write_tables

TABLES = ("persons", "mailboxes", "relations", "roads")
NUMBERS = [f"{day:02d}{month:02d}801{tail}" for day in range(1, 6) for month in range(1, 13) for tail in (123, 456)]


def rows_of(numbers):
    return {
        "persons": [
            person(number, f"Ann Bo{number[:4]}", house_number=str(1 + int(number[:4]) % 999)) for number in numbers
        ],
        "mailboxes": [mailbox(number) for number in numbers],
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Tables, a key, and what is built of them without a crash."""
    folder = tmp_path_factory.mktemp("inputs")
    return build_register(folder, **rows_of(NUMBERS))


@pytest.fixture(scope="module")
def other(tmp_path_factory, inputs):
    """The snapshot of the night before."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copy2(inputs.key_file, folder / "index.key")
    (folder / "tables").mkdir()
    write_tables(folder / "tables", **rows_of(NUMBERS[5:]))
    with closing(Nursery(NURSERY)) as nursery:
        words = build_words(folder / "tables", inputs.key_file, folder / "snapshot")
        assert nursery.fate("never", 0, folder, folder / "said", "build_snapshot", *words) == 0
    return folder / "snapshot"


NURSERY = Path(__file__).parents[1] / "tool_nursery.py"


@pytest.fixture(scope="module")
def nursery():
    with closing(Nursery(NURSERY)) as nursery:
        yield nursery


@pytest.fixture
def folder(tmp_path, other, inputs):
    """Where it is built; a store with one generation is there too."""
    work = tmp_path / "work"
    work.mkdir()
    place(work / "store", other, inputs.key)
    return work


def build_words(tables, key_file, target):
    return [word for name in TABLES for word in (f"--{name}", tables / f"{name}.csv")] + [
        "--keys",
        key_file,
        "--out",
        target,
    ]


class Site:
    """A folder in which the snapshot is built and published by programs that may die."""

    def __init__(self, folder, inputs, nursery):
        self.folder, self.inputs, self.nursery = folder, inputs, nursery
        self.target, self.store = folder / "snapshot", folder / "store"
        self.said = inputs.directory.parent / "said.txt"
        self.snapshot_id = inputs.built.manifest.snapshot_id

    def build(self, how="never", when=0):
        words = build_words(self.inputs.directory.parent, self.inputs.key_file, self.target)
        return self.nursery.fate(how, when, self.folder, self.said, "build_snapshot", *words)

    def publish(self, how="never", when=0):
        words = ["place", self.store, self.target, "--keys", self.inputs.key_file]
        return self.nursery.fate(how, when, self.store, self.said, "publish_snapshot", *words)

    def check(self):
        """No snapshot or a whole one stands; beside it at most what nobody takes for one; the store is whole."""
        for path in self.folder.iterdir():
            assert path in {self.target, self.store} or (path.is_dir() and is_unpublished(path))
        if self.target.exists():
            assert self.verified(self.target) == self.snapshot_id
        live = self.live()
        assert not any(generation.fault for generation in list_generations(self.store))
        return live

    def verified(self, directory):
        verify_snapshot(directory, self.inputs.key)
        return read_manifest(directory).snapshot_id

    def live(self):
        key = self.inputs.key
        opened = open_snapshot(current_generation(self.store), key.columns_secret, key.key_id, CANONICAL_VERSION)
        opened.index.close()
        return opened.manifest.snapshot_id

    def build_again_and_clear(self):
        """The next build needs nobody to clear up, and comes to the same snapshot."""
        assert self.build() == 0
        self.check()
        assert self.target.exists()
        shutil.rmtree(self.target)
        self.clear()

    def clear(self):
        for left in self.folder.glob(".*"):
            shutil.rmtree(left)


@pytest.fixture
def site(folder, inputs, nursery):
    return Site(folder, inputs, nursery)


def life_of(program):
    """How many seconds a program takes from its fork to its end."""
    begun = perf_counter()
    assert program() == 0
    return perf_counter() - begun


def instants(life, count, seed):
    """One instant of each part of a life, at random within it, so that all of the life is met."""
    random = Random(seed)  # noqa: S311 - no secret, but the same instants each time
    return [life * (part + random.random()) / count for part in range(count)]


def test_a_builder_killed_at_random_instants_leaves_a_whole_snapshot_or_none(site, other):
    life = life_of(site.build)
    shutil.rmtree(site.target)
    fates = []
    for instant in instants(life, 8, seed=7):
        fates.append(site.build("after", instant))
        assert site.check() == read_manifest(other).snapshot_id
        site.build_again_and_clear()
    assert set(fates) <= {"died", 0}
    assert "died" in fates


def test_a_builder_killed_at_its_steps_leaves_a_whole_snapshot_or_none(site):
    """At every other thing that it asks of the operating system about its folder, until it lives to its end."""
    stood = set()
    for step in range(1, 1_000, 2):
        fate = site.build("step", step)
        site.check()
        stood.add(site.target.exists())
        if fate == 0:
            break
        assert fate == "died"
        # What is left of those before is in nobody's way.
        shutil.rmtree(site.target, ignore_errors=True)
    assert step > 10
    assert stood == {False, True}
    site.build_again_and_clear()


def test_builder_and_publisher_killed_in_turn_leave_the_store_on_a_whole_generation(site, other):
    """Night after night, each killed at some instant and run again, until the night's snapshot is live."""
    builder = life_of(site.build)
    publisher = life_of(site.publish)
    before, after = read_manifest(other).snapshot_id, site.snapshot_id
    assert site.live() == after
    fates = []
    for build_at, publish_at in zip(instants(builder, 4, 11), instants(publisher, 4, 12), strict=True):
        shutil.rmtree(site.target)
        shutil.rmtree(site.store)
        place(site.store, other, site.inputs.key)
        fates.append(site.build("after", build_at))
        assert site.check() == before
        assert site.build() == 0
        fates.append(site.publish("after", publish_at))
        assert site.check() in {before, after}
        assert site.publish() == 0
        assert site.check() == after
        assert not list((site.store / "generations").glob(".*"))
    assert set(fates) <= {"died", 0}
    assert "died" in fates


@pytest.fixture
def small_disk(tmp_path):
    with mounted_disk(tmp_path / "disk", "8m") as folder:
        yield folder


SENTENCES = {
    "spilling keys": r"error: The keys can't be spilled to .* \(No space left on device\); make room there",
    "making the directory": r"error: The directory .* can't take the snapshot \(No space left on device\); make it",
    "writing the index": r"error: The index .* can't be written \(mdb_txn_commit: .*\); make room and build again",
}


def test_a_full_disk_is_said_in_one_line_and_leaves_everything_as_it_was(small_disk, inputs, other, nursery):
    """Whatever room is left, from none to enough: it ends while keys are spilled, or as the snapshot is written."""
    site = Site(small_disk, inputs, nursery)
    place(site.store, other, inputs.key)
    before = everything(small_disk)
    met = set()
    for pages in range(0, 400, 3):
        with room_left(small_disk, pages * 4_096):
            code = site.build()
        if code == 0:
            break
        assert code == 2
        said = site.said.read_text()
        assert said.count("\n") == 1
        met.add(next(part for part, sentence in SENTENCES.items() if re.match(sentence, said)))
        assert everything(small_disk) == before
        assert site.check() == read_manifest(other).snapshot_id
    assert code == 0
    assert site.check() == read_manifest(other).snapshot_id
    assert met >= {"spilling keys", "writing the index"}


def everything(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
