"""The key file: its two forms, its changes, and what is refused."""

import base64
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nursery import Nursery
from resolver_grpc.errors import KeyFileError
from resolver_grpc.key_file import create_key_file, drop_kept_key, read_key_ring, rotate_key_file
from resolver_grpc.keys import KeyRing, MasterKey

NURSERY = Path(__file__).with_name("key_nursery.py")
OLD, MIDDLE, NEW = (MasterKey(letter * 32) for letter in (b"o", b"m", b"n"))


def base64_of(key):
    return base64.b64encode(key.secret).decode()


def line(key, state, key_id=None):
    return f"{key_id or key.key_id} {base64_of(key)} {state}"


def write(path, *lines):
    path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def file(tmp_path):
    """A key file of three keys, with comments."""
    return write(
        tmp_path / "index.key",
        "# Ørsted, safe 3",
        line(OLD, "kept"),
        "",
        line(MIDDLE, "kept"),
        "  # of May",
        line(NEW, "active"),
    )


def test_a_new_key_file_is_read_again_and_belongs_to_its_owner_alone(tmp_path):
    path = tmp_path / "index.key"
    made = create_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    assert read_key_ring(path) == KeyRing(made)
    assert create_key_file(tmp_path / "other.key") != made
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_key_file(path)
    assert read_key_ring(path) == KeyRing(made)


def test_a_new_key_never_takes_the_place_of_a_link(tmp_path):
    (tmp_path / "index.key").symlink_to(tmp_path / "later.key")
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_key_file(tmp_path / "index.key")
    assert [path.name for path in tmp_path.iterdir()] == ["index.key"]


@pytest.mark.parametrize("change", [create_key_file, rotate_key_file])
def test_a_key_file_that_cant_be_made_is_refused(tmp_path, change):
    with pytest.raises(KeyFileError, match="can't be written: No such file"):
        change(tmp_path / "nowhere" / "index.key")


@pytest.mark.parametrize("change", ["create_key_file", "rotate_key_file"])
def test_a_key_file_that_cant_be_finished_leaves_nothing(tmp_path, change):
    """Half a key would stand in the way of the next attempt, or of every server."""
    if change == "rotate_key_file":
        write(tmp_path / "index.key", line(OLD, "active"))
    program = f"""
import pathlib, resource, sys
from resolver_grpc.key_file import {change} as change
resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))
change(pathlib.Path(sys.argv[1]))
"""
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "index.key"], capture_output=True, text=True, check=False
    )
    assert "index.key: can't be written: File too large" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", [base64_of(OLD), f" {base64_of(OLD)}\r\n", f"# of 2025\n\n{base64_of(OLD)}\n"])
def test_a_file_of_the_former_form_is_a_ring_of_one(tmp_path, content):
    path = tmp_path / "index.key"
    path.write_text(content, encoding="ascii")
    path.chmod(0o400)
    assert read_key_ring(path) == KeyRing(OLD)


def test_a_file_of_the_former_form_is_rotated_into_the_new_one(tmp_path):
    path = write(tmp_path / "index.key", "# of 2025", base64_of(OLD))
    ring = rotate_key_file(path)
    assert ring.kept == (OLD,)
    assert path.read_text(encoding="ascii").splitlines() == [
        "# of 2025",
        line(OLD, "kept"),
        line(ring.active, "active"),
    ]


def test_a_ring_is_read_with_the_active_key_first_then_the_newest(file):
    assert read_key_ring(file) == KeyRing(NEW, (MIDDLE, OLD))


def test_the_active_key_may_stand_anywhere(tmp_path):
    path = write(tmp_path / "index.key", line(OLD, "active"), line(NEW, "kept"))
    assert read_key_ring(path) == KeyRing(OLD, (NEW,))


def test_a_rotation_adds_an_active_key_and_leaves_all_else_in_its_place(file):
    before = file.read_text(encoding="utf-8").splitlines()
    ring = rotate_key_file(file)
    assert ring == read_key_ring(file) == KeyRing(ring.active, (NEW, MIDDLE, OLD))
    after = file.read_text(encoding="utf-8").splitlines()
    assert after == [*before[:-1], line(NEW, "kept"), line(ring.active, "active")]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(list(file.parent.iterdir())) == 1


def test_a_comment_of_any_bytes_is_written_again_as_it_was_read(tmp_path):
    path = tmp_path / "index.key"
    path.write_bytes(b"# \xe6\xff\x00\n" + line(OLD, "active").encode())
    path.chmod(0o600)
    rotate_key_file(path)
    assert path.read_bytes().startswith(b"# \xe6\xff\x00\n")


def test_a_kept_key_is_dropped_and_no_other(file):
    assert drop_kept_key(file, MIDDLE.key_id) == read_key_ring(file) == KeyRing(NEW, (OLD,))
    assert base64_of(MIDDLE) not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("key_id", "problem"),
    [(NEW.key_id, "that is the active key; rotate first"), ("7" * 16, "holds no key of that id"), ("", "of that id")],
)
def test_the_active_key_and_unknown_ones_are_not_dropped(file, key_id, problem):
    before = file.read_bytes()
    with pytest.raises(KeyFileError, match=problem):
        drop_kept_key(file, key_id)
    assert file.read_bytes() == before


def test_through_a_link_the_file_itself_is_changed(file, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.key"
    link.symlink_to(file)
    ring = rotate_key_file(link)
    assert link.is_symlink()
    assert read_key_ring(file) == ring


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change another's file")
def test_a_file_that_root_rotates_stays_its_owners(file):
    os.chown(file, 12_345, 12_346)
    rotate_key_file(file)
    assert (file.stat().st_uid, file.stat().st_gid) == (12_345, 12_346)


FORMS = [
    (None, "can't be read: No such file or directory; make one with"),
    ("", "holds no key of 32 bytes in base64; make one with"),
    ("# nothing but this\n\n", "holds no key of 32 bytes in base64; make one with"),
    (base64.b64encode(bytes(31)).decode(), "holds no key of 32 bytes"),
    (base64.b64encode(bytes(33)).decode(), "holds no key of 32 bytes"),
    (base64_of(OLD) + "!", "holds no key of 32 bytes"),
    ("æ" * 44, "holds no key of 32 bytes"),
    ("\0" * 32, "holds no key of 32 bytes"),
    (f"{base64_of(OLD)}\n{base64_of(NEW)}", "line 1 is neither `ID BASE64 active` nor `ID BASE64 kept`"),
    (f"#\n{base64_of(OLD)} active", "line 2 is neither"),
    (f"{line(OLD, 'active')} # the new one", "line 1 is neither"),
    (line(OLD, "Active"), "line 1 is neither"),
    (f"{base64_of(OLD)} {OLD.key_id} active", "line 1 holds no key of 32 bytes in base64; restore"),
    (line(OLD, "active", NEW.key_id), "line 1 has an id that is not its key's; restore"),
    (line(OLD, "active", OLD.key_id.upper()), "line 1 has an id that is not its key's"),
    (line(OLD, "kept"), "holds 0 active keys; write `active` behind one"),
    (f"{line(OLD, 'active')}\n{line(NEW, 'active')}", "holds 2 active keys"),
    (f"{line(OLD, 'active')}\n{line(OLD, 'kept')}", "holds a key twice"),
    ("#" * 70_000, "has more than the 65,536 bytes of a key file"),
]


@pytest.mark.parametrize(("content", "problem"), FORMS, ids=[problem[:30] for _, problem in FORMS])
@pytest.mark.parametrize("use", [read_key_ring, rotate_key_file, lambda path: drop_kept_key(path, OLD.key_id)])
def test_what_is_no_key_file_is_refused_in_one_sentence_and_left_alone(tmp_path, content, problem, use):
    path = tmp_path / "index.key"
    if content is not None:
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)
    with pytest.raises(KeyFileError) as raised:
        use(path)
    assert problem in raised.value.message
    assert raised.value.message.startswith(f"{path}: ")
    assert not [key for key in (OLD, NEW) if base64_of(key)[:8] in raised.value.message]
    assert [one.read_text(encoding="utf-8") for one in tmp_path.iterdir()] == ([] if content is None else [content])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
@pytest.mark.parametrize("use", [read_key_ring, rotate_key_file])
def test_a_file_that_is_open_to_others_is_refused(file, mode, use):
    file.chmod(mode)
    with pytest.raises(KeyFileError, match="others may read it; run `chmod 600`"):
        use(file)


def test_a_directory_is_no_key_file(tmp_path):
    with pytest.raises(KeyFileError, match="can't be read: Is a directory"):
        read_key_ring(tmp_path)


def test_a_full_file_is_not_rotated_and_stays_readable(tmp_path):
    path = write(tmp_path / "index.key", "#" * 65_400, line(OLD, "active"))
    with pytest.raises(KeyFileError, match="at most 65,536 bytes; drop kept keys"):
        rotate_key_file(path)
    assert read_key_ring(path) == KeyRing(OLD)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=12))
def test_changes_come_to_what_a_plain_list_of_ids_comes_to(changes):
    """None rotates, a number drops the key in that place where there is one that may go."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.key"
        ids = [create_key_file(path).key_id]
        for change in changes:
            if change is None:
                ids.insert(0, rotate_key_file(path).active.key_id)
            elif 0 < change < len(ids):
                drop_kept_key(path, ids.pop(change))
        assert [key.key_id for key in read_key_ring(path)] == ids


WHOLE = "".join(f"{one}\n" for one in ("# a", line(OLD, "kept"), line(NEW, "active"))).encode()


def decoded(word):
    try:
        return base64.b64decode(word)
    except ValueError:
        return b""


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 20), st.binary(max_size=20)).map(
            lambda cut: WHOLE[: cut[0]] + cut[2] + WHOLE[cut[0] + cut[1] :]
        ),
    )
)
def test_any_bytes_are_a_ring_of_their_own_ids_or_refused_without_a_word_of_them(content):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "k"
        path.write_bytes(content)
        path.chmod(0o600)
        try:
            ring, refusal = list(read_key_ring(path)), ""
        except KeyFileError as error:
            ring, refusal = [], error.message
        words = content.decode(errors="surrogateescape").split()
        assert len(ring) == 1 or all(key.key_id in words for key in ring)
        assert {key.secret for key in ring} <= set(map(decoded, words))
        assert bool(ring) != bool(refusal)
        assert not [key for key in (OLD, NEW) if base64_of(key)[4:12] in refusal]


def test_a_rotation_that_is_killed_at_any_step_leaves_the_old_ring_or_the_new_one(file, tmp_path):
    """The next one comes to its end and clears away what was left."""
    fates = set()
    with closing(Nursery(NURSERY)) as nursery:
        for step in range(1, 40):
            before = read_key_ring(file)
            fate = nursery.fate("step", step, file)
            after = read_key_ring(file)
            assert after == before or list(after)[1:] == list(before)
            fates.add((fate, after == before))
            if fate == 0:
                break
        else:
            pytest.fail("a rotation asks for more than is counted")
    assert fates == {("died", True), ("died", False), (0, False)}
    assert [path.name for path in tmp_path.iterdir()] == ["index.key"]


def test_of_rotations_at_once_none_is_lost(file):
    with ThreadPoolExecutor(8) as threads:
        rings = list(threads.map(lambda _: rotate_key_file(file), range(16)))
    made = {ring.active for ring in rings}
    assert len(made) == 16
    assert set(read_key_ring(file)) == made | {OLD, MIDDLE, NEW}
