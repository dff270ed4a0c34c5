"""The intake of changes, where another worker writes between a few changes' judging and their writing."""

import asyncio

import pytest

from change_messages import message
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.changes.reasons import ChangeReason
from resolver_grpc.keys import KeyRing
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.intake import Intake
from resolver_grpc.server.judging import Draft, Refused, read_sent
from resolver_grpc.server.served import open_served
from small_register import BO, KNOWN_SENDERS, NOON, build_register


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    return build_register(tmp_path_factory.mktemp("intake"), change_sequence=0)


@pytest.fixture
def served(register, tmp_path):
    with ChangeLog(tmp_path / "log", KeyRing(register.key)) as log:
        served = open_served(register.directory, register.key, KNOWN_SENDERS, None, log=log)
        yield log, served
        served.close()


def taken_meanwhile(log, served, sent, others):
    """What becomes of a change that was judged before others were written, by somebody who had the log locked."""

    async def take():
        intake = Intake(log, InService(served), lambda _error: None)
        drafted = Draft(served.overlaid)
        entries = [drafted.judge(one) for one in others]
        with log.group() as group:
            answer = await intake.send([sent])
            for _ in range(100):
                # It is judged, and waits for the lock.
                await asyncio.sleep(0)
            assert not answer.done()
            for entry in entries:
                assert isinstance(entry, Entry)
                group.write(entry)
        (outcome,) = await answer
        await intake.close()
        return outcome

    return asyncio.run(take())


def sent(name, change_id, **fields):
    return read_sent(message(name, BO, "2026-11-01T10:00:00Z", change_id, **fields), NOON)


def test_the_same_change_sent_to_two_workers_at_once_is_written_once(served):
    log, one = served
    same = sent("logged_in", "c-1")
    assert taken_meanwhile(log, one, same, [same]) == 1
    assert log.last_sequence() == 1


def test_a_change_is_judged_beside_what_another_worker_wrote_meanwhile(served):
    """A notice that was taken back meanwhile can't be taken back again."""
    log, one = served
    log.append([Draft(one.overlaid).judge(sent("opted_out", "c-1"))])
    one.overlaid.replay()
    cancelled = sent("opt_out_cancelled", "c-2")
    outcome = taken_meanwhile(log, one, cancelled, [sent("opt_out_cancelled", "c-3")])
    assert outcome == Refused(ChangeReason.NO_OPT_OUT, "opt_out_cancelled.sender_id")


def test_a_change_that_is_not_taken_leaves_the_log_as_it_was(served):
    log, one = served
    outcome = taken_meanwhile(log, one, sent("opt_out_cancelled", "c-1"), [])
    assert outcome == Refused(ChangeReason.NO_OPT_OUT, "opt_out_cancelled.sender_id")
    assert log.last_sequence() == 0
