"""Pasted private keys: the usable ones are taken, everything else is refused by its rule, nothing is repeated."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.hosts import ssh_keys


def made(tmp_path, *options):
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-N", "", "-C", "somebody@somewhere", "-f", str(path), *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.mark.parametrize(
    "options",
    [
        ["-t", "ed25519"],
        ["-t", "ecdsa", "-b", "256"],
        ["-t", "ecdsa", "-b", "521"],
        ["-t", "rsa", "-b", "2048"],
        ["-t", "rsa", "-b", "2048", "-m", "PEM"],
        ["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
        ["-t", "ecdsa", "-m", "PEM"],
    ],
)
def test_a_key_is_taken_in_every_usual_form(tmp_path, options):
    path = made(tmp_path, *options)
    key = ssh_keys.parse(path.read_text())
    listed = subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], capture_output=True, text=True, check=True)
    assert key.fingerprint == listed.stdout.split()[1]
    assert key.public.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]
    assert key.private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert ssh_keys.parse(key.private).fingerprint == key.fingerprint


def test_ssh_itself_reads_what_is_stored(tmp_path):
    key = ssh_keys.parse(made(tmp_path, "-t", "rsa", "-b", "2048", "-m", "PKCS8").read_text())
    stored = tmp_path / "stored"
    stored.touch(0o600)
    stored.write_text(key.private)
    read = subprocess.run(["ssh-keygen", "-yf", stored], capture_output=True, text=True, check=True)
    assert read.stdout.split()[:2] == key.public.split()[:2]


def test_line_ends_and_blanks_around_are_no_matter(tmp_path):
    text = made(tmp_path, "-t", "ed25519").read_text()
    assert ssh_keys.parse("\n\n  " + text.replace("\n", "\r\n") + "\n ").fingerprint


@pytest.mark.parametrize("form", [[], ["-m", "PEM"], ["-m", "PKCS8"]])
def test_a_passphrase_is_refused_by_that_name(tmp_path, form):
    path = made(tmp_path, "-t", "rsa", "-b", "2048", *form)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", path, *form], check=True)
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse(path.read_text())
    assert refused.value.code == "passphrase"


def test_a_short_rsa_key_is_refused(tmp_path):
    path = made(tmp_path, "-t", "rsa", "-b", "1024")
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse(path.read_text())
    assert refused.value.code == "short-rsa"


def test_a_public_key_is_refused_by_that_name(tmp_path):
    made(tmp_path, "-t", "ed25519")
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse((tmp_path / "key.pub").read_text())
    assert refused.value.code == "public"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("x" * 20_000, "too-long"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "putty"),
        ("-----BEGIN PUBLIC KEY-----\nx", "public"),
        ("hunter2", "unreadable"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "unreadable"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "unreadable"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----", "unreadable"),
    ],
)
def test_what_is_no_key_is_refused_by_its_rule(text, code):
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse(text)
    assert refused.value.code == code


def test_a_key_hosts_do_not_know_is_refused():
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    text = (
        X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    )
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse(text)
    assert refused.value.code == "kind"


def test_a_cut_key_is_refused_without_repeating_it(tmp_path):
    text = made(tmp_path, "-t", "ed25519").read_text()
    lines = text.splitlines()
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse("\n".join(lines[:-2] + lines[-1:]))
    assert lines[1] not in str(refused.value)


def test_a_key_does_not_show_its_private_half(tmp_path):
    key = ssh_keys.parse(made(tmp_path, "-t", "ed25519").read_text())
    assert "PRIVATE" not in repr(key)


@given(st.text() | st.text(max_size=200).map(lambda t: f"-----BEGIN OPENSSH PRIVATE KEY-----\n{t}\n"))
def test_any_text_is_refused_and_nothing_else_is_raised(text):
    with pytest.raises(ssh_keys.KeyRefused):
        ssh_keys.parse(text)
