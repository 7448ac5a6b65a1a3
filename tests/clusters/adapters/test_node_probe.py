"""Whether a host is there: who answers, who is silent, and what does not count as a word."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from clusters.adapters.node_probe import Prober, Target, script_for
from tests.clusters.control_plane import free_port
from tests.clusters.kube_certificates import Authority


@contextlib.contextmanager
def listening(serve):
    """A server on loopback; `serve` gets every connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    one, _address = server.accept()
                    taken.append(one)
                    threading.Thread(target=serve, args=(one,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], taken
        server.close()
        for each in taken:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def frozen():
    """Accepted by the kernel, answered by nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """Serves as an agent does: TLS, "401 Unauthorized" for strangers, the connection stays. `silent` stops it."""
    folder, pair = tmp_path_factory.mktemp("agent"), Authority().sign("node", names=("node",))
    (folder / "crt").write_bytes(pair.certificate)
    (folder / "key").write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    silent = threading.Event()

    def serve(one):
        with contextlib.suppress(OSError), context.wrap_socket(one, server_side=True) as spoken:
            while spoken.recv(4096):
                if not silent.is_set():
                    spoken.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")

    return serve, silent


def banner(one):
    with contextlib.suppress(OSError):
        one.sendall(b"SSH-2.0-x\r\n")


@pytest.fixture
def prober():
    made = Prober(kept_seconds=0.3, fresh_seconds=0.5)
    yield made
    made.close()


def target(agent_port, ssh_port):
    return Target("w1", "127.0.0.1", ssh_port=ssh_port, agent_port=agent_port)


def by_peer(one):
    run = [sys.executable, "-c", script_for(one, seconds=0.3)]
    return subprocess.run(run, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_an_agent_is_asked_again_on_the_same_connection(prober, agent):
    serve, silent = agent
    silent.clear()
    with listening(serve) as (port, taken), frozen() as ssh:
        one = target(port, ssh)
        for _turn in range(3):
            assert prober.round([one]) == {"w1": True}
        assert len(taken) == 1
        assert by_peer(one) == "reached"


def test_an_agent_that_is_frozen_beside_a_living_ssh_is_a_living_host(prober):
    with frozen() as port, listening(banner) as (ssh, _taken):
        assert prober.round([target(port, ssh)]) == {"w1": True}
        assert by_peer(target(port, ssh)) == "reached"


def test_a_host_that_only_takes_connections_is_silent(prober):
    with frozen() as port, frozen() as ssh:
        assert prober.round([target(port, ssh)]) == {"w1": False}
        assert by_peer(target(port, ssh)) == "silent"


def test_a_kept_connection_that_falls_silent_is_noticed(prober, agent):
    serve, silent = agent
    silent.clear()
    with listening(serve) as (port, _taken), frozen() as ssh:
        one = target(port, ssh)
        assert prober.round([one]) == prober.round([one]) == {"w1": True}
        silent.set()
        with frozen() as other:
            gone = target(other, ssh)
            assert prober.round([gone]) == {"w1": False}


def test_a_refused_connection_is_a_word(prober):
    one = target(free_port(), free_port())
    assert prober.round([one]) == {"w1": True}
    assert by_peer(one) == "reached"


def test_nobody_to_ask_is_no_answer(prober):
    assert prober.round([]) == {}
