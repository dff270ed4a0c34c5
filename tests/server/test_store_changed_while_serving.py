"""Programs that compact, erase and trim beside a server: nothing acknowledged is lost, nobody erased is reached."""

import subprocess
import sys
from itertools import count

import pytest
from access_nursery import outcome
from change_nursery import Clock, fresh_id
from change_rows import ANN, ASKED, BO, IDA, Rows
from change_store import ChangingStore, Export

from change_messages import message
from nursery import tool
from resolver_grpc.key_file import create_key_file
from resolver_grpc.model import Kind, QueryRow, Reason
from resolver_grpc.snapshot.generations import generation_numbers
from resolver_grpc.times import danish_day
from resolver_grpc.v1 import change_service_pb2 as wire
from small_register import NOON

ERASING = [["erase_owners", "{store}", "{log}", "--keys", "{keys}", "--erased", "{folder}/erased.list"]]
COMPACTING = [
    ["compact_snapshot", "{store}", "{log}", "--keys", "{keys}", "--out", "{folder}/compacted"],
    ["publish_snapshot", "place", "{store}", "{folder}/compacted", "--keys", "{keys}"],
    ["publish_snapshot", "prune", "{store}", "--keep", "1"],
    ["trim_changes", "{store}", "{log}", "--keys", "{keys}"],
]
AT_MOST = 4_000


@pytest.fixture
def store(tmp_path):
    key = create_key_file(tmp_path / "index.key")
    store = ChangingStore(tmp_path, key, Clock(NOON))
    store.serve(store.build(Export(Rows().tables(), 0, danish_day(NOON))))
    store.start()
    yield store
    store.stop()


class Serving:
    """Changes and questions, again and again: mailboxes are opened, and everybody is asked for."""

    def __init__(self, store):
        self.store, self.numbers, self.opened, self.erased = store, count(1), [], set()

    def erase(self, number):
        request = wire.EraseOwnerRequest(number=number, change_id=fresh_id())
        call = self.store.registrar.changes.EraseOwner
        assert outcome(lambda: call(request, metadata=self.store.registrar.registrar)) == ("OK", "")
        self.erased.add(number)

    def go_on(self):
        """Takes a change, and asks."""
        self.opened.append(f"010190{next(self.numbers):04}")
        self.store.registrar.took(message("mailbox_opened", self.opened[-1], change_id=fresh_id()))
        self.ask()

    def ask(self):
        """Whoever opened a mailbox is reached, at once and for good, and nobody who was erased."""
        asked = [*ASKED, *(QueryRow("", Kind.CPR, number=number) for number in self.opened)]
        decisions = self.store.registrar.resolve(*asked, sender_id="town").decisions
        found = [{target.number for target in decision.targets} for decision in decisions]
        assert not self.erased & set().union(*found)
        assert found[len(ASKED) :] == [{number} for number in self.opened]
        assert {Reason(decision.reason) for decision in decisions} <= {Reason.DELIVERABLE, Reason.NOT_FOUND}


def beside(serving, commands):
    """Runs programs one after the other while the server goes on; tells how often it answered meanwhile."""
    store, turns = serving.store, 0
    places = {"store": store.path, "log": store.folder / "log", "folder": store.folder}
    for words in commands:
        program, *rest = (word.format(keys=store.folder / "index.key", **places) for word in words)
        with subprocess.Popen([sys.executable, tool(program), *rest], stdout=subprocess.DEVNULL) as running:
            while running.poll() is None:
                serving.go_on()
                turns += 1
            assert running.wait() == 0
    return turns


@pytest.mark.parametrize("commands", [ERASING, COMPACTING], ids=["erasing", "compacting"])
def test_beside_a_running_server_nothing_acknowledged_is_lost_and_nobody_erased_is_reached(store, commands):
    """One was erased before the programs begin, another one while they run; the server swaps, and is started anew."""
    serving = Serving(store)
    serving.erase(ANN)
    for _ in range(3):
        serving.go_on()
    former = store.registrar.resolve().snapshot_id
    assert beside(serving, commands[:1]) > 0
    serving.erase(IDA)
    beside(serving, commands[1:])
    for _ in range(AT_MOST):
        serving.ask()
        if store.registrar.resolve().snapshot_id != former:
            break
    assert store.registrar.resolve().snapshot_id != former
    assert generation_numbers(store.path) == [2]
    assert store.log.first_sequence() > 1
    serving.go_on()
    store.stop()
    store.start()
    serving.go_on()
    assert store.registrar.ask(QueryRow("", Kind.CPR, number=BO), "town") == ("DELIVERABLE", [BO])
