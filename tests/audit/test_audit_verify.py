"""Whatever is done to a sound folder is found, and a sound one passes."""

import json
import random
import shutil

import pytest
from audit_nursery import DAY, KEYRING, KEYS, NOON, Clock, chain, crash, faults_of, numbers_in, record
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.audit import verify
from resolver_grpc.audit.naming import End, chain_of_head, head_name, list_chains, list_heads
from resolver_grpc.audit.sealing import NO_SEAL, seal_line
from resolver_grpc.audit.verify import Listener, verify_folder


def write_folder(folder, seed):
    """An audit of two workers over three days with restarts, some of which came after a kill; two chains are left open.

    Returns:
        The numbers of the records.
    """
    dice = random.Random(seed)  # noqa: S311 - a choice of test data
    clock, written = Clock(), []
    chains = {worker: chain(folder, worker, clock) for worker in (1, 2)}
    for _ in range(dice.randrange(8, 25)):
        worker = dice.choice([1, 2])
        records = [record(len(written) + more) for more in range(dice.choice([1, 1, 2, 5]))]
        chains[worker].append(records)
        written += [one.change_sequence for one in records]
        clock.now += dice.choice([1, 1, 90, DAY / 2])
        if dice.random() < 0.25:
            (chains[worker].close if dice.random() < 0.5 else lambda worker=worker: crash(chains[worker]))()
            chains[worker] = chain(folder, worker, clock)
    for one in chains.values():
        # So that each file holds a record, and each harm to one matters.
        one.append([record(len(written))])
        written.append(len(written))
    chains[1].close()
    crash(chains[2])
    return written


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return [(folder, write_folder(folder, seed)) for seed in range(4) for folder in [tmp_path_factory.mktemp("audit")]]


def test_a_sound_folder_passes(folders):
    for folder, written in folders:
        assert faults_of(folder) == []
        assert numbers_in(folder) == written


def test_it_may_be_verified_while_it_is_written(tmp_path):
    one = chain(tmp_path)
    for number in range(5):
        one.append([record(number)])
        assert faults_of(tmp_path) == []


@pytest.mark.parametrize("listing", ["list_chains", "list_heads"])
def test_it_may_be_verified_while_a_file_is_begun(tmp_path, monkeypatch, listing):
    """Right after either listing of the folder."""
    one, listed = chain(tmp_path), getattr(verify, listing)
    one.append([record(1)])

    def list_and_begin(folder):
        names = listed(folder)
        chain(tmp_path, worker=2).append([record(2)])
        return names

    monkeypatch.setattr(verify, listing, list_and_begin)
    assert faults_of(tmp_path) == []


def test_it_may_be_verified_while_a_file_is_not_yet_under_its_name(tmp_path):
    """Its head is empty when the verifier comes to it, and states its first line when it comes back."""
    one = chain(tmp_path)
    one.append([record(1)])
    (tmp_path / "begun").mkdir()
    chain(tmp_path / "begun", worker=2)
    (begun,) = (tmp_path / "begun").glob("*.head")
    head = tmp_path / begun.name
    head.touch()
    listener = Listener(advance=lambda _bytes: head.write_bytes(begun.read_bytes()))
    assert verify_folder(tmp_path, KEYRING, listener=listener).faults == []


def change_a_byte(dice, folder):
    path = dice.choice(sorted(folder.iterdir()))
    text = bytearray(path.read_bytes())
    place = dice.randrange(len(text))
    text[place] = dice.choice([byte for byte in range(256) if byte != text[place]])
    path.write_bytes(text)


def change_a_field(dice, folder):
    """As somebody would who can write JSON: a count, a sender, the seal's letters in upper case."""
    path = folder / dice.choice(list_chains(folder))
    lines = path.read_bytes().splitlines(keepends=True)
    number = dice.randrange(len(lines))
    body = json.loads(lines[number])
    field = dice.choice(sorted(body))
    body[field] = body[field].upper() + "A" if isinstance(body[field], str) else 99
    lines[number] = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(lines))


def drop_lines(dice, folder):
    path = folder / dice.choice(list_chains(folder))
    lines = path.read_bytes().splitlines(keepends=True)
    first = dice.randrange(len(lines))
    del lines[first : first + dice.choice([1, 1, 2, 5])]
    path.write_bytes(b"".join(lines))


def cut_off(dice, folder):
    path = dice.choice(sorted(folder.iterdir()))
    text = path.read_bytes()
    path.write_bytes(text[: dice.randrange(len(text))])


def cut_off_whole_lines(dice, folder):
    path = folder / dice.choice(list_chains(folder))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: dice.randrange(len(lines))]))


def swap_lines(dice, folder):
    path = folder / dice.choice(list_chains(folder))
    lines = path.read_bytes().splitlines(keepends=True)
    one, other = dice.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(lines))


def add_a_line(dice, folder):
    """One of any file, once more, anywhere; also at the end."""
    path = folder / dice.choice(list_chains(folder))
    line = dice.choice((folder / dice.choice(list_chains(folder))).read_bytes().splitlines(keepends=True))
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1), line)
    path.write_bytes(b"".join(lines))


def add_a_line_under_another_key(dice, folder):
    path = folder / dice.choice(list_chains(folder))
    former = json.loads(path.read_bytes().splitlines()[-1])
    body = {"type": "batch", "sequence": former["sequence"] + 1, "counts": {}}
    path.write_bytes(path.read_bytes() + seal_line(b"guessed", bytes.fromhex(former["seal"]), body)[0])


def remove_a_file(dice, folder):
    dice.choice(sorted(folder.iterdir())).unlink()


def rename_a_file(dice, folder):
    path = folder / dice.choice(list_chains(folder))
    path.rename(folder / "audit-20261101-7-130000000000.jsonl")


def copy_a_file(dice, folder):
    """With its head, under a name of the same pattern."""
    name, copy = dice.choice(list_chains(folder)), "audit-20261101-7-130000000000.jsonl"
    shutil.copy(folder / name, folder / copy)
    shutil.copy(folder / head_name(name), folder / head_name(copy))


def swap_files(dice, folder):
    one, other = (folder / name for name in dice.sample(list_chains(folder), 2))
    texts = one.read_bytes(), other.read_bytes()
    other.write_bytes(texts[0])
    one.write_bytes(texts[1])


def empty_the_head(dice, folder):
    (folder / dice.choice(list_heads(folder))).write_bytes(b"")


HARMS = [
    change_a_byte,
    change_a_field,
    drop_lines,
    cut_off,
    cut_off_whole_lines,
    swap_lines,
    add_a_line,
    add_a_line_under_another_key,
    remove_a_file,
    rename_a_file,
    copy_a_file,
    swap_files,
    empty_the_head,
]


@pytest.mark.parametrize("harm", HARMS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_single_harm_is_found(folders, tmp_path_factory, harm, data):
    sound, _ = data.draw(st.sampled_from(folders))
    dice = data.draw(st.randoms(use_true_random=False))
    folder = tmp_path_factory.mktemp("harmed") / "audit"
    shutil.copytree(sound, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    harm(dice, folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    if before != after:
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert faults_of(folder), changed
    shutil.rmtree(folder)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def written_in_two_parts(folder):
    """A folder, and what it held before the last of its records."""
    one = chain(folder)
    one.append([record(1)])
    earlier = files_of(folder)
    told = []
    one._tell = lambda *news: told.append(news)
    one.append([record(2)])
    one.append([])
    crash(one)
    return earlier, [end for _, end in told]


def test_a_folder_put_back_to_an_earlier_state_is_found_by_a_checkpoint_kept_elsewhere_alone(tmp_path):
    """The limit of what a folder can tell about itself: file and head together were right once."""
    earlier, checkpoints = written_in_two_parts(tmp_path)
    assert faults_of(tmp_path, checkpoints) == []
    for name, text in earlier.items():
        (tmp_path / name).write_bytes(text)
    assert faults_of(tmp_path) == []
    assert "cut off" in faults_of(tmp_path, checkpoints)[0].what


def test_a_file_and_its_head_put_back_together_are_found_by_the_file_that_goes_on_from_them(tmp_path):
    former = chain(tmp_path)
    former.append([record(1)])
    earlier = {path: path.read_bytes() for path in tmp_path.iterdir()}
    former.append([record(2)])
    former.close()
    chain(tmp_path, clock=Clock(NOON + 60)).close()
    assert faults_of(tmp_path) == []
    for path, content in earlier.items():
        path.write_bytes(content)
    faults = faults_of(tmp_path)
    assert [(fault.file, fault.what[:19]) for fault in faults] == [(min(list_chains(tmp_path)), "was cut off: audit-")]


def test_a_folder_that_was_emptied_is_found_by_a_checkpoint_kept_elsewhere(tmp_path):
    _, checkpoints = written_in_two_parts(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.unlink()
    assert faults_of(tmp_path) == []
    assert "is gone" in faults_of(tmp_path, checkpoints)[0].what


def test_a_checkpoint_of_another_line_is_a_fault(tmp_path):
    _, (checkpoint,) = written_in_two_parts(tmp_path)
    assert faults_of(tmp_path, [End(checkpoint.file, checkpoint.sequence, "0" * 32)])[0].line == checkpoint.sequence + 1


def test_files_of_days_that_need_not_be_kept_may_be_gone(tmp_path):
    clock = Clock()
    one = chain(tmp_path, clock=clock)
    for _ in range(3):
        one.append([record()])
        clock.now += DAY
    one.close()
    for name in list_chains(tmp_path)[:1]:
        (tmp_path / name).unlink()
        (tmp_path / head_name(name)).unlink()
    assert "is gone" in faults_of(tmp_path)[0].what
    assert faults_of(tmp_path, kept_from="2026-11-02") == []


def test_a_head_of_a_file_that_was_never_begun_is_no_fault(tmp_path):
    """A process that is killed while it begins a file leaves such a head, empty or of the first line."""
    chain(tmp_path).close()
    (tmp_path / "audit-20261101-7-130000000000.head").write_bytes(b"")
    name = "audit-20261101-7-140000000000.head"
    body = {"type": "head", "file": chain_of_head(name), "sequence": 0, "line_seal": "0" * 32}
    (tmp_path / name).write_bytes(seal_line(KEYS.lines, NO_SEAL, body)[0])
    assert faults_of(tmp_path) == []


def test_lines_without_end_take_no_memory(tmp_path):
    one = chain(tmp_path)
    one.append([record()])
    one.close()
    (name,) = list_chains(tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b"x" * 3_000_000)
    assert len(verify_folder(tmp_path, KEYRING).faults) == 3_000_000 // 65_536 + 1


def test_what_holds_is_still_told_beside_what_does_not(tmp_path):
    one = chain(tmp_path)
    for number in range(5):
        one.append([record(number)])
    one.close()
    (name,) = list_chains(tmp_path)
    lines = (tmp_path / name).read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"power", b"tower")
    (tmp_path / name).write_bytes(b"".join(lines))
    assert numbers_in(tmp_path) == [0, 1, 3, 4]
    assert [(fault.file, fault.line) for fault in faults_of(tmp_path)] == [(name, 4)]


@given(st.lists(st.binary(max_size=200), max_size=5), st.sampled_from([".jsonl", ".head"]))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_without_a_crash_and_believed_never(tmp_path_factory, lines, suffix):
    folder = tmp_path_factory.mktemp("any")
    (folder / f"audit-20261101-1-120000000000{suffix}").write_bytes(b"\n".join(lines) + b"x")
    assert faults_of(folder)
    chain(folder, clock=Clock(NOON + 60)).close()
    shutil.rmtree(folder)


def test_a_file_under_another_name_is_told_by_its_first_line(tmp_path):
    one = chain(tmp_path)
    one.append([record()])
    one.close()
    (name,) = list_chains(tmp_path)
    other = "audit-20261101-7-130000000000.jsonl"
    (tmp_path / name).rename(tmp_path / other)
    assert (other, 1) in [(fault.file, fault.line) for fault in faults_of(tmp_path)]
