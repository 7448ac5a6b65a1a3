"""The probe module, run here as Python: names it resolves, pods it reaches, ports that must be silent."""

import contextlib
import socket
import struct
import threading

import pytest

from tests.clusters.ansible.modules import module, part

host, probe = part("kcloud_host"), module("kcloud_probe")


class Dns:
    """A name server on loopback that gives one answer."""

    def __init__(self, answer):
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.bind(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, args=(answer,), daemon=True)
        self.thread.start()

    def serve(self, answer):
        question, sender = self.link.recvfrom(512)
        self.link.sendto(answer(question), sender)


def dns_answer(question, *, name=None, kind=1, data=b"\x0a\x60\x07\x07", code=0, records=1):
    header = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, records, 0, 0)
    name = question[12:-4] if name is None else name
    record = name + struct.pack(">HHIH", kind, 1, 5, len(data)) + data
    return header + question[12:] + record * records


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (dns_answer, "10.96.7.7"),
        (lambda q: dns_answer(q, name=b"\xc0\x0c"), "10.96.7.7"),
        (lambda q: dns_answer(q, kind=28, data=b"\0" * 16), ""),
        (lambda q: dns_answer(q, code=3, records=0), ""),
        (lambda q: dns_answer(b"\0\0" + q[2:]) if q[:2] != b"\0\0" else dns_answer(b"\1\1" + q[2:]), ""),
    ],
    ids=["name in full", "name as a pointer", "another kind", "no such name", "another question"],
)
def test_dns_answers_are_read(monkeypatch, answer, found):
    server = Dns(answer)
    real = socket.socket.sendto
    place = server.link.getsockname()
    monkeypatch.setattr(
        socket.socket,
        "sendto",
        lambda self, data, to: real(self, data, place if to[1] == 53 else to),
        raising=False,
    )
    assert probe.lookup("127.0.0.1", "on-w1.kcloud-verify.svc.cluster.local") == found


@pytest.mark.parametrize(
    ("found", "node", "told"),
    [
        ("10.96.7.7", "w1", ""),
        ("10.96.0.1", "w1", "DNS says"),
        ("10.96.7.7", "w2", "'w2' answers"),
        (OSError("no route"), "w1", "no route"),
    ],
)
def test_a_probe_says_what_it_saw(monkeypatch, found, node, told):
    def lookup(server, name):
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(probe, "lookup", lookup)
    monkeypatch.setattr(probe, "ask", lambda address: node)
    wanted = {"name": "on-w1.kcloud-verify.svc.cluster.local", "address": "10.96.7.7", "node": "w1"}
    seen = probe.problem("10.96.0.10", wanted)
    assert (told in seen) if told else seen == ""


def test_a_pod_that_is_not_reached_is_named_with_its_node(monkeypatch):
    monkeypatch.setattr(probe, "problem", lambda dns, one: "timed out")
    with pytest.raises(host.Failure) as failed:
        probe.check_all("the host", "10.96.0.10", [{"node": "w2"}], 0)
    assert (failed.value.code, failed.value.subject) == ("not-reached", "w2")
    assert "from the host: timed out" in failed.value.evidence


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"address": "127.0.0.1", "port": str(server.getsockname()[1]), "node": "w2"}


@pytest.fixture
def refusing():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield {"address": "127.0.0.1", "port": str(unused.getsockname()[1]), "node": "w3"}


@pytest.fixture
def silent():
    """A listener whose queue is full: what is dropped looks like this from outside."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _filling in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield {"address": "127.0.0.1", "port": str(server.getsockname()[1]), "node": "w4"}


def test_what_is_closed_must_not_even_refuse(listening, refusing, silent):
    found = probe.answering([listening, silent, refusing])
    assert {target["node"] for target in found} == {"w2", "w3"}


def test_silence_is_right_and_counted(silent):
    assert probe.check_closed([silent, silent], until=0) == 2
    assert probe.check_closed([], until=0) == 0


def test_an_answer_from_what_is_closed_is_named_with_its_node(refusing):
    with pytest.raises(host.Failure) as failed:
        probe.check_closed([refusing], until=0)
    assert (failed.value.code, failed.value.subject) == ("not-enforced", "w3")
    assert refusing["port"] in failed.value.evidence
