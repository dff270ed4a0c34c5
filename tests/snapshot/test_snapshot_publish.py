from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from snapshot_files import CANONICAL_VERSION, COLUMNS_KEY, KEY_ID, write_snapshot

from resolver_grpc.errors import SnapshotError
from resolver_grpc.snapshot.publish import is_unpublished, publish
from resolver_grpc.snapshot.store import open_snapshot


def stamp_of(path):
    """What changes when a file does; reading a link changes its time of access, which doesn't count."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


@pytest.fixture
def target(tmp_path):
    return tmp_path / "2026-11-22"


def opens(directory):
    open_snapshot(directory, COLUMNS_KEY, KEY_ID, CANONICAL_VERSION).index.close()
    return True


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def write_more(folder):
    write_snapshot(folder, owners=4)


def test_a_published_snapshot_stands_alone_under_its_name(target):
    assert publish(target, write_snapshot) is True
    assert opens(target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert sorted(contents(target)) == ["index.lmdb", "manifest.json"]


def test_it_is_written_beside_its_place_under_a_hidden_name(target):
    seen = []

    def write(folder):
        seen.append(folder)
        assert not target.exists()
        write_snapshot(folder)

    publish(target, write)
    assert seen[0].parent == target.parent
    assert seen[0].name.startswith(".")
    assert is_unpublished(seen[0])
    assert not is_unpublished(target)


def test_only_its_owner_may_read_it(target):
    def write(folder):
        write_snapshot(folder)
        for path in folder.iterdir():
            path.chmod(0o644)

    publish(target, write)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o600}


def test_everything_is_on_the_disk_before_it_has_its_name_and_the_name_after(target, monkeypatch):
    """The files, then their folder, then the renaming, then the folder that holds the name."""
    steps = []
    sync, rename = os.fsync, Path.rename

    def traced_sync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("the folder" if is_unpublished(path) else path.name)
        sync(descriptor)

    def traced_rename(path, other):
        steps.append("renamed")
        return rename(path, other)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(Path, "rename", traced_rename)
    publish(target, write_snapshot)
    assert set(steps[:2]) == {"index.lmdb", "manifest.json"}
    assert steps[2:] == ["the folder", "renamed", target.parent.name]


def test_the_same_snapshot_again_changes_nothing(target):
    publish(target, write_snapshot)
    before, inode = contents(target), target.stat().st_ino

    def write_later(folder):
        write_snapshot(folder, build_time="2026-11-23T00:00:00Z")

    assert publish(target, write_later) is False
    assert (contents(target), target.stat().st_ino) == (before, inode)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def make_other_snapshot(target):
    publish(target, write_more)


def make_damaged_snapshot(target):
    publish(target, write_snapshot)
    with (target / "index.lmdb").open("r+b") as file:
        file.write(b"\xff")


def make_half_a_snapshot(target):
    publish(target, write_snapshot)
    (target / "manifest.json").unlink()


def make_dangling_link(target):
    target.symlink_to(target.parent / "nowhere")


@pytest.mark.parametrize(
    "make",
    [
        make_other_snapshot,
        make_damaged_snapshot,
        make_half_a_snapshot,
        make_dangling_link,
        Path.mkdir,
        Path.touch,
    ],
)
def test_something_else_in_its_place_is_refused_and_left_alone(target, make):
    make(target)
    before = stamp_of(target)
    with pytest.raises(SnapshotError, match=f"{target}; choose a new directory"):
        publish(target, write_snapshot)
    assert stamp_of(target) == before
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize(("write", "is_fine"), [(write_snapshot, True), (write_more, False)])
def test_another_builder_may_have_been_faster(target, monkeypatch, write, is_fine):
    """Its snapshot appears between our look and our renaming."""

    def late(path):
        monkeypatch.undo()
        publish(target, write)
        return False

    monkeypatch.setattr(os.path, "lexists", late)
    if is_fine:
        assert publish(target, write_snapshot) is False
    else:
        with pytest.raises(SnapshotError, match="choose a new directory"):
            publish(target, write_snapshot)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert opens(target)


def write_nothing(folder):
    pass


def write_no_manifest(folder):
    write_snapshot(folder)
    (folder / "manifest.json").unlink()


def write_another_size(folder):
    write_snapshot(folder, file_size=5)


def write_another_digest(folder):
    write_snapshot(folder, file_digest="00" * 32)


@pytest.mark.parametrize("write", [write_nothing, write_no_manifest, write_another_size, write_another_digest])
def test_what_is_no_snapshot_is_never_published(target, write):
    with pytest.raises(SnapshotError):
        publish(target, write)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, SnapshotError("no")])
def test_what_fails_while_writing_leaves_nothing(target, error):
    def write(folder):
        write_snapshot(folder)
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        publish(target, write)
    assert list(target.parent.iterdir()) == []


def test_a_disk_that_refuses_is_said_and_leaves_nothing(target, monkeypatch):
    def refuse(path, other):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(SnapshotError, match="No space left on device"):
        publish(target, write_snapshot)
    assert list(target.parent.iterdir()) == []


def test_a_missing_parent_is_named(target):
    with pytest.raises(SnapshotError, match=f"{target} can't take the snapshot"):
        publish(target / "deeper", write_snapshot)


def test_a_relative_target_is_taken_from_the_working_directory(target, monkeypatch):
    monkeypatch.chdir(target.parent)
    assert publish(Path(target.name), write_snapshot) is True
    assert opens(target)


BUILDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from snapshot_files import write_snapshot
from resolver_grpc.snapshot import publish

def stop():
    print("here", flush=True)
    sys.stdin.read()

def write_half(folder):
    (folder / "index.lmdb").write_bytes(bytes(5_000))
    stop()

def write_all(folder):
    write_snapshot(folder)
    stop()

if sys.argv[3] == "checked":
    publish._rename = lambda temporary, target: stop()
publish.publish(Path(sys.argv[2]), {"half": write_half, "all": write_all, "checked": write_snapshot}[sys.argv[3]])
"""


@pytest.mark.parametrize("moment", ["half", "all", "checked"])
def test_a_builder_that_is_killed_leaves_no_snapshot_and_blocks_nobody(target, moment):
    """Killed in the middle of writing, after it, and just before the renaming."""
    arguments = [sys.executable, "-c", BUILDER, str(Path(__file__).parent), str(target), moment]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as builder:
        assert builder.stdout.readline() == b"here\n"
        builder.kill()
        assert builder.wait() == -signal.SIGKILL
    (left,) = target.parent.iterdir()
    assert left != target
    assert is_unpublished(left)
    with pytest.raises(SnapshotError, match="did not finish; remove it"):
        open_snapshot(left, COLUMNS_KEY, KEY_ID, CANONICAL_VERSION)
    with pytest.raises(SnapshotError, match="no snapshot at"):
        open_snapshot(target, COLUMNS_KEY, KEY_ID, CANONICAL_VERSION)
    assert publish(target, write_snapshot) is True
    assert opens(target)
    assert left.exists()
