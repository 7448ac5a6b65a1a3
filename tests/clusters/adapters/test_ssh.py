"""The door to hosts, against Debian's own sshd: who is let in, what is left behind, how it fails."""

import os
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from clusters.adapters import ssh
from clusters.errors import HostKeyChanged, HostKeyMissing, HostUnreachable, ScriptFailed, SignInRefused
from tests.clusters.loopback_sshd import free_port, make_key

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICbe1czBFR2y9jjIZuNdXyFof++qjgVJiSDDLM9xoDhH"


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """Where private directories come to lie in this test."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(ssh, "_memory_directory", lambda: folder)
    return folder


class TestRunning:
    def test_the_script_runs_on_the_host_as_root(self, loopback_sshd):
        assert ssh.run_script(loopback_sshd.target(), "import os; print(os.geteuid())") == "0\n"

    def test_the_script_is_sent_on_stdin_and_never_stands_in_a_command_line(self, loopback_sshd):
        script = "import os; print(open(f'/proc/{os.getppid()}/cmdline').read())  # secret-marker"
        assert "secret-marker" not in ssh.run_script(loopback_sshd.target(), script)

    def test_another_interpreter_may_be_named(self, loopback_sshd):
        assert ssh.run_script(loopback_sshd.target(), "echo $((6*7))", interpreter="sh") == "42\n"

    def test_the_users_own_set_up_has_no_say(self, loopback_sshd, monkeypatch, tmp_path):
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/config").write_text("Host *\n  ProxyCommand false\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert ssh.run_script(loopback_sshd.target(), "print(1)") == "1\n"

    def test_nothing_of_our_environment_reaches_the_host(self, loopback_sshd, monkeypatch):
        monkeypatch.setenv("KCLOUD_MASTER_KEY", "secret-marker")
        assert "secret-marker" not in ssh.run_script(loopback_sshd.target(), "import os; print(os.environ)")

    def test_a_script_that_fails_says_how(self, loopback_sshd):
        with pytest.raises(ScriptFailed) as failed:
            ssh.run_script(loopback_sshd.target(), "raise SystemExit('the disk is full')")
        assert (failed.value.status, failed.value.why) == (1, "the disk is full")

    def test_a_script_that_takes_too_long_is_cut_off_on_both_sides(self, loopback_sshd, tmp_path):
        note = tmp_path / "pid"
        script = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
        with pytest.raises(ScriptFailed):
            ssh.run_script(loopback_sshd.target(), script, timeout=3)
        deadline = time.monotonic() + 30
        while Path(f"/proc/{note.read_text()}").exists():
            assert time.monotonic() < deadline, "the script runs on after its time"

    def test_endless_output_is_cut_off(self, loopback_sshd):
        with pytest.raises(ScriptFailed, match="more than 5000 bytes"):
            ssh.run_script(loopback_sshd.target(), "while True: print('x' * 999)", limit=5000)

    def test_bytes_that_are_no_text_come_as_text(self, loopback_sshd):
        with loopback_sshd.answering(b"\xff\x00ok"):
            assert ssh.run_script(loopback_sshd.target(), "") == "\ufffd\x00ok"

    def test_a_host_that_only_claims_ssh_failed_is_still_only_unreachable(self, loopback_sshd):
        with (
            loopback_sshd.answering(b"", status=255, stderr=b"something odd"),
            pytest.raises(HostUnreachable) as failed,
        ):
            ssh.run_script(loopback_sshd.target(), "")
        assert failed.value.why == "something odd"

    def test_a_missing_client_is_named(self, loopback_sshd, monkeypatch):
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(ScriptFailed, match="openssh-client"):
            ssh.run_script(loopback_sshd.target(), "")


class TestTrust:
    def test_another_host_key_stops_the_run_before_anything_is_sent(self, loopback_sshd):
        recorded = loopback_sshd.host_key
        with loopback_sshd.with_another_host_key():
            target = loopback_sshd.target(host_key=recorded)
            with pytest.raises(HostKeyChanged) as changed:
                ssh.run_script(target, "print(1)")
            assert changed.value.recorded == ssh.fingerprint(recorded)
            assert changed.value.seen == ssh.fingerprint(loopback_sshd.host_key)

    def test_a_key_of_another_type_than_recorded_stops_the_run_too(self, loopback_sshd, tmp_path):
        make_key(tmp_path / "other", "-t", "ecdsa")
        other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
        with pytest.raises(HostKeyChanged):
            ssh.run_script(loopback_sshd.target(host_key=other), "")

    def test_without_a_recorded_key_nobody_is_talked_to(self, loopback_sshd):
        with pytest.raises(HostKeyMissing):
            ssh.run_script(loopback_sshd.target(host_key=""), "")

    def test_another_private_key_is_refused(self, loopback_sshd, tmp_path):
        make_key(tmp_path / "other")
        with pytest.raises(SignInRefused) as refused:
            ssh.run_script(loopback_sshd.target(private_key=(tmp_path / "other").read_text()), "")
        assert "authorized_keys" in refused.value.remedy

    def test_a_password_where_none_is_taken_is_refused_and_not_told(self, loopback_sshd):
        with pytest.raises(SignInRefused) as refused:
            ssh.run_script(loopback_sshd.target(private_key="", password="secret-marker"), "")
        assert "secret-marker" not in str(refused.value)

    def test_a_target_does_not_show_its_secrets(self, loopback_sshd):
        target = loopback_sshd.target(password="secret-marker")
        assert "secret-marker" not in repr(target)
        assert "PRIVATE" not in repr(target)


class TestIdentity:
    def test_key_and_directory_are_the_owners_alone_and_gone_afterwards(self, loopback_sshd, memory):
        with ssh.identity(loopback_sshd.target()) as lent:
            assert stat.S_IMODE(lent.key_file.stat().st_mode) == 0o600
            assert stat.S_IMODE(lent.key_file.parent.stat().st_mode) == 0o700
            assert lent.key_file.is_relative_to(memory)
        assert list(memory.iterdir()) == []

    def test_it_is_gone_after_an_error_too(self, loopback_sshd, memory):
        with pytest.raises(ScriptFailed):
            ssh.run_script(loopback_sshd.target(), "1/0")
        assert list(memory.iterdir()) == []

    def test_a_password_is_in_no_file(self, loopback_sshd, memory):
        with ssh.identity(loopback_sshd.target(private_key="", password="secret-marker")) as lent:
            assert lent.key_file is None
            files = [path for path in memory.rglob("*") if path.is_file()]
            assert not any("secret-marker" in path.read_text() for path in files)
            assert not any("secret-marker" in option for option in lent.options)
            assert "secret-marker" not in repr(lent)

    def test_a_key_runs_without_a_person_and_checks_strictly(self, loopback_sshd):
        with ssh.identity(loopback_sshd.target()) as lent:
            assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentityAgent=none"} <= set(lent.options)

    def test_the_askpass_program_answers_from_its_environment(self):
        environment = {"KCLOUD_SSH_PASSWORD": "p w$d", "PATH": os.environ["PATH"]}
        said = subprocess.run([ssh._ASKPASS, "Password: "], env=environment, capture_output=True, text=True)
        assert said.stdout == "p w$d\n"

    def test_what_a_killed_process_left_is_taken_away(self, loopback_sshd, memory):
        left = memory / "kcloud-ssh-left"
        left.mkdir()
        (left / "key").write_text("old key")
        os.utime(left, (0, 0))
        with ssh.identity(loopback_sshd.target()):
            assert not left.exists()

    def test_what_another_process_uses_stays(self, loopback_sshd, memory):
        with ssh.identity(loopback_sshd.target()) as first:
            os.utime(first.known_hosts.parent, (0, 0))
            with ssh.identity(loopback_sshd.target()):
                assert first.key_file.exists()

    def test_what_was_made_a_moment_ago_stays(self, loopback_sshd, memory):
        young = memory / "kcloud-ssh-young"
        young.mkdir()
        with ssh.identity(loopback_sshd.target()):
            assert young.exists()

    @pytest.mark.parametrize(("port", "line"), [(22, f"10.0.0.1 {KEY}"), (2222, f"[10.0.0.1]:2222 {KEY}")])
    def test_known_hosts_has_the_form_ssh_looks_up(self, port, line):
        assert ssh.known_hosts_line("10.0.0.1", port, KEY) == line

    @pytest.mark.parametrize(
        ("username", "command"),
        [("kcloud", "sudo -n timeout -k 5 31 python3 -"), ("root", "timeout -k 5 31 python3 -")],
    )
    def test_root_needs_no_sudo(self, username, command):
        target = ssh.SshTarget(address="10.0.0.1", username=username)
        assert ssh.default_interpreter(target, 30.2) == command


class TestScanning:
    def test_the_hosts_key_is_found(self, loopback_sshd):
        assert ssh.scan_host_key(loopback_sshd.address, loopback_sshd.port) == loopback_sshd.host_key

    def test_a_closed_port_is_said_so(self):
        with pytest.raises(HostUnreachable) as failed:
            ssh.scan_host_key("127.0.0.1", free_port())
        assert "refused" in failed.value.why

    def test_a_port_that_speaks_something_else_is_said_so(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
            with pytest.raises(HostUnreachable, match="no SSH server showed a key"):
                ssh.scan_host_key("127.0.0.1", server.getsockname()[1], timeout=2)

    def test_the_fingerprint_is_ssh_keygens(self, loopback_sshd):
        listed = subprocess.run(
            ["ssh-keygen", "-lf", loopback_sshd.folder / "host.pub"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ssh.fingerprint(loopback_sshd.host_key) == listed.stdout.split()[1]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!",
            "ssh-rsa " + KEY.split()[1],
            "ssh-dss AAAAB3NzaC1kc3M=",
            "x y z",
        ],
    )
    def test_what_is_no_key_has_no_fingerprint(self, text):
        assert not ssh.is_host_key(text)
        assert ssh.fingerprint(text) == ""

    def test_the_best_type_is_taken_whatever_the_order(self, tmp_path):
        lines = []
        for kind in ("rsa", "ecdsa", "ed25519"):
            make_key(tmp_path / kind, "-t", kind)
            lines.append("10.0.0.1 " + " ".join((tmp_path / f"{kind}.pub").read_text().split()[:2]))
        assert ssh.best_key("# comment\n" + "\n".join(lines)) == lines[2].split(" ", 1)[1]
        assert ssh.best_key(lines[0]) == lines[0].split(" ", 1)[1]

    @pytest.mark.parametrize("scanned", ["", "# 10.0.0.1:22 SSH-2.0", "10.0.0.1 ssh-ed25519 AAAA", "junk"])
    def test_no_key_is_found_in_anything_else(self, scanned):
        assert ssh.best_key(scanned) == ""


def _hang_up(server):
    while True:
        try:
            connection, _address = server.accept()
        except OSError:
            return
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()
