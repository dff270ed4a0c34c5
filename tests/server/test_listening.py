"""A port is held for those who share it, and for nobody else."""

import socket
from contextlib import closing
from socket import SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET

import pytest

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.server.listening import holding_port


def listener(port, *, shares):
    """Listens as a gRPC server does, alone or sharing its port."""
    one = socket.socket()
    try:
        one.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        one.setsockopt(SOL_SOCKET, SO_REUSEPORT, int(shares))
        one.bind(("127.0.0.1", port))
        one.listen()
    except OSError:
        one.close()
        raise
    return closing(one)


def port_of(address):
    return int(address.rpartition(":")[2])


def hold(address):
    with holding_port(address):
        pass


def test_a_held_port_is_for_those_alone_who_share_it():
    with holding_port("127.0.0.1:0") as address:
        port = port_of(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"):
            listener(port, shares=False)
        with listener(port, shares=True), listener(port, shares=True):
            with socket.create_connection(("127.0.0.1", port)):
                pass
            with pytest.raises(OSError, match="in use"):
                listener(port, shares=False)
    with listener(port, shares=False):
        pass


def test_of_two_who_hold_a_port_the_second_is_refused_before_and_after_the_first_has_workers():
    with holding_port("127.0.0.1:0") as address:
        with pytest.raises(ConfigurationError, match="choose a port that is free"):
            hold(address)
        with listener(port_of(address), shares=True), pytest.raises(ConfigurationError):
            hold(address)
    hold(address)


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_where_somebody_listens_is_refused_even_if_they_would_share_it(shares):
    with (
        listener(0, shares=shares) as other,
        pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:\d+: can't be listened on"),
    ):
        hold(f"127.0.0.1:{other.getsockname()[1]}")


@pytest.mark.parametrize("shared_before", [False, True])
def test_connections_of_a_former_server_that_are_not_wholly_gone_are_no_hindrance(shared_before):
    with listener(0, shares=shared_before) as former:
        port = former.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            # Who closes first keeps the connection's remains.
            former.accept()[0].close()
            assert client.recv(1) == b""
    with holding_port(f"127.0.0.1:{port}"), listener(port, shares=True):
        pass


def test_a_name_is_held_in_every_family_that_it_has_on_this_machine():
    with holding_port("localhost:0") as address:
        assert address == f"localhost:{port_of(address)}"
        with pytest.raises(OSError, match="in use"):
            listener(port_of(address), shares=False)


def test_a_number_that_is_no_port_is_refused():
    with pytest.raises(ConfigurationError, match="can't be listened on"):
        hold("127.0.0.1:70000")
