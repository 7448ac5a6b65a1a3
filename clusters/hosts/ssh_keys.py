"""Private keys for SSH as people paste them. Pure: no Django, no I/O.

`parse(text)` answers the key in OpenSSH's own format with its fingerprint, or raises KeyRefused whose `code` says which
rule of RULES it breaks. Never repeats any of the text.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

MAX_LENGTH = 16 * 1024
SHORTEST_RSA = 2048
_Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyRefused(Exception):
    """`code` is empty, too-long, public, putty, passphrase, unreadable, kind or short-rsa."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class SshKey:
    """A usable key: `private` in OpenSSH format, its public half as one line, SHA256:… of it."""

    private: str = field(repr=False)
    public: str
    fingerprint: str


def parse(text: str) -> SshKey:
    """The key in the text: OpenSSH, PKCS#8 or PKCS#1/SEC1 PEM, without passphrase. Raises KeyRefused."""
    body = text.strip().replace("\r\n", "\n") + "\n"
    _refuse_other_things(body)
    key = _load(body.encode("ascii", "replace"))
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise KeyRefused("short-rsa")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return SshKey(private, public, "SHA256:" + base64.b64encode(digest).decode().rstrip("="))


def _refuse_other_things(body: str) -> None:
    rules = (
        ("empty", not body.strip()),
        ("too-long", len(body) > MAX_LENGTH),
        ("putty", body.startswith("PuTTY-User-Key-File")),
        ("public", body.startswith(("ssh-", "ecdsa-", "sk-", "-----BEGIN PUBLIC", "---- BEGIN SSH2 PUBLIC"))),
        ("passphrase", "BEGIN ENCRYPTED PRIVATE KEY" in body or "Proc-Type: 4,ENCRYPTED" in body),
        ("unreadable", not body.startswith("-----BEGIN ")),
    )
    for code, broken in rules:
        if broken:
            raise KeyRefused(code)


def _load(body: bytes) -> _Private:
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in body else load_pem_private_key
    try:
        key = load(body, password=None)
    except UnsupportedAlgorithm as error:
        raise KeyRefused("kind") from error
    except TypeError as error:  # how cryptography says that a passphrase is missing
        raise KeyRefused("passphrase") from error
    except Exception as error:
        # The parsers meet anything a person can paste; whatever they raise, the text is no key.
        raise KeyRefused("passphrase" if "password" in str(error).lower() else "unreadable") from error
    if not isinstance(key, _Private):
        raise KeyRefused("kind")
    return key
