"""The commands of the operations manual's section on keys are run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

from resolver_grpc.build.snapshot import build_snapshot
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.snapshot.placing import place
from small_register import MAILBOX_ROWS, NOON, quiet, write_tables

ROOT = Path(__file__).parents[1]
MANUAL = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def steps_of_keys():
    """The console blocks of the section, each as a script."""
    (section,) = re.findall(r"^## Keys\n(.*?)^## ", MANUAL, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return ["\n".join(re.findall(r"^\$ (.*)$", block, re.MULTILINE)) for block in blocks]


def run(script, folder):
    script = script.replace("/media/safe", str(folder / "safe")).replace("/srv/resolver/store", str(folder / "store"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e"], input=script, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def routine_of_a_night(folder, mailboxes):
    """Builds under the active key and places."""
    tables = folder / f"tables-{len(mailboxes)}"
    tables.mkdir()
    key, target = read_key_ring(folder / "index.key").active, folder / f"snapshot-{len(mailboxes)}"
    build_snapshot(write_tables(tables, mailboxes=mailboxes), target, key, NOON, quiet)
    place(folder / "store", target, key)


def test_a_key_is_made_backed_up_rotated_and_dropped_as_the_manual_says(tmp_path):
    """But for the number of generations to keep, which are seven in the manual and here only two."""
    making, rotation, dropping = steps_of_keys()
    (tmp_path / "safe").mkdir()
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    told = run(making, tmp_path)
    first = read_key_ring(tmp_path / "index.key").active.key_id
    assert told.count(first) == 3
    routine_of_a_night(tmp_path, MAILBOX_ROWS)
    told = run(rotation, tmp_path)
    assert f"{first} is kept" in told
    routine_of_a_night(tmp_path, MAILBOX_ROWS[1:])
    assert "4f1c9d0a7be2a1d3" in dropping
    dropping = dropping.replace("4f1c9d0a7be2a1d3", first).replace("--keep 7", "--keep 1")
    assert f"key {first} is dropped" in run(dropping, tmp_path)
    assert len(list(read_key_ring(tmp_path / "index.key"))) == 1
    assert (tmp_path / "safe" / "index.key").read_bytes() == (tmp_path / "index.key").read_bytes()
