"""The registry's authority, certificate and signing key: made once by whoever asks first, sealed, the same everywhere.

The authority is what nodes and people trust; its key issues the registry's certificate and nothing else. The signing
key makes the tokens the registry believes (registry_tokens). Raises SecretUnreadable.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.models import RegistrySecret
from clusters.deploying import pki
from kcloud_site.tenants import encryption

_IDENTITY, _SERVER = "identity", "server"


@dataclass(frozen=True, repr=False)
class Identity:
    """The authority (PEM), the signing key (PEM), and what the registry's program proves itself with to the portal."""

    authority: pki.KeyPair
    signing_key: bytes
    proof: str

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The key that signs tokens."""
        key = serialization.load_pem_private_key(self.signing_key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def identity(now: datetime) -> Identity:
    """The registry's; made now when there is none."""
    row = RegistrySecret.objects.filter(name=_IDENTITY).first()
    if row is None:
        authority = pki.make_authority("kcloud-registry", now=now)
        made = {
            "certificate": authority.certificate.decode(),
            "key": authority.key.decode(),
            "signing_key": _new_key(),
            "proof": secrets.token_urlsafe(32),
        }
        # Two that start together: the row is made once, and both read that one.
        row, _made = RegistrySecret.objects.get_or_create(
            name=_IDENTITY, defaults={"sealed": _sealed(_IDENTITY, made)}
        )
    found = _opened(row)
    pair = pki.KeyPair(found["certificate"].encode(), found["key"].encode())
    return Identity(pair, found["signing_key"].encode(), found["proof"])


def authority_certificate(now: datetime) -> bytes:
    """What clients of the registry trust, PEM."""
    return identity(now).authority.certificate


def server_pair(names: Sequence[str], now: datetime) -> pki.KeyPair:
    """The registry's certificate for these names and addresses; issued anew when they change or it ends soon."""
    wanted = pki.CertificateSpec(
        "registry", "registry", "kcloud-registry", server=True, client=False, names=tuple(names)
    )
    authority = identity(now).authority
    row = RegistrySecret.objects.filter(name=_SERVER).first()
    if row is not None:
        found = _opened(row)
        certificate = found["certificate"].encode()
        if pki.is_right(certificate, wanted, authority.certificate, now=now):
            return pki.KeyPair(certificate, found["key"].encode())
    pair = pki.issue(wanted, authority, now=now)
    made = {"certificate": pair.certificate.decode(), "key": pair.key.decode()}
    RegistrySecret.objects.update_or_create(name=_SERVER, defaults={"sealed": _sealed(_SERVER, made)})
    return pair


def public_keys(now: datetime) -> dict[str, Any]:
    """The signing key's public half as the registry reads it (a JSON Web Key Set)."""
    return {"keys": [public_jwk(identity(now).private_key().public_key())]}


def public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The key with its thumbprint (RFC 7638) as its name."""
    numbers = key.public_numbers()
    jwk = {
        "crv": "P-256",
        "kty": "EC",
        "x": unpadded(numbers.x.to_bytes(32, "big")),
        "y": unpadded(numbers.y.to_bytes(32, "big")),
    }
    return {**jwk, "kid": thumbprint(jwk), "use": "sig", "alg": "ES256"}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638: the hash of the key's own members in order."""
    text = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return unpadded(hashlib.sha256(text.encode()).digest())


def unpadded(raw: bytes) -> str:
    """Base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _sealed(name: str, document: Mapping[str, str]) -> bytes:
    return encryption.seal(json.dumps(document).encode(), identity=RegistrySecret(name=name).identity)


def _opened(row: RegistrySecret) -> dict[str, str]:
    found: dict[str, str] = json.loads(encryption.unseal(bytes(row.sealed), identity=row.identity))
    return found
