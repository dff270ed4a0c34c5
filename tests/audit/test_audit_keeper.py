"""The keeper: it writes what it is sent in groups, says what became of each, and ends as its worker does.

It runs in the test's own process here, on what a worker has sent before: what comes next is then no matter of time.
"""

import json
import os
import socket

import pytest
from audit_nursery import KEYS, Clock, faults_of, numbers_in, record

from resolver_grpc.audit import keeper as keeper_module
from resolver_grpc.audit.chain import SECONDS_TO_A_CHECKPOINT, News
from resolver_grpc.audit.keeper import Keeper, keep
from resolver_grpc.audit.messages import (
    FAREWELL,
    LONGEST,
    Begun,
    Setup,
    Told,
    Wrote,
    decode_reply,
    encode_order,
    encode_record,
)
from resolver_grpc.audit.naming import list_chains


class Worker:
    """A worker's end of the socket, and the keeper that is at the other."""

    def __init__(self, folder):
        self.folder, self.clock = folder, Clock()
        self.asking, self.asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.folder.mkdir(exist_ok=True)

    def send(self, *numbers, **fields):
        self.asking.send(encode_order([encode_record(record(number, **fields)) for number in numbers]))

    def replies(self):
        """All that was replied since it was last asked for."""
        found = []
        while True:
            try:
                found.append(decode_reply(self.asking.recv(LONGEST, socket.MSG_DONTWAIT)))
            except BlockingIOError:
                return found

    def groups(self):
        return [(reply.records, reply.fault) for reply in self.replies() if isinstance(reply, Wrote)]

    def news(self):
        return [reply.news for reply in self.replies() if isinstance(reply, Told)]

    def keep(self):
        keep(Setup(self.folder, 1, [KEYS]), self.asked, self.clock)

    def last_line(self):
        (name,) = list_chains(self.folder)
        return json.loads((self.folder / name).read_bytes().splitlines()[-1])["type"]

    def close(self):
        self.asking.close()
        self.asked.close()


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "audit")
    yield worker
    worker.close()


@pytest.fixture
def turns(worker, monkeypatch):
    """The keeper of a worker, its turns taken by the test; where nothing has come, it waits no longer."""
    made = []

    class Kept(Keeper):
        def __init__(self, *words):
            super().__init__(*words)
            self.is_asked = False  # ``keep`` goes on to its end, and the test with what it made
            made.append(self)

    monkeypatch.setattr(keeper_module, "Keeper", Kept)
    monkeypatch.setattr(keeper_module, "SECONDS_BETWEEN_LOOKS", 0)
    worker.keep()
    made[0].is_asked = True
    return made[0]


def test_it_begins_a_chain_and_says_so(worker):
    worker.asking.send(FAREWELL)
    worker.keep()
    assert worker.replies()[0] == Begun("")
    assert len(list_chains(worker.folder)) == 1


def test_where_no_chain_can_be_begun_it_says_why_and_ends(worker):
    worker.folder.rmdir()
    worker.keep()
    assert worker.replies() == [Begun("No such file or directory")]


def test_what_it_says_of_former_files_comes_before_it_says_that_it_has_begun(worker):
    (worker.folder / "audit-20261101-1-120000000000.jsonl").write_text("{}\n", encoding="ascii")
    worker.asking.send(FAREWELL)
    worker.keep()
    told, begun, *_ = worker.replies()
    assert (told.news, told.file, begun) == (News.UNFIT, "audit-20261101-1-120000000000.jsonl", Begun(""))


def test_it_replies_once_the_records_are_synced(worker, turns, monkeypatch):
    worker.replies()
    sync, replies_at_sync = os.fdatasync, []

    def watched(file):
        replies_at_sync.append(worker.replies())
        sync(file)

    monkeypatch.setattr(os, "fdatasync", watched)
    worker.send(1)
    turns.take_turn()
    assert replies_at_sync == [[]]
    assert worker.groups() == [(1, "")]
    assert numbers_in(worker.folder) == [1]


def test_records_that_came_meanwhile_share_the_next_write_in_order(worker, turns):
    worker.send(0)
    turns.take_turn()
    worker.send(*range(1, 33))
    worker.send(*range(33, 65))
    turns.take_turn()
    assert worker.groups() == [(1, ""), (64, "")]
    (name,) = list_chains(worker.folder)
    lines = map(json.loads, (worker.folder / name).read_bytes().splitlines()[1:])
    assert [line["change_sequence"] for line in lines] == list(range(65))
    assert faults_of(worker.folder) == []


def test_what_cannot_be_written_is_told_with_the_systems_reason_and_tried_again(worker, turns):
    away = worker.folder.with_name("away")
    worker.send(1)
    turns.take_turn()
    worker.folder.rename(away)
    worker.send(2, 2)
    turns.take_turn()
    # Nothing comes any more: it looks by itself.
    turns.take_turn()
    away.rename(worker.folder)
    turns.take_turn()
    turns.take_turn()
    worker.send(3)
    turns.take_turn()
    fault = "No such file or directory"
    assert worker.groups() == [(1, ""), (2, fault), (0, fault), (0, ""), (1, "")]
    assert numbers_in(worker.folder) == [1, 3]
    assert faults_of(worker.folder) == []


def test_an_error_that_nobody_foresaw_leaves_nobody_without_a_reply(worker, turns):
    worker.send(1, counts={(99, 99): 1})
    turns.take_turn()
    turns.take_turn()
    worker.send(2)
    turns.take_turn()
    assert worker.groups() == [(1, "KeyError"), (0, ""), (1, "")]
    assert numbers_in(worker.folder) == [2]
    assert faults_of(worker.folder) == []


def test_a_quiet_audit_makes_its_checkpoint_all_the_same(worker, turns):
    worker.send(1)
    turns.take_turn()
    turns.take_turn()
    assert worker.news() == []
    worker.clock.now += SECONDS_TO_A_CHECKPOINT
    turns.take_turn()
    turns.take_turn()
    told, wrote = worker.replies()
    assert (told.news, wrote.records) == (News.CHECKPOINT, 0)
    assert faults_of(worker.folder) == []


def test_a_farewell_ends_the_chain_with_a_closing_line(worker):
    worker.send(1)
    worker.asking.send(FAREWELL)
    worker.keep()
    assert worker.last_line() == "close"
    assert worker.news() == [News.CHECKPOINT]
    assert numbers_in(worker.folder) == [1]


def test_without_a_farewell_there_is_no_closing_line(worker):
    """Its worker was killed: the chain is left as one that was killed with it."""
    worker.asking.shutdown(socket.SHUT_WR)
    worker.keep()
    assert worker.last_line() == "open"
    assert faults_of(worker.folder) == []


def test_a_worker_that_is_gone_does_no_harm_to_the_chain(worker, turns):
    """What it still sent is written with a checkpoint, of which nobody hears; nor of the write, which is the end."""
    worker.replies()
    worker.send(*range(100))
    worker.asking.close()
    worker.clock.now += SECONDS_TO_A_CHECKPOINT
    with pytest.raises(ConnectionError):
        turns.take_turn()
    assert numbers_in(worker.folder) == list(range(100))
    assert faults_of(worker.folder) == []


def test_a_message_that_is_cut_short_is_no_other_message(worker, turns):
    """The keeper ends, and whoever waits is refused."""
    worker.asking.send(encode_order([encode_record(record(1))])[:-1])
    with pytest.raises((EOFError, ValueError)):
        turns.take_turn()
    assert numbers_in(worker.folder) == []
