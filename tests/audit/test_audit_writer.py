"""A worker's side of its audit: who waits for what, and what becomes of those who wait when nothing can be written.

A keeper that is stopped (SIGSTOP) is one whose disk hangs: nothing is written until the test lets it go on.
"""

import asyncio
import errno
import gc
import json
import os
import signal
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from audit_nursery import KEYS, Heard, faults_of, numbers_in, record

from resolver_grpc.audit import keeper_process, writer
from resolver_grpc.audit.chain import News
from resolver_grpc.audit.naming import list_chains
from resolver_grpc.audit.writer import AuditWriter
from resolver_grpc.errors import AuditError
from scratch_files import family


class Kept:
    """A writer, what it told, and its keeper, which the test may halt and kill."""

    def __init__(self, folder):
        self.heard = Heard()
        self.writer = AuditWriter(folder, [KEYS], 1, self.heard.audience)

    @property
    def process(self):
        return self.writer._keeper._process

    def halt(self):
        """Once this returns the keeper does nothing any more."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()

    async def write(self, *numbers):
        """What came of records that are written at once; None for each that is on the disk."""
        return await asyncio.gather(
            *(self.writer.write(partial(record, one)) for one in numbers), return_exceptions=True
        )


@asynccontextmanager
async def kept(folder):
    """A writer of a folder, which is made, and closed in the end."""
    folder.mkdir(exist_ok=True)
    one = Kept(folder)
    try:
        async with asyncio.timeout(60):
            yield one
            await one.writer.close()
    except BaseException:
        # A halted keeper would never hear that its worker is gone.
        one.kill()
        raise


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "audit"


def on_loop(work, folder):
    """Runs work with a writer of a folder; gives what it gives."""

    async def run():
        async with kept(folder) as one:
            return await work(one)

    return asyncio.run(run())


async def turn(times=20):
    """Lets everything run that can."""
    for _ in range(times):
        await asyncio.sleep(0)


def first_lines(folder):
    return [json.loads((folder / name).read_bytes().splitlines()[0]) for name in list_chains(folder)]


def last_line(folder):
    return json.loads((folder / list_chains(folder)[-1]).read_bytes().splitlines()[-1])


def test_nobody_is_told_before_the_keeper_says_that_the_record_is_synced(folder):
    async def work(one):
        one.halt()
        written = one.writer.write(partial(record, 1))
        await turn()
        assert not written.done()
        assert numbers_in(folder) == []
        one.go_on()
        await written
        assert numbers_in(folder) == [1]

    on_loop(work, folder)


def test_batches_that_end_meanwhile_share_the_next_write(folder):
    async def work(one):
        taken_up = one.writer.check()
        await one.write(0)
        one.halt()
        calls = [one.writer.write(partial(record, number), taken_up) for number in range(1, 65)]
        one.go_on()
        await asyncio.gather(*calls)
        return one.heard.groups

    assert on_loop(work, folder) == [(1, True), (64, True)]
    assert numbers_in(folder) == list(range(65))
    assert faults_of(folder) == []


def test_a_record_is_made_later_while_others_are_written_or_were_since_its_batch_was_taken_up(folder):
    made = []

    def make(number):
        made.append(number)
        return record(number)

    async def work(one):
        taken_up = one.writer.check()
        first = one.writer.write(partial(make, 0), taken_up)
        second = one.writer.write(partial(make, 1), taken_up)
        assert made == [0]
        await asyncio.gather(first, second)
        third = one.writer.write(partial(make, 2), taken_up)
        assert made == [0, 1]
        await third
        fourth = one.writer.write(partial(make, 3), one.writer.check())
        assert made == [0, 1, 2, 3]
        await fourth

    on_loop(work, folder)
    assert numbers_in(folder) == [0, 1, 2, 3]


def test_one_who_asks_for_one_batch_after_the_other_never_waits_for_others(folder, monkeypatch):
    monkeypatch.setattr(writer, "SECONDS_TO_GATHER", 3600)

    async def work(one):
        for number in range(3):
            await one.writer.write(partial(record, number), one.writer.check())

    on_loop(work, folder)
    assert numbers_in(folder) == [0, 1, 2]


def test_what_was_gathered_is_written_before_the_end_and_refused_without_a_keeper(folder, monkeypatch):
    monkeypatch.setattr(writer, "SECONDS_TO_GATHER", 3600)

    async def work(one):
        one.halt()
        calls = [one.writer.write(partial(record, number)) for number in range(3)]
        one.kill()
        assert {type(told) for told in await asyncio.gather(*calls, return_exceptions=True)} == {AuditError}
        assert one.heard.groups == [(3, False)]
        await one.heard.is_well.wait()
        calls = [one.writer.write(partial(record, number)) for number in range(3, 6)]
        await one.writer.close()
        await asyncio.gather(*calls)

    on_loop(work, folder)
    assert numbers_in(folder) == [3, 4, 5]


def test_a_caller_that_has_gone_keeps_nobody_waiting(folder):
    async def work(one):
        one.halt()
        calls = [one.writer.write(partial(record, number)) for number in range(3)]
        calls[1].cancel()
        one.go_on()
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(one) for one in on_loop(work, folder)] == [type(None), asyncio.CancelledError, type(None)]
    assert numbers_in(folder) == [0, 1, 2]


def test_more_than_the_socket_holds_is_kept_and_written_in_order(folder):
    """The event loop is not held up by a disk that hangs."""

    async def work(one):
        one.halt()
        calls = [one.writer.write(partial(record, number)) for number in range(4000)]
        one.writer._send()
        assert one.writer._keeper._unsent
        one.go_on()
        await asyncio.gather(*calls)
        assert not one.writer._keeper._unsent

    on_loop(work, folder)
    (name,) = list_chains(folder)
    lines = map(json.loads, (folder / name).read_bytes().splitlines())
    assert [line["change_sequence"] for line in lines if line["type"] == "batch"] == list(range(4000))
    assert faults_of(folder) == []


def test_what_cannot_be_written_is_refused_until_it_can_be(folder):
    away = folder.with_name("away")

    async def work(one):
        assert await one.write(1) == [None]
        one.writer.check()
        folder.rename(away)
        told = await one.write(2, 2, 2)
        assert [type(one) for one in told] == [AuditError] * 3
        assert str(folder) not in str(told[0])
        assert not one.writer.is_well
        with pytest.raises(AuditError):
            one.writer.check()
        away.rename(folder)
        await one.heard.is_well.wait()
        assert one.writer.is_well
        one.writer.check()
        assert await one.write(3) == [None]
        return one.heard.faults

    assert on_loop(work, folder) == ["No such file or directory", ""]
    assert numbers_in(folder) == [1, 3]
    assert faults_of(folder) == []


def test_a_record_that_is_none_is_refused_by_itself(folder):
    """Whoever asked is not told of a batch that can't be recorded; nobody else's record is taken for it."""

    async def work(one):
        calls = [
            one.writer.write(make) for make in (partial(record, 1), partial(record, sender_id=object()), int, *good)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    good = (partial(record, 2), partial(record, 3))
    told = [type(one) for one in on_loop(work, folder)]
    assert told == [type(None), ValueError, AttributeError, type(None), type(None)]
    assert numbers_in(folder) == [1, 2, 3]


def test_a_failure_that_nobody_waited_for_is_no_news_for_the_log(folder):
    """Whoever asked for the batch may have gone by then; asyncio would write a traceback of its own."""
    told = []

    async def work(one):
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
        folder.rename(folder.with_name("away"))
        left = one.writer.write(partial(record, 1))
        await asyncio.wait([left])
        del left
        gc.collect()

    on_loop(work, folder)
    assert told == []


def test_a_keeper_that_is_killed_takes_nobodys_record_for_written_and_is_replaced(folder):
    """The next one goes on from where it was."""

    async def work(one):
        assert await one.write(1) == [None]
        one.halt()
        calls = [one.writer.write(partial(record, number)) for number in range(2, 500)]
        one.kill()
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(one) for one in told} == {AuditError}
        with pytest.raises(AuditError):
            one.writer.check()
        # One that passed the check before.
        assert [type(one) for one in await one.write(501)] == [AuditError]
        await one.heard.is_well.wait()
        one.writer.check()
        assert await one.write(502, 503) == [None, None]
        return one.heard.faults, one.heard.groups[1]

    assert on_loop(work, folder) == (["the process that writes it has ended", ""], (498, False))
    assert numbers_in(folder) == [1, 502, 503]
    assert faults_of(folder) == []
    former, latter = first_lines(folder)
    assert [end[:2] for end in latter["continues"]] == [[former["file"], 1]]
    assert last_line(folder)["type"] == "close"


def test_whatever_was_acknowledged_is_there_however_often_the_keeper_is_killed(folder, monkeypatch):
    """Callers go on writing all the while; each tries again once it can be."""
    monkeypatch.setattr(writer, "SECONDS_BETWEEN_STARTS", 0)
    acknowledged, kills = [], 4

    async def call(one, number):
        while len(acknowledged) < 40 * (kills + 1):
            await one.heard.is_well.wait()
            number += 100
            if await one.write(number) == [None]:
                acknowledged.append(number)
                one.heard.noted.set()

    async def work(one):
        calls = [asyncio.create_task(call(one, number)) for number in range(8)]
        for kill in range(1, kills + 1):
            await one.heard.until(lambda kill=kill: len(acknowledged) >= 40 * kill)
            one.kill()
            one.heard.is_well.clear()
            await one.heard.is_well.wait()
        await asyncio.gather(*calls)

    on_loop(work, folder)
    written = numbers_in(folder)
    assert not set(acknowledged) - set(written)
    assert len(set(written)) == len(written)
    assert len(list_chains(folder)) == kills + 1
    assert faults_of(folder) == []


def test_a_keeper_that_can_not_begin_is_replaced_until_one_can(folder, monkeypatch):
    monkeypatch.setattr(writer, "SECONDS_BETWEEN_STARTS", 0)
    away = folder.with_name("away")

    async def work(one):
        folder.rename(away)
        one.kill()
        await one.heard.until(lambda: "No such file or directory" in one.heard.faults)
        away.rename(folder)
        await one.heard.is_well.wait()
        assert await one.write(1) == [None]
        return one.heard.faults

    assert on_loop(work, folder) == ["the process that writes it has ended", "No such file or directory", ""]
    assert faults_of(folder) == []


def test_no_more_than_one_keeper_a_second_is_started_and_none_while_the_former_lives(folder, monkeypatch):
    started = []

    def start():
        started.append("one")
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    async def work(one):
        monkeypatch.setattr(one.writer, "_start", start)
        one.writer._started = -writer.SECONDS_BETWEEN_STARTS
        one.writer._replace()
        assert started == []
        one.kill()
        one.process.wait()
        one.writer._started = one.writer._loop.time() + 3600
        one.writer._replace()
        assert started == []
        one.writer._started = -writer.SECONDS_BETWEEN_STARTS
        one.writer._replace()
        assert started == ["one"]
        assert one.heard.faults == ["Resource temporarily unavailable"]

    on_loop(work, folder)


def test_a_folder_that_can_not_be_written_is_one_line_and_leaves_no_process(folder):
    async def run():
        with pytest.raises(AuditError, match=r"audit: the audit can't be written there \(No such file or directory\);"):
            Kept(folder)
        assert list(family(os.getpid())) == before

    before = list(family(os.getpid()))
    asyncio.run(run())


def test_a_keeper_that_dies_before_it_has_begun_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(keeper_process, "_WORDS", ("/bin/false",))

    async def run():
        with pytest.raises(AuditError, match=r"\(the process that writes it has ended\)"):
            Kept(folder)

    asyncio.run(run())


def test_a_program_that_can_not_be_started_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(keeper_process, "_WORDS", ("/nowhere/python",))

    async def run():
        with pytest.raises(AuditError, match=r"\(No such file or directory\)"):
            Kept(folder)

    asyncio.run(run())


def test_closing_writes_what_was_begun_and_the_closing_line(folder):
    async def run():
        one = Kept(folder)
        calls = [one.writer.write(partial(record, number)) for number in range(600)]
        await one.writer.close()
        assert all(call.done() and not call.exception() for call in calls)
        assert one.process.returncode is not None
        return one.heard

    folder.mkdir()
    heard = asyncio.run(run())
    assert numbers_in(folder) == list(range(600))
    assert last_line(folder)["type"] == "close"
    assert [news for news, _ in heard.news] == [News.CHECKPOINT]
    assert heard.news[0][1].seal == last_line(folder)["seal"]
    # That it ended is no news where it was told to.
    assert heard.faults == []


def test_a_disk_that_hangs_holds_no_drain_for_ever(folder, monkeypatch):
    monkeypatch.setattr(writer, "SECONDS_TO_CLOSE", 0)

    async def run():
        one = Kept(folder)
        one.halt()
        left = one.writer.write(partial(record, 1))
        await one.writer.close()
        assert isinstance(left.exception(), AuditError)
        assert one.process.returncode == -signal.SIGKILL

    folder.mkdir()
    asyncio.run(run())
    assert numbers_in(folder) == []
    assert faults_of(folder) == []


def test_closing_while_there_is_no_keeper_waits_for_none(folder):
    async def run():
        one = Kept(folder)
        one.kill()
        await one.heard.until(lambda: one.heard.faults)
        await one.writer.close()
        assert len(list_chains(folder)) == 1

    folder.mkdir()
    asyncio.run(run())


def test_a_keeper_outlives_signals_that_are_meant_for_its_worker(folder):
    """Ctrl-C, and the end of a service: the worker drains first."""

    async def work(one):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(one.process.pid, number)
        assert await one.write(1) == [None]
        assert os.getsid(one.process.pid) == one.process.pid

    on_loop(work, folder)


def test_a_keeper_has_no_files_but_its_own_and_no_secret_that_others_could_read(folder):
    async def work(one):
        process = Path(f"/proc/{one.process.pid}")
        opened = sorted(str(entry.readlink()) for entry in (process / "fd").iterdir())
        told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        return opened, told

    opened, told = on_loop(work, folder)
    (name,) = list_chains(folder)
    stem = str(folder / name.removesuffix(".jsonl"))
    assert [one for one in opened if not one.startswith("socket:")] == ["/dev/null", "/dev/null"] + [
        stem + suffix for suffix in (".head", ".jsonl")
    ]
    assert len(opened) == 5
    secrets = {
        form(secret) for secret in (KEYS.lines, KEYS.shipments) for form in (bytes, lambda one: one.hex().encode())
    }
    assert not [secret for secret in secrets if secret in told]
