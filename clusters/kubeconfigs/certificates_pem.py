"""Certificates and keys that somebody else sent, read and written anew. Pure.

What goes on to OpenSSL is what was understood here, re-encoded: text around the blocks, other kinds of
block and odd encodings stay behind.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from clusters.errors import KubeconfigRefused

Refuse = Callable[..., KubeconfigRefused]
MAX_CERTIFICATES = 20


def certificates(data: bytes, place: str, refuse: Refuse) -> bytes:
    """The certificates in the data as PEM. Refuses with "bad-certificate"."""
    return b"".join(found.public_bytes(Encoding.PEM) for found in _load(data, place, refuse))


def pair(certificate: bytes, key: bytes, place: str, refuse: Refuse) -> tuple[bytes, bytes]:
    """A client certificate (with its chain) and its key as PEM, proven to belong together."""
    chain = _load(certificate, f"{place}.client-certificate-data", refuse)
    try:
        private = load_pem_private_key(key, None)
    except TypeError as error:
        raise refuse("encrypted-key", f"{place}.client-key-data") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise refuse("bad-key-pem", f"{place}.client-key-data") from error
    try:
        theirs = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ours = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise refuse("bad-key-pem", f"{place}.client-key-data") from error
    if theirs != ours:
        raise refuse("mismatch", place)
    return b"".join(found.public_bytes(Encoding.PEM) for found in chain), text


def certificate_end(data: bytes) -> datetime.datetime | None:
    """When the certificate ends (UTC), or None when it is none."""
    try:
        return x509.load_pem_x509_certificate(data).not_valid_after_utc
    except ValueError:
        return None


def _load(data: bytes, place: str, refuse: Refuse) -> list[x509.Certificate]:
    key = place.rsplit(".", maxsplit=1)[-1]
    try:
        found = x509.load_pem_x509_certificates(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise refuse("bad-certificate", place, key=key) from error
    if not found or len(found) > MAX_CERTIFICATES:
        raise refuse("bad-certificate", place, key=key)
    return found
