"""Syncing in a process of its own: what it says is what the disk says, and one that has ended is replaced."""

import asyncio
import errno
import os
import signal

import pytest

from resolver_grpc.audit import sync_program
from resolver_grpc.audit.syncing import Syncer


async def told(syncer, file):
    """The system's error number; 0 where the file is synced."""
    try:
        await syncer.sync(file)
    except OSError as error:
        return error.errno
    return 0


def on_loop(work):
    """Runs work with a syncer and a file, and has both closed."""

    async def run():
        syncer, (reading, writing) = Syncer(), os.pipe()
        file = os.open("/proc/self/exe", os.O_RDONLY)
        try:
            return await work(syncer, file, writing)
        finally:
            syncer.close()
            for one in (reading, writing, file):
                os.close(one)

    return asyncio.run(run())


def test_a_file_is_synced_again_and_again_and_stays_open():
    async def work(syncer, file, _pipe):
        results = [await told(syncer, file) for _ in range(3)]
        os.fstat(file)
        return results

    assert on_loop(work) == [0, 0, 0]


def test_what_can_not_be_synced_is_told_with_the_systems_reason():
    """No pipe lies on a disk; and the next file is none the worse for it."""

    async def work(syncer, file, pipe):
        return [await told(syncer, one) for one in (pipe, file, pipe)]

    assert on_loop(work) == [errno.EINVAL, 0, errno.EINVAL]


def test_a_process_that_was_killed_is_told_of_and_replaced():
    async def work(syncer, file, _pipe):
        first = await told(syncer, file)
        os.kill(syncer._process.pid, signal.SIGKILL)
        syncer._process.wait()
        return [first, await told(syncer, file), await told(syncer, file)]

    first, ended, after = on_loop(work)
    assert (first, after) == (0, 0)
    assert ended == errno.EPIPE


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_ones():
    async def work(syncer, file, pipe):
        left = asyncio.ensure_future(syncer.sync(pipe))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        return await told(syncer, file)

    assert on_loop(work) == 0


def test_closing_ends_the_process():
    async def work(syncer, file, _pipe):
        await syncer.sync(file)
        pid = syncer._process.pid
        syncer.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    on_loop(work)


def test_the_program_syncs_what_it_is_sent(monkeypatch, tmp_path):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)
    assert sync_program.sync(file) == 0
    assert synced == [file]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
