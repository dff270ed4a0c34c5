"""``resolver-grpc keys`` as a person meets it."""

import base64

import pytest
from click.testing import CliRunner

from resolver_grpc.cli import main
from resolver_grpc.key_file import create_key_file, read_key_ring, rotate_key_file
from resolver_grpc.snapshot.placing import place
from small_register import build_register


@pytest.fixture
def file(tmp_path):
    create_key_file(tmp_path / "index.key")
    rotate_key_file(tmp_path / "index.key")
    return tmp_path / "index.key"


def run(*words):
    done = CliRunner().invoke(main, ["keys", *map(str, words)])
    assert done.exit_code in {0, 2}
    return done.exit_code, done.stdout, done.stderr


def ids(file):
    return [key.key_id for key in read_key_ring(file)]


def test_the_list_tells_ids_and_which_is_active_and_nothing_secret(file):
    code, told, _ = run("list", file)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if line.startswith("│")]
    active, kept = ids(file)
    assert (code, rows) == (0, [[active, "active"], [kept, "kept"]])


def test_a_rotation_tells_both_ids(file):
    former = ids(file)[0]
    code, told, _ = run("rotate", file)
    assert (code, told) == (0, f"{file}: new active key {ids(file)[0]}, {former} is kept\n")


def test_a_kept_key_is_dropped(file):
    active, kept = ids(file)
    assert run("drop", file, kept) == (0, f"{file}: key {kept} is dropped, 0 kept\n", "")
    assert ids(file) == [active]


def test_no_command_shows_a_key(file):
    told = "".join(
        text for words in (["list", file], ["rotate", file], ["drop", file, ids(file)[1]]) for text in run(*words)[1:]
    )
    for line in file.read_text(encoding="ascii").splitlines()[1:]:
        secret = line.split()[1]
        assert secret not in told
        assert base64.b64decode(secret).hex() not in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["new", "FILE"], "exists already; a key is never overwritten"),
        (["list", "NONE"], "can't be read: No such file or directory; make one with `resolver-grpc keys new`"),
        (["rotate", "NONE"], "can't be read: No such file or directory"),
        (["drop", "FILE", "ACTIVE"], "that is the active key; rotate first"),
        (["drop", "FILE", "0123456789abcdef"], "holds no key of that id"),
        (["drop", "FILE", "KEPT", "--store", "NONE"], "There is no store of snapshots at"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(file, words, sentence):
    active, kept = ids(file)
    before = file.read_bytes()
    places = {"FILE": file, "NONE": file.with_name("none"), "ACTIVE": active, "KEPT": kept}
    code, told, error = run(*(places.get(word, word) for word in words))
    assert (code, told) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert file.read_bytes() == before


def test_a_key_that_a_store_needs_is_not_dropped(tmp_path):
    register = build_register(tmp_path)
    file, store, former = register.key_file, tmp_path / "store", register.key.key_id
    place(store, register.directory, register.key)
    rotate_key_file(file)
    code, _, error = run("drop", file, former, "--store", store)
    assert (code, error) == (2, f"error: The store {store} needs that key for generation 1; prune it first.\n")
    assert ids(file)[1:] == [former]
    (store / "generations" / "1" / "manifest.json").write_text("{}", encoding="ascii")
    code, _, error = run("drop", file, former, "--store", store)
    assert code == 2, "whose key it needs can't be told"
    assert "manifest.json" in error
