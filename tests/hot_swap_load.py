"""Load that never pauses while the server swaps, and what each answer is to say."""

from __future__ import annotations

import threading
import time

import grpc

from hot_swap_store import SENDER, TELLING_QUERIES, decisions_of
from resolver_grpc.model import QueryRow
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query

ROUNDS_IN_A_BATCH = 10
IN_FLIGHT = 4
DEADLINE_SECONDS = 30


def on_wire(row):
    return Query(**{name: getattr(row, name) for name in QueryRow.__slots__})


def request(kind=wire.ResolveBatchRequest, rounds=ROUNDS_IN_A_BATCH):
    return kind(sender_id=SENDER.id, queries=[on_wire(row) for row in TELLING_QUERIES] * rounds)


def told(response):
    """The snapshot that a response names, and what it decides."""
    decisions = tuple(
        (one.route, one.reason, one.field, tuple((to.number, to.forwarding_address) for to in one.targets))
        for one in response.decisions
    )
    return response.snapshot_id, decisions


def expected_of(variants):
    """What every batch is to say, by snapshot: the brute force's own words."""
    return {
        snapshot_id: tuple(
            (one.route, one.reason, one.field, tuple((to.number, to.forwarding_address) for to in one.targets))
            for one in decisions_of(variant)
        )
        * ROUNDS_IN_A_BATCH
        for variant, snapshot_id in enumerate(variants.ids)
    }


def poll(look, description):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited in vain for {description}"
    return seen


class Stream:
    """A stream that never pauses, read in a thread of its own until the block ends."""

    def __init__(self, stub):
        self.responses, self.fault = [], None
        self._stub = stub
        self._room = threading.Semaphore(IN_FLIGHT)
        self._news = threading.Condition()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _requests(self):
        message = request(wire.ResolveStreamRequest)
        while not self._enough.is_set():
            self._room.acquire()
            yield message

    def _answers(self):
        for response in self._stub.ResolveStream(self._requests()):
            yield response
            self._room.release()

    def _run(self):
        try:
            for response in self._answers():
                with self._news:
                    self.responses.append(told(response))
                    self._news.notify_all()
        except grpc.RpcError as error:
            self.fault = error

    def wait_for(self, snapshot_id):
        """Waits until a batch is answered from a snapshot."""
        with self._news:
            is_there = self._news.wait_for(
                lambda: self.responses and self.responses[-1][0] == snapshot_id, DEADLINE_SECONDS
            )
        assert is_there, self.fault

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._enough.set()
        self._room.release()
        self._thread.join()


class Calls(Stream):
    """The same with calls of one batch, one after another."""

    def _answers(self):
        while not self._enough.is_set():
            yield self._stub.ResolveBatch(request())
