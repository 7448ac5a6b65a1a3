"""The operator's Ed25519 key and the keys whose bundles are trusted.

The private key is made at first use (mode 0600) and never leaves the state folder; the public one lies beside it.
Public keys of other operators go into `trusted-bundle-keys/*.pub` of the same folder.
Raises BundleSignatureInvalid for a signature no trusted key has made, BundleError for key files that are not keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from clusters.bundle import locations
from clusters.bundle.errors import BundleError, BundleSignatureInvalid

ALGORITHM = "ed25519"


def key_id(key: Ed25519PublicKey) -> str:
    """A short name of a public key: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def operator_key(state: Path | None = None) -> Ed25519PrivateKey:
    """The operator's key, made at first use."""
    path = (state or locations.state_root()) / "bundle-key"
    if not path.exists():
        _make_key(path)
    key = _load(path)
    public = path.with_suffix(".pub")
    if not public.exists():
        public.write_bytes(_pem(key.public_key()))
    return key


def trusted_keys(state: Path | None = None) -> list[Ed25519PublicKey]:
    """The operator's own public key, if there is one, and all in trusted-bundle-keys/."""
    root = state or locations.state_root()
    own = root / "bundle-key"
    keys = [_load(own).public_key()] if own.exists() else []
    return keys + [_load_public(path) for path in sorted((root / "trusted-bundle-keys").glob("*.pub"))]


def sign(raw: bytes, key: Ed25519PrivateKey) -> bytes:
    """The contents of manifest.json.sig for the manifest in `raw`."""
    envelope = {
        "algorithm": ALGORITHM,
        "key_id": key_id(key.public_key()),
        "signature": base64.b64encode(key.sign(raw)).decode(),
    }
    return (json.dumps(envelope, sort_keys=True) + "\n").encode()


def check(raw: bytes, envelope: bytes, keys: Sequence[Ed25519PublicKey]) -> str:
    """The id of the trusted key that signed `raw`."""
    wanted, signature = _open(envelope)
    for key in keys:
        if key_id(key) != wanted:
            continue
        try:
            key.verify(signature, raw)
        except InvalidSignature as error:
            raise BundleSignatureInvalid("manifest.json was changed after it was signed") from error
        return wanted
    known = ", ".join(key_id(key) for key in keys) or "none"
    raise BundleSignatureInvalid(f"it was made with key {wanted}, which is not trusted (trusted: {known})")


def _open(envelope: bytes) -> tuple[str, bytes]:
    try:
        data = json.loads(envelope)
        if data["algorithm"] != ALGORITHM:
            raise BundleSignatureInvalid(f"algorithm {data['algorithm']!r} is not {ALGORITHM}")
        signature = base64.b64decode(data["signature"], validate=True)
        # One way to write it: bits that base64 or JSON would overlook are a changed file too.
        written = {**data, "signature": base64.b64encode(signature).decode()}
        if (json.dumps(written, sort_keys=True) + "\n").encode() != envelope:
            raise ValueError("not in the form it is written in")
        return str(data["key_id"]), signature
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleSignatureInvalid("manifest.json.sig is not a signature file") from error


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft.touch(mode=0o600)
    draft.write_bytes(pem)
    try:
        os.link(draft, path)  # fails, rather than replaces, when another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise _not_a_key(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path)
    return key


def _load_public(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise _not_a_key(path) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path)
    return key


def _not_a_key(path: Path) -> BundleError:
    return BundleError(
        f"{path} is not an Ed25519 key in PEM form.", "Remove the file, or put the right key there."
    )


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
