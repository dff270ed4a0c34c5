"""At rest: nothing that names somebody stands in any file that a build leaves, or has open while it works."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from datetime import date
from itertools import count
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from needles import Needles, is_weak
from resolver_grpc import bulk_keys
from resolver_grpc.build.population.generation import Settings, noon
from resolver_grpc.build.population.writing import write_population
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.index.columns import ColumnCipher
from resolver_grpc.keys import MasterKey
from scratch_files import family, scratch_files
from small_register import NOON

DAY = date(2026, 11, 1)
TABLES = ("persons", "mailboxes", "relations", "roads")
PERSONS = 400
LOOKS_AT_A_STAGE = 3


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    """The folder of a population's tables, in both formats."""
    folder = tmp_path_factory.mktemp("register")
    for ending in ("csv", "parquet"):
        write_population(Settings(PERSONS, 0, 5, DAY, noon(DAY)), folder, ending)
    return folder


@pytest.fixture(scope="module")
def needles(register):
    return Needles.of_tables(register / "persons.csv", register / "mailboxes.csv")


class Watch:
    """Looks at all files that a build has, whenever it says how far it is; a progress of ``build_snapshot``.

    Attributes:
        seen: bytes that were looked at, by the kind of file.
        found: needles, by the kind of file.
    """

    def __init__(self, needles, *folders):
        self._needles = needles
        self._folders = folders
        self.seen, self.found = Counter(), Counter()
        self._looked_at = set()
        self._one_at_a_time = Lock()

    @contextmanager
    def progress(self, _total, _stage):
        self.look()
        looks = count()

        def advance(_amount):
            if next(looks) < LOOKS_AT_A_STAGE:
                self.look()

        yield advance
        self.look()

    def look(self):
        # The second process's progress is told in a thread of its own.
        with self._one_at_a_time:
            fresh = set(self._contents()) - self._looked_at
            self._looked_at |= fresh
            for kind, data in fresh:
                self.seen[kind] += len(data)
                for what, often in self._needles.found_in(data).items():
                    self.found[kind, what] += often

    def _contents(self):
        for kind, path in self._files():
            with suppress(OSError):  # gone a moment ago
                yield kind, path.read_bytes()

    def _files(self):
        for folder in self._folders:
            for path in folder.rglob("*"):
                if path.is_file():
                    yield path.suffix, path
        for process in family(os.getpid()):
            for descriptor in scratch_files(process):
                yield "nameless", descriptor


def build(register, work, needles, ending="csv", secret=b"k" * 32):
    """Builds in a folder under watch."""
    (work / "site").mkdir()
    watch = Watch(needles, work / "site", work / "tmp")
    inputs = Inputs(*(register / f"{table}.{ending}" for table in TABLES), rejects_file=work / "site" / "rejects.csv")
    built = build_snapshot(inputs, work / "site" / "snapshot", MasterKey(secret), NOON, watch.progress)
    watch.look()
    assert built.manifest.owners > PERSONS / 2
    assert len(built.rejects) > 0
    return watch


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Where it is built; what else is written for a while goes there, too."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return tmp_path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_no_file_of_a_build_names_anybody(register, work, needles, ending):
    """Neither the snapshot and the list of rejected rows, nor a file that is there for a while, named or not."""
    watch = build(register, work, needles, ending)
    assert watch.found == {}
    # All of them were met: what is sorted, the index as it grows, what is left.
    assert {"nameless", ".lmdb", ".json", ".csv"} <= {kind for kind, size in watch.seen.items() if size}


def test_a_build_that_enciphers_no_column_is_found_out(register, work, needles, monkeypatch):
    monkeypatch.setattr(ColumnCipher, "encode", lambda _self, _name, values: iter([values.tobytes()]))
    found = {what for kind, what in build(register, work, needles).found if kind == ".lmdb"}
    assert found >= {"number in utf-8", "address of mail in utf-8"}


def test_a_build_whose_hashes_need_no_key_is_found_out(register, work, needles, monkeypatch):
    """In what is sorted, too, which is gone with the build."""
    keyed = bulk_keys.fill_keys
    monkeypatch.setattr(bulk_keys, "fill_keys", lambda _secret, *others, **wide: keyed(b"", *others, **wide))
    found = build(register, work, needles).found
    for kind in ("nameless", ".lmdb"):
        assert found[kind, "number under plain BLAKE2b-128"] > PERSONS / 2
        assert found[kind, "address of mail under plain BLAKE2b-128"] > 0


def test_the_tables_themselves_are_full_of_what_is_looked_for(register, needles):
    persons, mailboxes = (needles.found_in((register / f"{name}.csv").read_bytes()) for name in TABLES[:2])
    assert persons["number in utf-8"] > PERSONS
    assert persons["name in utf-8"] > 50
    assert persons["street in utf-8"] > 0
    assert mailboxes["address of mail in utf-8"] > 50
    assert set(needles.what.values()) >= {"number in half bytes", "number under plain SHA-256, in hexadecimal"}


@pytest.fixture(scope="module")
def alike(needles):
    """The needles of each sort."""
    by_sort = defaultdict(list)
    for needle, what in needles.what.items():
        by_sort[what].append(needle)
    return by_sort


@given(data=st.data())
def test_what_is_looked_for_is_found_wherever_it_stands(needles, alike, data):
    """Every needle that is long enough to be no chance; of the others a column of them."""
    what = data.draw(st.sampled_from(sorted(alike)))
    needle = data.draw(st.sampled_from(alike[what]))
    before, after = data.draw(st.binary(max_size=9)), data.draw(st.binary(max_size=9))
    planted = b"".join(alike[what]) if is_weak(needle) else needle
    assert needles.found_in(before + planted + after)[what] > 0


def test_nothing_is_found_in_noise(needles):
    dice = random.Random(3)  # noqa: S311 - noise, no secret
    assert needles.found_in(dice.randbytes(1 << 20)) == {}
    assert needles.found_in(b"") == {}
    assert needles.found_in(bytes(1 << 16)) == {}
