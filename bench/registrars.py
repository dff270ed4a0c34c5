"""Servers that take changes, and callers that send them: bytes out, bytes in.

What belongs here: starting such a server on a log of its own, connections to each of its workers, and streams of
messages with so many under way. A client must stay cheap beside the server that it measures: what a response says is
looked into afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import grpc

from callers import read_proof, write_access
from guards import Guards, make_guards
from loops import Call, Channel, connect, open_channel
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.v1.change_pb2 import Change
from resolver_grpc.v1.change_service_pb2 import ApplyChangesRequest, ApplyChangesResponse
from serving import Running, Site, serving
from vitals import workers_of

APPLY = "/resolver_grpc.v1.ChangeService/ApplyChanges"
_REGISTRAR, _DELIVERY = "registrar", "delivery"
_MOST_CONNECTIONS = 64
_ESTABLISHED = "01"
_LOCAL, _STATE, _INODE = 1, 3, 9
"""Places in a row of ``/proc/net/tcp``."""

Proof = tuple[tuple[str, str], ...]


class Taking(NamedTuple):
    """A server that takes changes.

    Attributes:
        running: the server.
        registrar: what a caller shows that sends changes.
        delivery: what a caller shows that resolves.
    """

    running: Running
    registrar: Proof
    delivery: Proof


@dataclass(frozen=True, slots=True)
class Office:
    """What servers that take changes are started from.

    Attributes:
        site: what they serve.
        folder: where their logs lie, and what their callers are known by.
        access: the file of these callers.
        guards: what guarded ones are guarded with, whose one caller sends changes; one of them at a time.
    """

    site: Site
    folder: Path
    access: Path
    guards: Guards
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def at(cls, site: Site, folder: Path) -> Office:
        """Sets one up in a folder."""
        guarded = folder / "guarded"
        guarded.mkdir(0o700)
        access = write_access(folder, {name: name for name in (_REGISTRAR, _DELIVERY)})
        return cls(site, folder, access, make_guards(guarded, registrar=True))

    def new_log(self) -> Path:
        """Makes an empty log."""
        path = self.folder / f"changes-{next(self._numbers)}"
        ChangeLog(path, read_key_ring(self.site.keys)).close()
        return path

    @contextmanager
    def taking(self, log: Path, *, workers: int = 1, guarded: bool = False) -> Iterator[Taking]:
        """Starts a server on a log, and ends it when the block ends."""
        options = ("--changes", str(log), "--workers", str(workers))
        if guarded:
            with serving(self.site, options, self.guards) as running:
                yield Taking(running, (), ())
        else:
            with serving(self.site, (*options, "--access", str(self.access))) as running:
                yield Taking(running, *(read_proof(self.folder, name) for name in (_REGISTRAR, _DELIVERY)))


def encode_changes(changes: Iterator[Change], size: int) -> Iterator[bytes]:
    """Encodes changes as request messages of so many each; the last may have fewer."""
    while some := list(itertools.islice(changes, size)):
        yield ApplyChangesRequest(changes=some).SerializeToString()


def sequences_of(response: bytes) -> dict[str, int]:
    """The sequence of each change that a response tells of, by its id; 0 of one that is refused."""
    return {one.change_id: one.sequence for one in ApplyChangesResponse.FromString(response).outcomes}


@asynccontextmanager
async def connected(running: Running, count: int) -> AsyncIterator[list[list[Channel]]]:
    """Connects to a server until each of its workers has so many connections, or more; gives those of each.

    Raises:
        ConfigurationError: nobody answers, or the kernel gives one of them too few.
    """
    workers = workers_of(running.pid)
    found: dict[int, list[Channel]] = {worker: [] for worker in workers}
    async with AsyncExitStack() as ends:
        for _ in range(_MOST_CONNECTIONS):
            before = [_connections_of(worker, running.address) for worker in workers]
            channel = await ends.enter_async_context(open_channel(running.address, running.credentials))
            await connect([channel], running.address)
            for worker, former in zip(workers, before, strict=True):
                if _connections_of(worker, running.address) > former:
                    found[worker].append(channel)
            if all(len(each) >= count for each in found.values()):
                break
        else:
            raise ConfigurationError(f"no {count} of {_MOST_CONNECTIONS} connections led to one worker; try again")
        yield [each[:count] for each in found.values()]


def _connections_of(pid: int, address: str) -> int:
    """How many connections of a port a process holds; the kernel alone knows which worker got one."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path("/proc/net", name).read_text().splitlines()]
    ours = {f"socket:[{row[_INODE]}]" for row in rows if row[_LOCAL].endswith(port) and row[_STATE] == _ESTABLISHED}
    return sum(_link(path) in ours for path in Path("/proc", str(pid), "fd").iterdir())


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return ""


async def exchange(call: Call, messages: Iterator[bytes], in_flight: int, answered: Callable[[bytes], object]) -> None:
    """Sends messages over a stream, so many under way at any time, and ends it.

    Args:
        call: the stream.
        messages: what to send.
        in_flight: how many are under way.
        answered: is given each response as it comes.

    Raises:
        ConfigurationError: the stream ended before all were answered.
    """
    try:
        under_way = 0
        for message in itertools.islice(messages, in_flight):
            await call.write(message)
            under_way += 1
        while under_way:
            response = await call.read()
            if response is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs lack it
                break
            answered(response)
            under_way -= 1
            for message in itertools.islice(messages, 1):
                await call.write(message)
                under_way += 1
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        under_way = 1
    if under_way:
        code = (await call.code()).name
        raise ConfigurationError(f"the server ended a stream of changes ({code}); its log says why")


def apply_over(channel: Channel, proof: Proof) -> Call:
    """Opens a stream of changes."""
    return channel.stream_stream(APPLY)(metadata=proof)
