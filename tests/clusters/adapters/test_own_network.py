"""Asking the portal's own witnesses, with real sockets on loopback."""

import socket
import time

import pytest

from clusters.adapters import own_network
from clusters.healing.own_network import Witness


@pytest.fixture
def port():
    """One that listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_any_word_counts_a_refusal_too(port):
    witnesses = [Witness("127.0.0.1", port), Witness("127.0.0.1", free_port())]
    assert own_network.ask(witnesses) == dict.fromkeys(witnesses, True)
    assert own_network.ask([]) == {}


def test_a_full_queue_is_silence_and_ends_in_time():
    """Nobody takes the connections: what comes after the queue is full gets no answer."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        kept = [socket.socket() for _one in range(8)]
        for each in kept:
            each.setblocking(False)
            each.connect_ex(address)
        began = time.monotonic()
        witness = Witness(*address)
        assert own_network.ask([witness]) == {witness: False}
        assert time.monotonic() - began < own_network.SECONDS * 3
        for each in kept:
            each.close()


def test_this_machines_gateway_is_read_without_asking_anybody():
    assert len(own_network.default_gateway()) <= 1
