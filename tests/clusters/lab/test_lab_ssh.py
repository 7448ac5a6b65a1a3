"""The lab's key, waiting for hosts, and the command line to log in."""

import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters.lab import ssh
from clusters.lab.errors import HostsNotReady
from clusters.lab.state import Lab, LabHost


def make_host(port, name="h1"):
    return LabHost(
        name=name, address="127.0.0.1", ssh_port=port, user="kcloud", key_path=Path("/k"),
        lab="demo", container="c",
    )  # fmt: skip


@contextmanager
def server(*answers):
    """Answers each connection in turn with the next of ``answers``, the last one for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve():
            given = list(answers)
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(given[0])
                if len(given) > 1:
                    given.pop(0)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_key_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "lab" / "id_ed25519"
    public = ssh.make_key(path)
    private = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert ssh.make_key(path) == public
    assert path.read_bytes() == private


def test_openssh_reads_the_key_and_agrees_on_its_public_half(tmp_path):
    public = ssh.make_key(tmp_path / "key")
    result = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(tmp_path / "key")], capture_output=True, text=True, check=True
    )
    assert result.stdout.split()[:2] == public.split()


def test_two_labs_have_two_keys(tmp_path):
    assert ssh.make_key(tmp_path / "one") != ssh.make_key(tmp_path / "two")


def test_wait_returns_when_every_host_shows_a_banner():
    with server(b"SSH-2.0-OpenSSH_9.2\r\n") as one, server(b"SSH-2.0-other\r\n") as two:
        ssh.wait([make_host(one), make_host(two, "h2")], seconds=10)


def test_wait_goes_on_until_the_banner_comes():
    with server(b"", b"", b"SSH-2.0-late\r\n") as port:
        ssh.wait([make_host(port)], seconds=10)


def test_wait_for_nobody_returns_at_once():
    ssh.wait([])


def test_wait_names_the_silent_hosts_only():
    with server(b"SSH-2.0-x\r\n") as port:
        hosts = [make_host(port, "good"), make_host(closed_port(), "dead")]
        with pytest.raises(HostsNotReady) as failure:
            ssh.wait(hosts, seconds=0.3)
    assert "1 of 2 hosts" in failure.value.what
    assert "dead (127.0.0.1): " in failure.value.why
    assert "refused" in failure.value.why
    assert "good" not in failure.value.why


@pytest.mark.parametrize(
    ("answer", "says"), [(b"HTTP/1.1 400\r\n", "something else answers"), (b"", "closed at once")]
)
def test_wait_tells_what_answers_instead_of_ssh(answer, says):
    with server(answer) as port, pytest.raises(HostsNotReady, match=says):
        ssh.wait([make_host(port)], seconds=0.3)


def test_the_command_line_trusts_the_recorded_host_keys_only():
    host = make_host(22)
    lab = Lab(name="demo", subnet="172.30.0.0/24", prefix="h", engine="", hosts=(host,))
    line = ssh.command(lab, host, ["sudo", "id"])
    assert "StrictHostKeyChecking=yes" in line
    assert f"UserKnownHostsFile={lab.known_hosts_path}" in line
    assert line[-4:] == ["kcloud@127.0.0.1", "--", "sudo", "id"]


def test_without_a_command_it_is_a_login():
    host = make_host(22)
    lab = Lab(name="demo", subnet="172.30.0.0/24", prefix="h", engine="", hosts=(host,))
    assert ssh.command(lab, host)[-1] == "kcloud@127.0.0.1"
