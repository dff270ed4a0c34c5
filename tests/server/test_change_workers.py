"""Changes with several processes: each sees at once what any of them acknowledged, and none that dies loses any."""

import os
import random
import signal
import threading
from contextlib import ExitStack, suppress

import grpc
import pytest
from access_nursery import write_access
from change_nursery import Registrar, fresh_id, new_log, unchanged
from worker_nursery import serve_command, supervised

from change_messages import message
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.v1 import change_service_pb2 as wire
from small_register import ANN, BO, IDA, SENDERS

CHANNELS = 24
BY_NUMBER = QueryRow("", Kind.CPR, number=ANN)


@pytest.fixture
def folder(tmp_path):
    register = unchanged(tmp_path)
    new_log(tmp_path / "log", register.key)
    (tmp_path / "senders.toml").write_text("".join(map(_toml, SENDERS)), encoding="utf-8")
    write_access(tmp_path)
    return tmp_path


def _toml(sender):
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in sender.items()]
    return "\n".join(["[[senders]]", *lines, "", ""])


def command(folder, *options):
    return serve_command(folder, "--changes", folder / "log", "--access", folder / "access.toml", *options)


def sent(name, number, by=0, **fields):
    change = message(name, number, "2026-10-31T12:00:00Z", fresh_id(), **fields)
    change.effective_time.seconds += by
    return change


def test_every_worker_sees_at_once_what_any_of_them_acknowledged(folder):
    """Over so many connections that each worker has some: mailboxes are opened and closed in turn."""
    server = command(folder, "--workers", "2", "--listen", "127.0.0.1:0")
    with supervised(server) as running, ExitStack() as stack:
        registrars = [Registrar(running.address) for _ in range(CHANNELS)]
        for registrar in registrars:
            stack.enter_context(registrar.channel)
        for turn, registrar in enumerate(registrars):
            event = ("opted_out", "opt_out_cancelled")[turn % 2]
            sequences = registrar.took(sent(event, BO, turn, sender_id="power"), sent("logged_in", ANN, turn))
            seen = [other.resolve(BY_NUMBER).change_sequence for other in registrars]
            assert seen == [sequences[-1]] * CHANNELS
        assert len(running.workers()) == 2
        assert running.end() == 0


def test_two_workers_never_take_what_contradicts_each_other(folder):
    """One notice is given; whoever cancels it first does, and all others are refused."""
    server = command(folder, "--workers", "2", "--listen", "127.0.0.1:0")
    with supervised(server) as running, ExitStack() as stack:
        registrars = [Registrar(running.address) for _ in range(CHANNELS)]
        for registrar in registrars:
            stack.enter_context(registrar.channel)
        for _ in range(5):
            registrars[0].took(sent("opted_out", BO, 60, sender_id="town"))
            outcomes = []

            def cancel(registrar, outcomes=outcomes):
                outcomes.extend(registrar.apply(sent("opt_out_cancelled", BO, 120, sender_id="town")))

            threads = [threading.Thread(target=cancel, args=(registrar,)) for registrar in registrars]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(bool(one.sequence) for one in outcomes) == [False] * (CHANNELS - 1) + [True]
        assert running.end() == 0


def bulk(registrar, change_ids, told):
    """Sends changes in bulk until the server is gone, or all were sent; notes what each acknowledged one got."""

    def requests():
        for first in range(0, len(change_ids), 20):
            changes = [message("logged_in", IDA, "2026-10-31T12:00:00Z", one) for one in change_ids[first:][:20]]
            yield wire.ApplyChangesRequest(changes=changes)

    with suppress(grpc.RpcError):
        for response in registrar.changes.ApplyChanges(requests(), metadata=registrar.registrar):
            told.update((outcome.change_id, outcome.sequence) for outcome in response.outcomes)


def sequences_in(registrar, first=1):
    """The sequence of each change that the log holds."""
    held, wanted = {}, registrar.resolve().change_sequence
    request = wire.WatchChangesRequest(from_sequence=first)
    for response in registrar.changes.WatchChanges(request, metadata=registrar.registrar):
        held |= {one.change.change_id: one.sequence for one in response.changes}
        if response.next_sequence > wanted:
            return held
    raise AssertionError("the server ended the watch")


def live_through_kills(folder, kills, seed):
    """Kills a server in the middle of bulk changes again and again; tells how many it had acknowledged."""
    draw, told = random.Random(seed), {}  # noqa: S311 - when to kill is no secret
    change_ids = [f"bulk-{number}" for number in range(100 * kills)]
    for turn in range(kills):
        with supervised(command(folder, "--listen", "127.0.0.1:0")) as server:
            registrar = Registrar(server.address)
            with registrar.channel:
                held = sequences_in(registrar)
                assert {change_id: held[change_id] for change_id in told} == told
                assert sorted(held.values()) == list(range(1, len(held) + 1))
                killing = threading.Timer(draw.uniform(0.01, 0.3), os.kill, (server.process.pid, signal.SIGKILL))
                killing.start()
                # What was not acknowledged is sent again, and some of what was.
                rest = [one for one in change_ids if one not in told]
                again = draw.sample(sorted(told), min(5, len(told)))
                bulk(registrar, [*again, *rest[: 100 * (turn + 1)]], told)
                killing.join()
    return told


def test_of_a_server_that_is_killed_in_the_middle_of_bulk_changes_nothing_acknowledged_is_lost(folder):
    told = live_through_kills(folder, 3, seed=1)
    assert told
    with ChangeLog(folder / "log", read_key_ring(folder / "index.key")) as log:
        assert log.last_sequence() >= max(told.values())


@pytest.mark.large
@pytest.mark.timeout(3_600)
def test_of_hundreds_of_kills_none_loses_anything(folder):
    told = live_through_kills(folder, 200, seed=2)
    print(f"200 kills, {len(told)} changes acknowledged, none lost")  # noqa: T201 - what a long run came to


def test_a_worker_that_is_killed_loses_nothing_and_the_other_goes_on(folder):
    with supervised(command(folder, "--workers", "2", "--listen", "127.0.0.1:0")) as server, ExitStack() as stack:
        registrars = [Registrar(server.address) for _ in range(8)]
        for registrar in registrars:
            stack.enter_context(registrar.channel)
        told = [{} for _ in registrars]
        sending = [
            threading.Thread(target=bulk, args=(one, [f"{number}-{at}" for at in range(400)], mine))
            for number, (one, mine) in enumerate(zip(registrars, told, strict=True))
        ]
        for thread in sending:
            thread.start()
        os.kill(server.workers()[0], signal.SIGKILL)
        for thread in sending:
            thread.join()
        server.wait_for("worker serving")
        fresh = Registrar(server.address)
        stack.enter_context(fresh.channel)
        held = sequences_in(fresh)
        for mine in told:
            assert {change_id: held[change_id] for change_id in mine} == mine
        assert sum(map(len, told)) > 0
        assert server.end() == 0
