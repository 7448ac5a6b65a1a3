"""Certificates and keys of a cluster, made on the portal's side. Pure: keys come from the system's random source,
the time is an argument.

Contract: `complete(existing, layout, now)` answers what has to be stored so that every name of the layout is there and
right: authorities once, certificates again when their names, their authority or their end ask for it. What is already
right is not touched, so running it twice changes nothing. Three authorities: one for the cluster, one for etcd (a
cluster certificate must not open the store), one for aggregated API servers (Kubernetes demands its own).
Authority keys never leave the portal: every certificate is issued here.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")
AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
# A certificate this close to its end is issued anew when the cluster is deployed again.
RENEW_DAYS = 60
# Clocks of hosts may be a little behind the portal's.
BACKDATE = datetime.timedelta(hours=1)
ENCRYPTION_KEY = "encryption.key"
ADMIN_KUBECONFIG = "admin.kubeconfig"


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Member:
    """A host of the cluster by name and IPv4 address."""

    name: str
    address: str


@dataclass(frozen=True)
class Layout:
    """What the certificates depend on: members and the service network's first address, and the DNS domain."""

    masters: tuple[Member, ...]
    workers: tuple[Member, ...]
    service_address: str
    domain: str


@dataclass(frozen=True)
class CertificateSpec:
    """One certificate to be: `name` is its file name without ending; `names` are subject alternative names."""

    name: str
    authority: str
    common_name: str
    organization: str = ""
    server: bool = False
    client: bool = True
    names: tuple[str, ...] = ()


def certificates(layout: Layout) -> list[CertificateSpec]:
    """Every certificate of a cluster with this layout."""
    local = ("localhost", "127.0.0.1")
    own = [
        CertificateSpec(
            "apiserver", "ca", "kube-apiserver", server=True, client=False, names=_api_names(layout)
        ),
        CertificateSpec("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", "system:masters"),
        CertificateSpec("apiserver-etcd-client", "etcd-ca", "kube-apiserver-etcd-client"),
        CertificateSpec("etcd-client", "etcd-ca", "etcdctl"),
        CertificateSpec("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
        CertificateSpec("controller-manager", "ca", "system:kube-controller-manager"),
        CertificateSpec("scheduler", "ca", "system:kube-scheduler"),
        CertificateSpec("kube-proxy", "ca", "system:kube-proxy"),
        CertificateSpec("network-policy", "ca", "system:kcloud:network-policy"),
        CertificateSpec("log-shipper", "ca", "system:kcloud:log-shipper"),
        CertificateSpec("admin", "ca", "kcloud:portal", "system:masters"),
    ]
    stores = [
        CertificateSpec(f"etcd-{m.name}", "etcd-ca", m.name, server=True, names=(m.name, m.address, *local))
        for m in layout.masters
    ]
    kubelets = [
        CertificateSpec(
            f"kubelet-{w.name}",
            "ca",
            f"system:node:{w.name}",
            "system:nodes",
            server=True,
            names=(w.name, w.address),
        )
        for w in layout.workers
    ]
    return own + stores + kubelets


def complete(existing: Mapping[str, bytes], layout: Layout, *, now: datetime.datetime) -> dict[str, bytes]:
    """The secrets to store, by name ("ca.crt", "etcd-h1.key", …), so that nothing is missing or wrong. May be empty."""
    made: dict[str, bytes] = {}
    authorities = {name: _authority(name, existing, made, now) for name in AUTHORITIES}
    if "sa.key" not in existing or "sa.pub" not in existing:
        made["sa.key"], made["sa.pub"] = make_signing_key()
    if ENCRYPTION_KEY not in existing:
        made[ENCRYPTION_KEY] = base64.b64encode(os.urandom(32))
    for spec in certificates(layout):
        authority = authorities[spec.authority]
        kept = existing.get(f"{spec.name}.crt", b"")
        if f"{spec.name}.key" not in existing or not is_right(kept, spec, authority.certificate, now=now):
            pair = issue(spec, authority, now=now)
            made[f"{spec.name}.crt"], made[f"{spec.name}.key"] = pair.certificate, pair.key
    everything = {**existing, **made}
    admin = kubeconfig(
        f"https://{layout.masters[0].address}:6443",
        everything["ca.crt"],
        KeyPair(everything["admin.crt"], everything["admin.key"]),
        user="kcloud:portal",
    ).encode()
    if existing.get(ADMIN_KUBECONFIG) != admin:
        made[ADMIN_KUBECONFIG] = admin
    return made


def make_authority(common_name: str, *, now: datetime.datetime) -> KeyPair:
    """A self-signed authority that may sign certificates, not further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(common_name)
    certificate = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def issue(
    spec: CertificateSpec, authority: KeyPair, *, now: datetime.datetime, days: int = CERTIFICATE_DAYS
) -> KeyPair:
    """A certificate as described, with a fresh key."""
    signer = x509.load_pem_x509_certificate(authority.certificate)
    signing_key = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"the key of authority {spec.authority} is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(spec.common_name, spec.organization), signer.subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_purposes(spec)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
    )
    if spec.names:
        names = x509.SubjectAlternativeName([_general_name(name) for name in spec.names])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(signing_key, hashes.SHA256())
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def is_right(certificate: bytes, spec: CertificateSpec, authority: bytes, *, now: datetime.datetime) -> bool:
    """Whether the certificate is what the description asks for, from this authority, and lasts long enough."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except (ValueError, TypeError, InvalidSignature):
        return False
    lasts = found.not_valid_after_utc - now > datetime.timedelta(days=RENEW_DAYS)
    return (
        lasts
        and found.subject == _name(spec.common_name, spec.organization)
        and _names(found) == set(spec.names)
    )


def make_signing_key() -> tuple[bytes, bytes]:
    """Private and public key for service account tokens, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _pem(key), public


def kubeconfig(server: str, authority: bytes, pair: KeyPair, *, user: str) -> str:
    """A kubeconfig with everything inside (JSON is YAML): no file names, no programs."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    sign_in = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": user, "user": sign_in}],
        "contexts": [{"name": "default", "context": {"cluster": "cluster", "user": user}}],
        "current-context": "default",
    }
    return json.dumps(document, indent=1) + "\n"


def _authority(
    name: str, existing: Mapping[str, bytes], made: dict[str, bytes], now: datetime.datetime
) -> KeyPair:
    if f"{name}.crt" in existing and f"{name}.key" in existing:
        return KeyPair(existing[f"{name}.crt"], existing[f"{name}.key"])
    pair = make_authority(f"kcloud-{name}", now=now)
    made[f"{name}.crt"], made[f"{name}.key"] = pair.certificate, pair.key
    return pair


def _api_names(layout: Layout) -> tuple[str, ...]:
    service = "kubernetes.default.svc"
    fixed = (
        "kubernetes",
        "kubernetes.default",
        service,
        f"{service}.{layout.domain}",
        "localhost",
        "127.0.0.1",
    )
    masters = [text for master in layout.masters for text in (master.name, master.address)]
    return (*fixed, layout.service_address, *masters)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(spec: CertificateSpec) -> Sequence[x509.ObjectIdentifier]:
    server = [ExtendedKeyUsageOID.SERVER_AUTH] if spec.server else []
    return [*server, ExtendedKeyUsageOID.CLIENT_AUTH] if spec.client else server


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found}


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
