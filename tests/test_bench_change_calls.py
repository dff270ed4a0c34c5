"""Changes through a server, on a country of 1,000 mailboxes: what the benchmark sends and sees, kills, the report."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from resolver_grpc.errors import ChangeLogError, ConfigurationError, MismatchedResponseError

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import change_calls
import change_kills
import change_loads
import change_log
import change_sights
from change_loads import Server
from change_mix import Persons, draw_changes
from loading import run_on_loop
from registrars import Office, apply_over, connected, encode_changes, exchange, sequences_of
from resolver_grpc.rows.cells import is_cpr
from resolver_grpc.v1 import decision_pb2
from resolver_grpc.v1.change_service_pb2 import ApplyChangesRequest
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse
from sites import find_site, opening
from syncs import append_pages, overwrite_pages
from vitals import workers_of

SIZE, SEED, COUNT = 1_000, 7, 60


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return find_site(SIZE, SEED, tmp_path_factory.mktemp("change-calls"), None, None)


@pytest.fixture(scope="module")
def sent(site):
    return change_calls.draw(site, COUNT, COUNT, SEED)


@pytest.fixture
def office(site, tmp_path):
    return Office.at(site, tmp_path)


def ids_of(message):
    return [change.change_id for change in ApplyChangesRequest.FromString(message).changes]


def test_the_persons_of_a_snapshot_are_those_whose_number_is_a_persons(site):
    with opening(site) as opened:
        index = opened.served.snapshot.index
        persons = Persons(index)
        assert list(persons) == [number for number in map(index.number, range(index.owners)) if is_cpr(number)]
        assert persons[:5] == list(persons)[:5]
        assert 0 < len(persons) < index.owners


def test_changes_are_cut_into_messages_in_their_order():
    changes = list(draw_changes(["0101601234"], 25, 1_793_534_400, SEED))
    messages = list(encode_changes(iter(changes), 10))
    assert [len(ids_of(message)) for message in messages] == [10, 10, 5]
    assert [one for message in messages for one in ids_of(message)] == [change.change_id for change in changes]


def test_nobody_is_looked_for_whom_others_change_meanwhile(sent):
    changed = {one.number for message in sent.beside for one in ApplyChangesRequest.FromString(message).changes}
    assert len(changed) == COUNT
    assert not changed & set(sent.seen)


def test_pages_are_overwritten_in_place_and_appended_at_the_end(tmp_path):
    path = tmp_path / "pages"
    assert overwrite_pages(path, 3) > 0
    size = path.stat().st_size
    assert overwrite_pages(path, 100) > 0
    assert path.stat().st_size == size
    assert append_pages(path, 3) > 0
    assert path.stat().st_size == size + 3 * 4_096


def test_each_message_of_a_stream_is_answered_in_order_and_one_that_is_refused_ends_it(office, sent):
    messages = [message for one in sent.ones[:7] for message in (one, one)]
    answers = []

    async def send(running, proof):
        async with connected(running, 1) as ((channel,),):
            await exchange(apply_over(channel, proof), iter(messages), 3, answers.append)
            with pytest.raises(ConfigurationError, match="INVALID_ARGUMENT"):
                await exchange(apply_over(channel, proof), iter([b"\xff"]), 3, answers.append)

    with office.taking(office.new_log()) as taking:
        run_on_loop(send(taking.running, taking.registrar))
    assert [list(sequences_of(answer)) for answer in answers] == [ids_of(message) for message in messages]
    assert answers[::2] == answers[1::2]


def test_each_worker_gets_a_connection_of_its_own(office, sent):
    """Once a worker is killed, the stream over its connection is the one that ends."""

    async def send(running, proof):
        async with connected(running, 1) as channels:
            streams = [apply_over(channel, proof) for (channel,) in channels]
            for stream in streams:
                await stream.write(sent.ones[0])
                assert sequences_of(await stream.read())
            os.kill(workers_of(running.pid)[0], signal.SIGKILL)
            assert await streams[0].code() is grpc.StatusCode.UNAVAILABLE
            await streams[1].write(sent.ones[1])
            assert list(sequences_of(await streams[1].read())) == ids_of(sent.ones[1])
            await streams[1].done_writing()

    with office.taking(office.new_log(), workers=2) as taking:
        run_on_loop(asyncio.wait_for(send(taking.running, taking.registrar), 60))


def test_an_answer_from_before_a_change_is_none_of_it():
    reason = decision_pb2.REASON_NOT_FOUND
    answer = ResolveBatchResponse(change_sequence=7, decisions=[decision_pb2.Decision(reason=reason)])
    told = answer.SerializeToString()
    assert change_sights._is_right(told, 7, reason)
    assert change_sights._is_right(told, 6, reason)
    assert not change_sights._is_right(told, 8, reason)
    assert not change_sights._is_right(told, 7, decision_pb2.REASON_DELIVERABLE)


def test_what_is_not_seen_ends_the_benchmark(office, sent, monkeypatch):
    """A decision that no worker ever gives is waited for, of two workers, alone and beside others' changes."""
    monkeypatch.setitem(change_sights._STEPS, "unsubscribed", decision_pb2.REASON_HELD_FOR_SENDER)
    with pytest.raises(MismatchedResponseError, match="4 answers"):
        list(change_sights.seen_at_once(office, sent.seen, (), 3, sent.instant))


def test_kills_lose_nothing(office, sent):
    fate = change_kills.kill_over_and_over(office, sent.numbers, sent.instant, 2)
    assert (fate.kills, fate.lost, len(fate.starts)) == (2, 0, 2)
    assert fate.kept >= fate.acknowledged


def test_what_is_not_in_the_log_is_lost(office, monkeypatch):
    def pretend(office, numbers, instant, kills):
        fate = change_kills.Fate(kills, starts=[1.0])
        life = change_kills._Log(office, iter(()), fate, random.Random(1))  # noqa: S311 - no secret
        life._told = {"never": 1}
        life.end()
        return fate

    monkeypatch.setattr(change_kills, "kill_over_and_over", pretend)
    with pytest.raises(ChangeLogError, match="1 changes of 1"):
        list(change_kills.outlived_kills(office, [], 0, 1))


def test_the_program_tells_each_figure_beside_its_target(site, tmp_path, monkeypatch):
    """Here without the servers of two workers, of which there are some where what is seen is measured."""
    monkeypatch.setattr(change_loads, "SERVERS", (Server(1), Server(1, guarded=True)))
    words = ["--mailboxes", SIZE, "--seed", SEED, "--snapshot", site.snapshot, "--keys", site.keys]
    words += [
        "--changes",
        COUNT,
        "--ones",
        5,
        "--sights",
        6,
        "--kills",
        1,
        "--rounds",
        1,
        "--out",
        tmp_path / "calls.md",
    ]
    done = CliRunner().invoke(change_calls.main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "calls.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    bulk = [row for row in rows if row[2:3] == ["20,000"]]
    assert [row[0] for row in bulk] == ["one worker", "one worker, guarded"]
    closed = [row for row in rows if row[-1] == "0.5"]
    assert [row[0] for row in closed] == [f"a change, {row[0]}" for row in bulk]
    seen = [row for row in rows if row[0] in {"nothing else", "another stream's messages of 100"}]
    assert seen[0][1:4] == ["6", "12", "0"]
    assert all(float(figure.replace(",", "").split()[0]) > 0 for row in [*bulk, *closed] for figure in row[1:3])
    assert any("killed by SIGKILL 1 times" in line for line in lines)


def test_the_log_alone_is_measured_killed_and_flipped(tmp_path):
    words = ["--changes", 300, "--rounds", 1, "--kills", 1, "--flips", 5, "--out", tmp_path / "log.md"]
    done = CliRunner().invoke(change_log.main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "log.md").read_text(encoding="utf-8")
    assert "times the" in text
    assert "0 of them lost" in text
    assert "0 read wrongly" in text
