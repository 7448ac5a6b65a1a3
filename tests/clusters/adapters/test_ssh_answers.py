"""What ssh and sudo say becomes the right error, and a host cannot talk us into a wrong one."""

import pytest

from clusters.adapters import ssh_answers
from clusters.errors import HostKeyChanged, HostUnreachable, ScriptFailed, SignInRefused, SudoRefused

OLD, NEW = "SHA256:" + "A" * 43, "SHA256:" + "B" * 43
CHANGED = (
    f"@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nThe fingerprint for the ED25519 key is\n{NEW}.\n"
)


def error(status, stderr):
    return ssh_answers.error_for(label="w01", username="kcloud", status=status, stderr=stderr, recorded=OLD)


@pytest.mark.parametrize(
    ("status", "stderr", "kind"),
    [
        (255, "ssh: connect to host 10.0.0.1 port 22: Connection refused", HostUnreachable),
        (255, "ssh: connect to host 10.0.0.1 port 22: No route to host", HostUnreachable),
        (255, "ssh: connect to host 10.0.0.1 port 22: Connection timed out", HostUnreachable),
        (255, "kex_exchange_identification: read: Connection reset by peer", HostUnreachable),
        (255, "", HostUnreachable),
        (255, "kcloud@10.0.0.1: Permission denied (publickey).", SignInRefused),
        (255, "Received disconnect: Too many authentication failures", SignInRefused),
        (255, "Load key: error in libcrypto\nPermission denied (publickey).", SignInRefused),
        (255, CHANGED, HostKeyChanged),
        (255, "No ED25519 host key is known for 10.0.0.1\nHost key verification failed.", HostKeyChanged),
        (1, "sudo: a password is required", SudoRefused),
        (1, "sudo: a terminal is required to read the password", SudoRefused),
        (127, "bash: line 1: sudo: command not found", SudoRefused),
        (127, "bash: line 1: python3: command not found", ScriptFailed),
        (124, "", ScriptFailed),
        (1, "Traceback\nValueError: x", ScriptFailed),
    ],
)
def test_each_ending_has_its_error_with_a_remedy(status, stderr, kind):
    found = error(status, stderr)
    assert type(found) is kind
    assert found.remedy


@pytest.mark.parametrize(
    "stderr", ["Permission denied (publickey).", CHANGED, "Host key verification failed."]
)
def test_a_scripts_own_words_are_not_taken_for_sshs(stderr):
    assert type(error(1, stderr)) is ScriptFailed


def test_a_changed_key_names_both():
    found = error(255, CHANGED)
    assert (found.recorded, found.seen) == (OLD, NEW)
    assert OLD in str(found)
    assert NEW in str(found)


def test_the_recorded_fingerprint_is_not_taken_for_the_new_one():
    assert error(255, f"REMOTE HOST IDENTIFICATION HAS CHANGED {OLD}").seen == ""


def test_the_last_line_is_the_cause():
    assert error(1, "one\ntwo\n\nthree\n\n").why == "three"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"two\r\nlines\n", "two\nlines"),
        (b"\x1b[31mred\x07", "�[31mred�"),
        (b"a\x00b", "a�b"),
        (b"\xff\xfe", "��"),
        ("gnp\u202eabc".encode(), "gnp�abc"),
        (b"x" * 5000, "x" * 2000),
    ],
)
def test_hostile_bytes_become_short_harmless_text(raw, shown):
    assert ssh_answers.readable(raw) == shown
