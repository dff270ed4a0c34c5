"""The program that trims the log of changes: as far as all generations contain it, and no further."""

import subprocess
import sys

import pytest
from snapshot_files import make_manifest

from nursery import tool
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.key_file import create_key_file, read_key_ring
from resolver_grpc.snapshot.manifest import encode_manifest


@pytest.fixture
def folder(tmp_path):
    """A store whose generations contain the changes up to 12, 14 and 17, and a log of twenty."""
    create_key_file(tmp_path / "index.key")
    for number, sequence in ((3, 12), (4, 14), (5, 17)):
        generation = tmp_path / "store" / "generations" / str(number)
        generation.mkdir(parents=True)
        (generation / "index.lmdb").touch()
        (generation / "manifest.json").write_bytes(encode_manifest(make_manifest(change_sequence=sequence)))
    fill(tmp_path, 20)
    return tmp_path


def fill(folder, count):
    with opened(folder) as log:
        log.append([Entry(f"feed-{number}", b"change") for number in range(count)])


def opened(folder):
    return ChangeLog(folder / "changes.log", read_key_ring(folder / "index.key"))


def trim(folder):
    command = [sys.executable, tool("trim_changes"), folder / "store", folder / "changes.log"]
    command += ["--keys", folder / "index.key", "--wait", "0"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_every_generation_contains_is_removed(folder):
    done = trim(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder / 'changes.log'}: removed 12 changes, 8 are left, from 13 on\n"
    with opened(folder) as log:
        assert (log.first_sequence(), log.last_sequence()) == (13, 20)


def test_trimming_again_removes_nothing(folder):
    trim(folder)
    assert "removed 0 changes, 8 are left, from 13 on" in trim(folder).stdout


def nothing_placed(folder):
    for path in sorted((folder / "store" / "generations").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def damaged(folder):
    (folder / "store" / "generations" / "4" / "manifest.json").write_text("{}")


def another_log(folder):
    for path in folder.glob("changes.log*"):
        path.unlink()
    fill(folder, 3)


def no_log(folder):
    for path in folder.glob("changes.log*"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (nothing_placed, "has no generation yet"),
        (damaged, "Generation 4 of the store"),
        (another_log, "it is another log"),
        (no_log, "There is no log of changes at"),
    ],
)
def test_where_it_is_not_known_what_is_contained_nothing_is_removed(folder, spoil, sentence):
    spoil(folder)
    done = trim(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    if spoil is not no_log:
        with opened(folder) as log:
            assert log.first_sequence() == 1
    else:
        assert not (folder / "changes.log").exists()
