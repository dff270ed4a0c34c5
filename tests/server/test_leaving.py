"""A process lets the clients of its port go: no new connection, and those that there are live on."""

import asyncio
import socket

import pytest

from resolver_grpc.server.leaving import count_connections, see_clients_off, stop_listening

LONG, SHORT = 60, 0.01


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def connected(listener):
    """A connection's two ends: this process's as a server, and its client's."""
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        yield server, client


def port_of(listener):
    return listener.getsockname()[1]


def test_nobody_connects_any_more_and_who_is_connected_is_still_answered(listener, connected):
    server, client = connected
    with socket.create_server(("127.0.0.1", 0)) as other:
        stop_listening(port_of(listener))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.getsockname())
        server.sendall(b"answer")
        assert client.recv(6) == b"answer"
        with socket.create_connection(other.getsockname()):
            assert count_connections(port_of(listener)) == 1


def test_the_last_client_that_goes_ends_the_waiting(listener, connected):
    server, _ = connected

    async def play():
        waiting = asyncio.create_task(see_clients_off(port_of(listener), asyncio.Event(), LONG))
        await asyncio.sleep(0)
        assert not waiting.done()
        server.close()
        await waiting

    asyncio.run(play())
    assert count_connections(port_of(listener)) == 0


@pytest.mark.parametrize(("is_told", "seconds"), [(True, LONG), (False, SHORT)])
def test_a_client_that_stays_is_waited_for_until_the_word_to_stop_or_so_long(listener, connected, is_told, seconds):
    async def play():
        stop = asyncio.Event()
        waiting = asyncio.create_task(see_clients_off(port_of(listener), stop, seconds))
        await asyncio.sleep(0)
        if is_told:
            stop.set()
        await waiting

    asyncio.run(play())
    assert count_connections(port_of(listener)) == 1
