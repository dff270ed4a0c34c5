"""Peers answer as the index does, byte for byte, and leave neither process nor folder behind."""

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError, SnapshotError
from resolver_grpc.fastpath.machine import find_kernel
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.snapshot.store import open_snapshot

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import peers
import postgres_peer
import redis_peer
from contest import Contender, check_equal, measure_in_turn
from peer_index import KnownAnswers, SwappedIndex
from peer_site import Existing, prepare
from redis_dump import encode_length

MAILBOXES = 1_000
PEERS = {"plain way, Redis": redis_peer, "plain way, PostgreSQL": postgres_peer}
FAST = "fast way, LMDB"
WAYS = ["plain way, LMDB, as served", "plain way, LMDB", "plain way, front alone", *PEERS, FAST]
# Lengths of lists whose text takes one, two and five bytes to state its length, and keys that look like Redis' own.
LENGTHS = [1, 2, 3, 40, 4_000]
KNOWN = [b"\r\n$-1\r\n\r\n" + bytes((5, length % 251)) + b"\r\n$12" for length in LENGTHS]
ORDINALS = [[2**31 - 1 - 3 * place for place in reversed(range(length))] for length in LENGTHS]
UNKNOWN = [bytes(16), b"\xff" * 16, KNOWN[0][::-1]]
PAIRS = dict(zip(KNOWN, map(tuple, ORDINALS), strict=True))


@pytest.fixture
def temporary(monkeypatch, tmp_path_factory):
    """The place of all temporary folders but pytest's own; PostgreSQL's account may enter it too."""
    tmp_path_factory.getbasetemp()
    folder = Path(tempfile.mkdtemp(prefix="peers-test-"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def as_pairs(lists):
    keys = np.frombuffer(b"".join(key * len(ordinals) for key, ordinals in lists.items()), np.uint8).reshape(-1, 16)
    return HeldPairs(keys, np.array([one for ordinals in lists.values() for one in ordinals], np.uint32))


def skip_unless_installed(kind):
    if kind.why_not():
        pytest.skip(kind.why_not())


@pytest.fixture(scope="module", params=[redis_peer, postgres_peer], ids=["redis", "postgres"])
def peer(request):
    skip_unless_installed(request.param)
    with request.param.holding(as_pairs(PAIRS)) as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return prepare(MAILBOXES, 7, 1, Existing(), tmp_path_factory.mktemp("peers"))


def run(site, *words):
    existing = ["--snapshot", str(site.snapshot), "--keys", str(site.snapshot.parent / "index.key")]
    sizes = ["--mailboxes", str(MAILBOXES), "--seed", "7", "--messages", "1", "--rounds", "2"]
    return CliRunner().invoke(peers.main, [*sizes, *existing, *words])


def cells(text):
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if " way, " in line and line.startswith("|")]
    return {name: values for name, *values in rows}


@settings(max_examples=50, deadline=None)
@given(asked=st.lists(st.sampled_from(KNOWN + UNKNOWN) | st.binary(min_size=16, max_size=16), max_size=30))
def test_a_peer_finds_what_a_dictionary_finds(peer, asked):
    assert list(map(tuple, peer.lookup(asked))) == [PAIRS.get(key, ()) for key in asked]


def test_a_peer_finds_a_whole_batch_and_more(peer):
    asked = [*KNOWN[:-1], *UNKNOWN] * 1_000
    assert list(map(tuple, peer.lookup(asked))) == [PAIRS.get(key, ()) for key in asked]


@pytest.mark.parametrize("kind", [redis_peer, postgres_peer], ids=["redis", "postgres"])
def test_a_peer_ends_with_its_block_and_so_does_its_folder(kind, temporary):
    skip_unless_installed(kind)

    def interrupted():
        with kind.holding(as_pairs(PAIRS)) as running:
            os.kill(running.process, 0)
            assert list(temporary.iterdir())
            seen.append(running.process)
            raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)
    assert not list(temporary.iterdir())


def test_a_redis_that_ends_while_it_is_asked_is_told():
    skip_unless_installed(redis_peer)
    with redis_peer.holding(as_pairs(PAIRS)) as running:
        os.kill(running.process, 9)
        with pytest.raises(SnapshotError, match="Redis"):
            running.lookup(KNOWN)


def test_a_redis_that_does_not_start_is_told_with_its_last_word(temporary, tmp_path, monkeypatch):
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho Out of order\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ConfigurationError, match="Out of order"), redis_peer.holding(as_pairs(PAIRS)):
        pass
    assert not list(temporary.iterdir())


def test_the_table_has_every_contender_and_nothing_is_left(site, temporary, tmp_path):
    done = run(site, "--out", str(tmp_path / "peers.md"))
    assert done.exit_code == 0, done.output
    assert not list(temporary.iterdir())
    table = cells((tmp_path / "peers.md").read_text(encoding="utf-8"))
    assert set(table) == set(WAYS)
    assert table["plain way, LMDB"][4::2] == ["1.00", "1.00"]
    assert all((table[way][3] == "-") == bool(kind.why_not()) for way, kind in PEERS.items())
    assert table[FAST][5] == ("1.00" if find_kernel() else "-")


def test_what_is_not_installed_is_left_out_with_a_sentence(site, temporary, monkeypatch):
    monkeypatch.setattr(redis_peer.shutil, "which", lambda _program: None)
    monkeypatch.setattr(postgres_peer, "find_postgres", lambda: None)
    monkeypatch.setenv("RESOLVER_FASTPATH", "off")
    done = run(site)
    assert done.exit_code == 0, done.output
    table = cells(done.output)
    assert [way for way in WAYS if set(table[way]) == {"-"}] == [*PEERS, FAST]
    assert "Redis is not installed" in done.output
    assert "PostgreSQL is not installed" in done.output
    assert "RESOLVER_FASTPATH" in done.output


def test_a_snapshot_of_another_country_is_refused_in_one_line(site, temporary, monkeypatch):
    monkeypatch.setattr(peers, "_KINDS_OF_PEER", ())
    done = run(site, "--seed", "8")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "--seed" in done.stderr


def test_a_peer_that_answers_otherwise_is_refused_in_one_line(site, temporary, monkeypatch):
    class Forgetful:
        NAME = "Forgetful"

        @staticmethod
        def why_not():
            return ""

        @staticmethod
        @contextmanager
        def holding(_pairs):
            yield peers.Peer("Forgetful", lambda keys: [()] * len(keys), 0, "Knows nobody.")

    monkeypatch.setattr(peers, "_KINDS_OF_PEER", (Forgetful,))
    done = run(site)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "Forgetful" in done.stderr
    assert "microseconds" not in done.output


def test_a_message_takes_one_lookup_and_answers_as_the_server_does(site):
    asked = []
    with ExitStack() as ends:
        served = peers._open(site, ends)

        def lookup(keys):
            asked.append(len(keys))
            return served.snapshot.index.find(keys)

        contender = peers._plain(served, site, "A", lookup)
        (message,) = site.messages
        assert contender.answer(message) == served.plain.answer(message, peers._instant(served))
    assert asked == [1_000]
    assert contender.index.seconds > 0


def test_a_snapshot_needs_its_key(site):
    done = CliRunner().invoke(peers.main, ["--snapshot", str(site.snapshot)])
    assert done.exit_code == 2
    assert "--keys" in done.stderr


def test_tables_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="builder"):
        prepare(MAILBOXES, 7, 1, Existing(tables=tmp_path), tmp_path)


def test_contenders_are_held_to_the_first_of_them():
    first, equal, other = (
        Contender(name, answer) for name, answer in zip("ABC", (bytes.upper, bytes.upper, bytes.lower), strict=True)
    )
    assert check_equal([first, equal], [b"a", b"b"]) == [b"A", b"B"]
    with pytest.raises(MismatchedResponseError, match="C answers message 1 otherwise than A"):
        check_equal([first, equal, other], [b"1", b"b"])


def test_contenders_are_measured_in_turn():
    calls = []

    def calling(name):
        return Contender(name, lambda message: calls.append(name + message.decode()) or b"")

    taken = measure_in_turn([calling("A"), calling("B")], [b"1", b"2"], queries=2, rounds=3)
    assert calls == ["A1", "A2", "B1", "B2"] * 3
    assert list(taken) == ["A", "B"]
    assert all(one.wall > 0 and one.lookup == one.other == 0 for one in taken.values())


def test_a_process_is_charged_for_its_work():
    """The process beside this one is here this one: both clocks show the same work."""
    contender = Contender("A", lambda message: bytes(sum(range(200_000)) % 2) + message, process=os.getpid())
    (taken,) = measure_in_turn([contender], [b"1"], queries=1, rounds=2).values()
    assert taken.other == pytest.approx(taken.own, rel=0.2)


def test_only_the_lookup_is_swapped_and_its_time_is_kept(register, tmp_path):
    # A copy: LMDB opens a file once in a process, and another test's server may have it open.
    directory, key = shutil.copytree(register.directory, tmp_path / "snapshot"), register.key
    index = open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION).index
    swapped = SwappedIndex(index, lambda keys: [(7,) for _ in keys])
    assert swapped.find([bytes(16)] * 2) == [(7,), (7,)]
    assert swapped.seconds > 0
    assert swapped.owners == index.owners
    assert swapped.number(0) == index.number(0)
    swapped.close()
    assert index.find([bytes(16)]) == [()]
    index.close()


def test_known_answers_are_asked_for_once():
    asked = []
    known = KnownAnswers(lambda keys: asked.append(keys) or [(len(asked),)] * len(keys))
    assert [known([b"a"]), known([b"b"]), known([b"a"])] == [[(1,)], [(2,)], [(1,)]]


@pytest.mark.parametrize(
    ("length", "encoded"), [(0, "00"), (63, "3f"), (64, "4040"), (16_383, "7fff"), (16_384, "8000004000")]
)
def test_lengths_are_those_of_redis_dumps(length, encoded):
    assert encode_length(length).hex() == encoded
