#!/usr/bin/env python3
"""Attacks on a server, each in a process of its own, so that what it costs the attacker is not measured with others.

What belongs here: what hostile clients do, by hand (``frames``), and what the server told them. What it costs the
server and others is ``hostile``'s.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    Connection,
    Frame,
    call_headers,
    frame,
    header,
    message,
)

MADE, CLOSED, REFUSED = "connections made", "connections ended", "calls refused"
_MIB = 2**20
_SECONDS_TO_REST = 0.01
_WATCH = "/grpc.health.v1.Health/Watch"


@dataclass(frozen=True, slots=True)
class Attack:
    """What some connections do.

    Attributes:
        connections: how many there are at a time.
        noise: what each says first, as it is.
        streams: how many calls each opens.
        method: of which.
        offer: what each call goes on sending, as far as the server takes it.
        again: whether a connection that has said all is given up for another.
        is_known: whether its calls show a token that the server takes.
    """

    connections: int
    noise: bytes = b""
    streams: int = 0
    method: str = "ResolveStream"
    offer: bytes = b""
    again: bool = False
    is_known: bool = True


def _resets(count: int) -> bytes:
    opened = call_headers("ResolveStream")
    return b"".join(
        frame(HEADERS, END_HEADERS, stream, opened) + frame(RST_STREAM, 0, stream, bytes(4))
        for stream in range(1, 2 * count, 2)
    )


def attacks(batch: bytes) -> dict[str, Attack]:
    """Every attack by its name.

    Args:
        batch: a request of some queries, for those that ask anything.
    """
    endless = frame(HEADERS, 0, 1, call_headers("ResolveStream"))
    endless += frame(CONTINUATION, 0, 1, header("x-a", "b" * 1_000)) * 5_000
    half = message(bytes(8 * _MIB - 99), stated=8 * _MIB - 9)
    return {
        "2,000 connections without a call": Attack(2_000),
        "10,000 idle streams, 100 connections": Attack(100, streams=100),
        "10,000 idle streams, one connection": Attack(1, streams=10_000),
        "10,000 idle streams of strangers": Attack(100, streams=100, is_known=False),
        "10,000 watchers of the health": Attack(100, streams=100, method=_WATCH),
        "400 messages of 8 MiB, unfinished": Attack(4, streams=100, method="GetServerInfo", offer=half),
        "500 streams, answers not taken": Attack(5, streams=100, offer=message(batch) * 40),
        "a flood of batches": Attack(4, streams=4, offer=message(batch) * 4_000),
        "streams reset at once": Attack(4, noise=_resets(2_000), again=True),
        "pings": Attack(4, noise=frame(PING, 0, 0, bytes(8)) * 20_000, again=True),
        "headers without end": Attack(4, noise=endless, again=True),
        "noise": Attack(4, noise=os.urandom(_MIB), again=True),
    }


@dataclass(slots=True)
class _Hostile:
    """A connection, and what it has still to send on each of its streams."""

    connection: Connection
    left: dict[int, memoryview] = field(default_factory=dict)

    @classmethod
    def begin(cls, attack: Attack, address: str, token: str) -> _Hostile:
        made, proof = cls(Connection.to(address)), [("authorization", f"Bearer {token}")] if attack.is_known else []
        made.connection.put(attack.noise)
        for stream in range(1, 2 * attack.streams, 2):
            made.connection.call(stream, attack.method, *proof)
            if attack.offer:
                made.left[stream] = memoryview(attack.offer)
        return made

    def go_on(self) -> bool:
        """Reads, and sends what may be sent; tells whether anything was."""
        moved = self.connection.read()
        for stream, left in list(self.left.items()):
            rest = self.connection.send(stream, left)
            moved |= len(rest) < len(left)
            self.left[stream] = rest
        return moved and not self.connection.is_closed

    def tell(self, told: Counter[str]) -> None:
        """Counts what the server said to it, and forgets it."""
        told[REFUSED] += len({one.stream for one in self.connection.frames if _ends_a_call(one)})
        self.connection.frames.clear()


def _ends_a_call(one: Frame) -> bool:
    return one.kind == RST_STREAM or (one.kind == HEADERS and bool(one.flags & END_STREAM))


def carry_out(attack: Attack, address: str, seconds: float, token: str = "") -> Counter[str]:
    """Attacks for some seconds, and tells what the server did about it; calls show a token."""
    told: Counter[str] = Counter()
    held: list[_Hostile] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(held) < attack.connections:
            held.append(_Hostile.begin(attack, address, token))
            told[MADE] += 1
        elif not any([one.go_on() for one in held]):  # noqa: C419 - every one is to go on
            time.sleep(_SECONDS_TO_REST)
        for one in [one for one in held if attack.again or one.connection.is_closed]:
            one.tell(told)
            told[CLOSED] += one.connection.is_closed
            one.connection.close()
            held.remove(one)
    for one in held:
        one.tell(told)
        one.connection.close()
    return told


def main(name: str, address: str, seconds: str, batch: str, token: str) -> None:
    """Carries out an attack by its name; says what came of it in JSON."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(carry_out(attacks(Path(batch).read_bytes())[name], address, float(seconds), token)))


if __name__ == "__main__":
    main(*sys.argv[1:])
