"""Secrets at rest: AES-256-GCM under the master key, bound to the row they belong to.

`identity` is the row's own name for itself ("clusters.Credential:7:secret"); it is authenticated but not stored, so a
ciphertext moved to another row does not open. Format: one version byte, 12 bytes nonce, ciphertext with tag.
Raises SecretUnreadable when the key, the identity or the bytes are not the ones it was sealed with.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_VERSION = b"\x01"
_SHORTEST = 1 + 12 + 16  # version, nonce, tag: the ciphertext of nothing


class SecretUnreadable(Exception):
    """A stored secret does not open. Remedy: give the portal the master key it was sealed with (KCLOUD_MASTER_KEY)."""


def seal(plaintext: bytes, *, identity: str) -> bytes:
    """The ciphertext to store for the row called `identity`."""
    nonce = os.urandom(12)
    return _VERSION + nonce + _cipher().encrypt(nonce, plaintext, identity.encode())


def unseal(sealed: bytes, *, identity: str) -> bytes:
    """The plaintext of what `seal` made for the same identity. Raises SecretUnreadable."""
    data = bytes(sealed)
    if data[:1] != _VERSION or len(data) < _SHORTEST:
        raise SecretUnreadable(f"The secret of {identity} has an unknown format: the row was altered or cut.")
    try:
        return _cipher().decrypt(data[1:13], data[13:], identity.encode())
    except InvalidTag as error:
        raise SecretUnreadable(
            f"The secret of {identity} does not open: another master key is set, or the row was altered."
        ) from error


def _cipher() -> AESGCM:
    return AESGCM(base64.b64decode(settings.MASTER_KEY))
