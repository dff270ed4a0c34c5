"""Group commit: who waits for what, and what becomes of those who wait when nothing can be written."""

import asyncio
import gc

import pytest
from audit_nursery import Clock, chain, faults_of, numbers_in, record

from resolver_grpc.audit import writer as writer_module
from resolver_grpc.audit.chain import SECONDS_TO_A_CHECKPOINT, News
from resolver_grpc.audit.writer import AuditWriter
from resolver_grpc.errors import AuditError


class Gate:
    """Lets a writer's syncs through once it is open, and tells how many records each was for."""

    def __init__(self, chain, writer):
        self.groups = []
        self.open = asyncio.Event()
        self._begin, self._sync = chain.begin, writer._syncer.sync
        chain.begin, writer._syncer.sync = self.begin, self.sync

    def begin(self, records):
        self.groups.append(len(records))
        return self._begin(records)

    async def sync(self, file):
        await self.open.wait()
        await self._sync(file)


async def turn(times=5):
    """Lets everything run that can."""
    for _ in range(times):
        await asyncio.sleep(0)


def test_nobody_is_told_before_the_record_is_synced(tmp_path):
    async def run():
        one = chain(tmp_path)
        writer = AuditWriter(one, lambda _fault: None)
        gate = Gate(one, writer)
        written = writer.write(record(1))
        await turn(50)
        assert gate.groups == [1]
        assert not written.done()
        gate.open.set()
        await written
        await writer.close()

    asyncio.run(run())
    assert numbers_in(tmp_path) == [1]


def test_batches_that_end_meanwhile_share_the_next_write(tmp_path):
    async def run():
        one = chain(tmp_path)
        writer = AuditWriter(one, lambda _fault: None)
        gate = Gate(one, writer)
        first = writer.write(record(0))
        await turn()
        others = [writer.write(record(number)) for number in range(1, 65)]
        await turn()
        gate.open.set()
        await asyncio.gather(first, *others)
        await writer.close()
        return gate.groups

    assert asyncio.run(run()) == [1, 64]
    assert numbers_in(tmp_path) == list(range(65))
    assert faults_of(tmp_path) == []


def test_a_write_waits_a_little_for_batches_that_were_under_way_with_its_own(tmp_path):
    """Also where the first of them was written meanwhile: the third comes before the second is written."""

    async def run():
        one = chain(tmp_path)
        writer = AuditWriter(one, lambda _fault: None)
        gate = Gate(one, writer)
        gate.open.set()
        taken_up = [writer.check() for _ in range(3)]
        await writer.write(record(0), taken_up[0])
        second = writer.write(record(1), taken_up[1])
        # A write that didn't wait would have taken it along by then.
        await turn()
        await asyncio.gather(second, writer.write(record(2), taken_up[2]))
        await writer.close()
        return gate.groups

    assert asyncio.run(run()) == [1, 2]


def test_one_who_asks_for_one_batch_after_the_other_never_waits_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "SECONDS_TO_GATHER", 3600)

    async def run():
        writer = AuditWriter(chain(tmp_path), lambda _fault: None)
        async with asyncio.timeout(30):
            for number in range(3):
                await writer.write(record(number), writer.check())
            await writer.close()

    asyncio.run(run())
    assert numbers_in(tmp_path) == [0, 1, 2]


def test_a_caller_that_has_gone_keeps_nobody_waiting(tmp_path):
    async def run():
        one = chain(tmp_path)
        writer = AuditWriter(one, lambda _fault: None)
        gate = Gate(one, writer)
        calls = [writer.write(record(number)) for number in range(3)]
        await turn()
        calls[1].cancel()
        gate.open.set()
        told = await asyncio.gather(*calls, return_exceptions=True)
        await writer.close()
        return told

    told = asyncio.run(run())
    assert [type(one) for one in told] == [type(None), asyncio.CancelledError, type(None)]
    assert numbers_in(tmp_path) == [0, 1, 2]


def test_what_cannot_be_written_is_refused_until_it_can_be(tmp_path):
    folder = tmp_path / "audit"
    folder.mkdir()
    faults = []

    async def run():
        writer = AuditWriter(chain(folder), faults.append)
        await writer.write(record(1))
        writer.check()
        folder.rename(tmp_path / "away")
        told = await asyncio.gather(*(writer.write(record(2)) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in told] == [AuditError] * 3
        assert str(tmp_path) not in str(told[0])
        assert not writer.is_well
        with pytest.raises(AuditError):
            writer.check()
        await writer.check_up()
        assert not writer.is_well
        (tmp_path / "away").rename(folder)
        await writer.check_up()
        assert writer.is_well
        writer.check()
        await writer.write(record(3))
        await writer.close()

    asyncio.run(run())
    assert faults == ["No such file or directory", ""]
    assert numbers_in(folder) == [1, 3]
    assert faults_of(folder) == []


def test_an_error_that_nobody_foresaw_leaves_nobody_waiting(tmp_path):
    faults = []

    async def run():
        writer = AuditWriter(chain(tmp_path), faults.append)
        with pytest.raises(AuditError):
            await writer.write(record(counts={(99, 99): 1}))
        await writer.check_up()
        await writer.write(record(1))
        await writer.close()

    asyncio.run(run())
    assert faults == ["KeyError", ""]
    assert numbers_in(tmp_path) == [1]
    assert faults_of(tmp_path) == []


def test_a_quiet_audit_makes_its_checkpoint_all_the_same(tmp_path):
    clock, told = Clock(), []

    async def run():
        writer = AuditWriter(chain(tmp_path, clock=clock, told=told), lambda _fault: None)
        await writer.write(record(1))
        await writer.check_up()
        assert told == []
        clock.now += SECONDS_TO_A_CHECKPOINT
        await writer.check_up()
        await writer.check_up()
        assert [news for news, _ in told] == [News.CHECKPOINT]
        await writer.close()

    asyncio.run(run())
    assert faults_of(tmp_path) == []


def test_a_failure_that_nobody_waited_for_is_no_news_for_the_log(tmp_path):
    """Whoever asked for the batch may have gone by then; asyncio would write a traceback of its own."""
    folder, told = tmp_path / "audit", []
    folder.mkdir()

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
        writer = AuditWriter(chain(folder), lambda _fault: None)
        folder.rename(tmp_path / "away")
        left = writer.write(record(1))
        await asyncio.wait([left])
        del left
        gc.collect()
        await writer.close()

    asyncio.run(run())
    assert told == []


def test_a_record_that_comes_while_a_checkpoint_is_synced_is_written_after_it(tmp_path):
    """Two writes at once would go on from the same line."""
    clock = Clock()

    async def run():
        one = chain(tmp_path, clock=clock)
        writer = AuditWriter(one, lambda _fault: None)
        await writer.write(record(1))
        clock.now += SECONDS_TO_A_CHECKPOINT
        gate = Gate(one, writer)
        checking = asyncio.ensure_future(writer.check_up())
        await turn()
        written = writer.write(record(2))
        await turn()
        assert gate.groups == [0]
        gate.open.set()
        await asyncio.gather(checking, written)
        await writer.close()

    asyncio.run(run())
    assert numbers_in(tmp_path) == [1, 2]
    assert faults_of(tmp_path) == []
