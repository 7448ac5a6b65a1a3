"""Secrets at rest: AES-256-GCM under the master key, bound to the row they belong to.

`identity` is the row's own name for itself ("clusters.Credential:7:secret"); it is authenticated but not stored, so a
ciphertext moved to another row does not open. Format: one version byte, 4 bytes that name the master key, 12 bytes
nonce, ciphertext with tag (version 1, of earlier portals: without the name of the key).

The first master key seals, all of them open: while keys are exchanged there are two (services/master_keys.py). A key
in a file is looked up each time, so a portal at work follows an exchange at once.
Raises SecretUnreadable when the key, the identity or the bytes are not the ones it was sealed with.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from kcloud_site import keyfiles

_OLD_VERSION, _VERSION = b"\x01", b"\x02"
_NONCE = 12
_TAG = 16


class SecretUnreadable(Exception):
    """A stored secret does not open. Remedy: give the portal the master key it was sealed with (KCLOUD_MASTER_KEY)."""


@dataclass(frozen=True)
class Keyring:
    """The master keys, 32 bytes each: the first seals, all open."""

    keys: tuple[bytes, ...]

    def seal(self, plaintext: bytes, *, identity: str) -> bytes:
        """The ciphertext to store for the row called `identity`."""
        header, nonce = self._header(), os.urandom(_NONCE)
        return header + nonce + AESGCM(self.keys[0]).encrypt(nonce, plaintext, header + identity.encode())

    def unseal(self, sealed: bytes, *, identity: str) -> bytes:
        """The plaintext of what `seal` made for the same identity. Raises SecretUnreadable."""
        data = bytes(sealed)
        known = {_OLD_VERSION: 1, _VERSION: 5}.get(data[:1])
        if known is None or len(data) < known + _NONCE + _TAG:
            raise SecretUnreadable(
                f"The secret of {identity} has an unknown format: the row was altered or cut."
            )
        header, rest = data[:known], data[known:]
        bound = (header if known > 1 else b"") + identity.encode()
        for key in self.keys:
            if known > 1 and header[1:] != name_of(key):
                continue
            try:
                return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], bound)
            except InvalidTag:
                continue
        raise SecretUnreadable(
            f"The secret of {identity} does not open: another master key is set, or the row was altered."
        )

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it, by what it says of itself."""
        return bytes(sealed[:5]) == self._header()

    def _header(self) -> bytes:
        return _VERSION + name_of(self.keys[0])


def name_of(key: bytes) -> bytes:
    """Four bytes that tell master keys apart and say nothing about them."""
    return hashlib.sha256(b"kcloud master key" + key).digest()[:4]


def keyring() -> Keyring:
    """The master keys as they are set now."""
    if settings.MASTER_KEY:
        texts = [settings.MASTER_KEY, *settings.OLD_MASTER_KEYS]
    else:
        texts = keyfiles.read_keys(settings.MASTER_KEY_FILE)
    return Keyring(tuple(base64.b64decode(text) for text in texts))


def seal(plaintext: bytes, *, identity: str) -> bytes:
    """The ciphertext to store for the row called `identity`."""
    return keyring().seal(plaintext, identity=identity)


def unseal(sealed: bytes, *, identity: str) -> bytes:
    """The plaintext of what `seal` made for the same identity. Raises SecretUnreadable."""
    return keyring().unseal(sealed, identity=identity)
