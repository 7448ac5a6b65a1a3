"""Certificates for tests: an authority, and what it signs. Elliptic curves, because they are quick to
make."""

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Pair:
    certificate: bytes
    key: bytes


class Authority:
    def __init__(self, name="test-authority"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        builder = _builder(self.name, self.name, self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True
        )
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
        )
        self.certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def sign(self, name, *, group="", addresses=("127.0.0.1",), names=("localhost",)):
        """A certificate good for both sides of a connection, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        alternatives += [x509.DNSName(each) for each in names]
        builder = _builder(_name(name, group), self.name, key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        return Pair(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM), key_pem(key))


def key_pem(key, passphrase=b""):
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


@cache
def authority():
    """One authority for the whole run."""
    return Authority()


@cache
def client():
    return authority().sign("portal", group="system:masters")


@cache
def placeholders():
    """What stands for the @…@ marks in the kubeconfigs under tests/clusters/kubeconfigs."""
    other = ec.generate_private_key(ec.SECP256R1())
    values = {
        "CA": authority().certificate,
        "CERT": client().certificate,
        "KEY": client().key,
        "OTHER_KEY": key_pem(other),
        "ENCRYPTED_KEY": key_pem(other, b"passphrase"),
    }
    return {f"@{name}@".encode(): base64.b64encode(value) for name, value in values.items()}


def filled(text):
    """The bytes of a corpus file with real certificates in place of its marks."""
    data = text.encode() if isinstance(text, str) else text
    for mark, value in placeholders().items():
        data = data.replace(mark, value)
    return data


def _name(common_name, group=""):
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject, issuer, public_key):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(END)
    )
