"""The program that publishes, run as an index builder runs it."""

import pytest

from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.key_file import create_key_file
from resolver_grpc.snapshot.changing import changing
from resolver_grpc.snapshot.generations import current_number, generation_path
from small_register import ANN, FIRM, PERSONS_ROWS, build_register
from tool_nursery import run_here


def run(*words):
    done = run_here("publish_snapshot", *words)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    """A register that no server in this process has open."""
    return build_register(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory, register):
    """Another snapshot, under a key of its own."""
    folder = tmp_path_factory.mktemp("second")
    (folder / "given").mkdir()
    return build_register(folder / "given", persons=PERSONS_ROWS[1:])


@pytest.fixture
def store(tmp_path, register, second):
    """A store of two generations, the second live."""
    store = tmp_path / "store"
    for built in (register, second):
        assert run("place", store, built.directory, "--keys", built.key_file)[0] == 0
    return store


def test_a_snapshot_is_placed_once_and_said_to_be_live(tmp_path, register):
    store = tmp_path / "store"
    words = ("place", store, register.directory, "--keys", register.key_file)
    assert run(*words) == (0, f"{store}: generation 1 is placed and live\n", "")
    again = f"{store}: generation 1 is live already and holds this snapshot; nothing was placed\n"
    assert run(*words) == (0, again, "")


def test_the_list_tells_of_each_generation_what_it_is(store, register, second):
    assert run("pin", store, "1") == (0, f"{store}: generation 1 is pinned\n", "")
    with (generation_path(store, 1) / INDEX_FILE).open("r+b") as file:
        file.write(b"\xff")
    code, out, _ = run("list", store)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    told = [
        (built.built.manifest, state) for built, state in ((register, "pinned, DAMAGED"), (second, "current, whole"))
    ]
    assert code == 0
    assert rows == [
        [str(number), one.snapshot_id, one.register_date, one.build_time, f"{one.file_size:,}", state]
        for number, (one, state) in enumerate(told, start=1)
    ]


def test_it_is_rolled_back_and_forth_pinned_and_pruned(store):
    assert run("rollback", store) == (0, f"{store}: generation 1 is live\n", "")
    assert run("rollback", store, "2") == (0, f"{store}: generation 2 is live\n", "")
    run("pin", store, "1")
    assert run("prune", store, "--keep", "1") == (0, f"{store}: removed none\n", "")
    assert run("unpin", store, "1") == (0, f"{store}: generation 1 is not pinned any more\n", "")
    assert run("prune", store, "--keep", "1") == (0, f"{store}: removed 1\n", "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rollback", "STORE", "9"], "has no generation 9; list the store"),
        (["pin", "STORE", "9"], "has no generation 9; list the store"),
        (["unpin", "STORE", "1"], "Generation 1 of the store STORE is not pinned"),
        (["list", "NOWHERE"], "There is no store of snapshots at NOWHERE"),
        (["rollback", "NOWHERE"], "There is no store of snapshots at NOWHERE"),
        (["prune", "NOWHERE", "--keep", "3"], "There is no store of snapshots at NOWHERE"),
        (["place", "STORE", "NOWHERE", "--keys", "KEY"], "There is no snapshot at NOWHERE"),
        (["place", "STORE", "STORE", "--keys", "KEY"], "has no manifest.json"),
        (["place", "STORE", "SNAPSHOT", "--keys", "OTHER"], "built under another key"),
        (["place", "STORE", "SNAPSHOT", "--keys", "NOWHERE"], "can't be read"),
        (["place", "KEY", "SNAPSHOT", "--keys", "KEY"], "can't be made a store"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(store, register, tmp_path, words, sentence):
    create_key_file(tmp_path / "other.key")
    places = {
        "STORE": store,
        "NOWHERE": tmp_path / "nowhere",
        "KEY": register.key_file,
        "OTHER": tmp_path / "other.key",
        "SNAPSHOT": register.directory,
    }
    code, out, error = run(*(places.get(word, word) for word in words))
    for word, place in places.items():
        sentence = sentence.replace(word, str(place))
    assert (code, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert current_number(store) == 2


@pytest.mark.parametrize("words", [["pin", "s", "0"], ["prune", "s"], ["prune", "s", "--keep", "0"], ["place", "s"]])
def test_what_is_no_command_is_said_with_exit_code_2(words):
    code, out, error = run(*words)
    assert (code, out) == (2, "")
    assert "Error:" in error


def test_a_store_that_is_locked_is_said_after_the_wait(store):
    with changing(store, 0):
        code, _, error = run("rollback", store, "--wait", "0")
    assert code == 2
    assert error.startswith("error: Another publisher has been changing the store")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["place", "list", "rollback", "pin", "unpin", "prune"])
def test_help_shows_how_each_command_is_used(command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"tools/publish_snapshot.py {command} store" in out


def test_nothing_personal_is_told(store, register):
    out = "".join(run(*words)[1] for words in (["list", store], ["rollback", store]))
    assert not [word for word in (ANN, FIRM, "Ann", "Vestergade") if word in out]
