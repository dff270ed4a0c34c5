import os
import subprocess
import sys
from pathlib import Path

import pytest

from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.key_file import create_key_file
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from small_register import ANN, FIRM, build_register

TOOL = Path(__file__).parents[2] / "tools" / "inspect_snapshot.py"


def run(*words):
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, check=False, env=environment)


def told(output):
    return {" ".join(word for word in line.split() if word.isascii()) for line in output.splitlines()}


def test_without_a_key_the_manifest_is_shown(register):
    done = run(register.directory)
    assert (done.returncode, done.stderr) == (0, "")
    manifest = register.built.manifest
    assert told(done.stdout) >= {
        f"snapshot id {manifest.snapshot_id}",
        "register date 2026-11-01",
        "answers from 2026-10-31T23:00:00Z",
        "stale from 2026-11-07T23:00:00Z",
        "owners 7",
        "keys of several owners 2",
        "from persons 6 rows, 0 rejected, change sequence 7",
        f"index file {manifest.file_size:,} bytes, digest as stated",
    }
    assert "Facts at" not in done.stdout


@pytest.mark.parametrize(
    ("as_of", "instant", "protected"),
    [
        ([], "2026-10-31T23:00:00Z", "1"),
        (["--as-of", "2027-01-01"], "2026-12-31T23:00:00Z", "1"),
        (["--as-of", "2027-01-02T00:00:00+01:00"], "2027-01-01T23:00:00Z", "0"),
    ],
)
def test_with_the_key_it_tells_of_how_many_owners_each_fact_holds_and_never_of_whom(
    register, as_of, instant, protected
):
    done = run(register.directory, "--keys", register.key_file, *as_of)
    assert (done.returncode, done.stderr) == (0, "")
    assert told(done.stdout) >= {
        f"Facts at {instant}",
        "mailbox 7",
        f"protection {protected}",
        "exempt 1",
        "subscribed/power 1",
    }
    assert not [word for word in (ANN, FIRM, "Ann", "post.dk", "Vestergade") if word in done.stdout]


def damage(directory):
    path = directory / INDEX_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words", "sentence"),
    [
        (lambda directory: (directory / MANIFEST_FILE).unlink(), [], "has no manifest.json"),
        (lambda directory: os.truncate(directory / INDEX_FILE, 100), [], "has 100 bytes instead of"),
        (damage, [], "is damaged, its digest is another"),
        (
            lambda directory: create_key_file(directory.parent / "other.key"),
            ["--keys", "other.key"],
            "under another key",
        ),
        (None, ["--keys", "none.key"], "none.key: can't be read"),
        (None, ["--keys", "index.key", "--as-of", "noon"], "--as-of is neither a day"),
        (None, ["--keys", "index.key", "--as-of", "1969-01-01"], "before 1970 or after 2106"),
    ],
)
def test_a_refusal_is_one_line(tmp_path, spoil, words, sentence):
    directory = build_register(tmp_path).directory
    if spoil:
        spoil(directory)
    done = run(directory, *(tmp_path / word if word.endswith(".key") else word for word in words))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr


def test_where_there_is_no_snapshot_the_error_says_so(tmp_path):
    done = run(tmp_path / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: There is no snapshot at {tmp_path / 'none'}")


def test_help_shows_how_it_is_used():
    done = run("--help")
    assert done.returncode == 0
    assert "tools/inspect_snapshot.py snapshot --keys index.key" in done.stdout
