"""The certificates of a cluster: a chain that verifies, names that fit, and nothing made twice."""

import base64
import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.deploying import pki
from clusters.deploying.pki import CertificateSpec, KeyPair, Layout, Member
from clusters.kubeconfigs import kubeconfig

NOW = datetime.datetime(2026, 5, 1, 12, 0, tzinfo=datetime.UTC)
YEAR = datetime.timedelta(days=365)
ONE = Layout(
    (Member("m1", "10.0.0.1"),),
    (Member("w1", "10.0.0.2"), Member("w2", "10.0.0.3")),
    "10.96.0.1",
    "cluster.local",
)
THREE = Layout(
    (Member("m1", "10.0.0.1"), Member("m2", "10.0.0.4"), Member("m3", "10.0.0.5")),
    ONE.workers,
    "10.96.0.1",
    "k.example",
)


@pytest.fixture(scope="module")
def made():
    return pki.complete({}, ONE, now=NOW)


def load(pem):
    return x509.load_pem_x509_certificate(pem)


def names_of(pem):
    found = load(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def purposes_of(pem):
    return set(load(pem).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def subject_of(pem):
    subject = load(pem).subject
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, groups[0].value if groups else ""


@pytest.mark.parametrize("layout", [ONE, THREE], ids=["one master", "three masters"])
def test_every_certificate_verifies_against_its_own_authority_only(layout):
    made = pki.complete({}, layout, now=NOW)
    for spec in pki.certificates(layout):
        certificate = load(made[f"{spec.name}.crt"])
        certificate.verify_directly_issued_by(load(made[f"{spec.authority}.crt"]))
        for other in set(pki.AUTHORITIES) - {spec.authority}:
            with pytest.raises(ValueError):
                certificate.verify_directly_issued_by(load(made[f"{other}.crt"]))


def test_every_key_belongs_to_its_certificate(made):
    for name, pem in made.items():
        if name.endswith(".crt"):
            key = serialization.load_pem_private_key(made[name.replace(".crt", ".key")], None)
            assert key.public_key() == load(pem).public_key()


def test_the_api_answers_to_every_name_it_is_called_by():
    made = pki.complete({}, THREE, now=NOW)
    assert names_of(made["apiserver.crt"]) == {
        "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.k.example",
        "localhost", "127.0.0.1", "10.96.0.1", "m1", "10.0.0.1", "m2", "10.0.0.4", "m3", "10.0.0.5",
    }  # fmt: skip
    assert purposes_of(made["apiserver.crt"]) == {ExtendedKeyUsageOID.SERVER_AUTH}


def test_a_kubelet_is_the_node_kubernetes_expects(made):
    assert subject_of(made["kubelet-w1.crt"]) == ("system:node:w1", "system:nodes")
    assert names_of(made["kubelet-w1.crt"]) == {"w1", "10.0.0.2"}
    assert purposes_of(made["kubelet-w1.crt"]) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }


def test_the_store_answers_on_loopback_too(made):
    assert names_of(made["etcd-m1.crt"]) == {"m1", "10.0.0.1", "localhost", "127.0.0.1"}


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("controller-manager", ("system:kube-controller-manager", "")),
        ("scheduler", ("system:kube-scheduler", "")),
        ("kube-proxy", ("system:kube-proxy", "")),
        ("apiserver-kubelet-client", ("kube-apiserver-kubelet-client", "system:masters")),
    ],
)
def test_each_service_signs_in_as_itself(made, name, subject):
    assert subject_of(made[f"{name}.crt"]) == subject
    assert purposes_of(made[f"{name}.crt"]) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_only_authorities_may_sign_and_not_further_authorities(made):
    for name in pki.AUTHORITIES:
        rule = load(made[f"{name}.crt"]).extensions.get_extension_for_class(x509.BasicConstraints)
        assert rule.critical
        assert (rule.value.ca, rule.value.path_length) == (True, 0)
    rule = load(made["admin.crt"]).extensions.get_extension_for_class(x509.BasicConstraints)
    assert rule.value.ca is False


def test_a_host_whose_clock_is_behind_accepts_the_certificates(made):
    assert load(made["apiserver.crt"]).not_valid_before_utc <= NOW - datetime.timedelta(minutes=59)


def test_nothing_is_made_twice(made):
    assert pki.complete(made, ONE, now=NOW) == {}


def test_a_missing_key_is_made_again_alone(made):
    kept = {name: data for name, data in made.items() if name != "scheduler.key"}
    assert set(pki.complete(kept, ONE, now=NOW)) == {"scheduler.crt", "scheduler.key"}


def test_a_moved_host_gets_a_new_certificate_and_the_others_keep_theirs(made):
    moved = Layout(ONE.masters, (Member("w1", "10.0.0.99"), ONE.workers[1]), ONE.service_address, ONE.domain)
    again = pki.complete(made, moved, now=NOW)
    assert set(again) == {"kubelet-w1.crt", "kubelet-w1.key"}
    assert "10.0.0.99" in names_of(again["kubelet-w1.crt"])


def test_another_worker_touches_no_other_certificate(made):
    more = Layout(ONE.masters, (*ONE.workers, Member("w3", "10.0.0.9")), ONE.service_address, ONE.domain)
    assert set(pki.complete(made, more, now=NOW)) == {"kubelet-w3.crt", "kubelet-w3.key"}


def test_certificates_near_their_end_are_renewed_and_authorities_kept(made):
    later = NOW + YEAR - datetime.timedelta(days=pki.RENEW_DAYS - 1)
    again = pki.complete(made, ONE, now=later)
    leaves = {f"{spec.name}.{end}" for spec in pki.certificates(ONE) for end in ("crt", "key")}
    assert set(again) == leaves | {pki.ADMIN_KUBECONFIG}


def test_a_certificate_of_a_stranger_is_not_right(made):
    stranger = pki.make_authority("kcloud-ca", now=NOW)
    spec = next(spec for spec in pki.certificates(ONE) if spec.name == "admin")
    forged = pki.issue(spec, stranger, now=NOW)
    assert not pki.is_right(forged.certificate, spec, made["ca.crt"], now=NOW)
    assert pki.is_right(made["admin.crt"], spec, made["ca.crt"], now=NOW)


@pytest.mark.parametrize(
    "text", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_not_right(made, text):
    assert not pki.is_right(text, pki.certificates(ONE)[0], made["ca.crt"], now=NOW)


def test_the_portal_can_read_its_own_kubeconfig(made):
    config = kubeconfig.parse(made[pki.ADMIN_KUBECONFIG])
    assert config.server == "https://10.0.0.1:6443"
    assert config.certificate_authority == made["ca.crt"]
    assert config.client_certificate == made["admin.crt"]
    assert config.client_key == made["admin.key"]


def test_a_kubeconfig_names_no_files_and_no_programs(made):
    pair = KeyPair(made["kube-proxy.crt"], made["kube-proxy.key"])
    document = json.loads(
        pki.kubeconfig("https://127.0.0.1:6443", made["ca.crt"], pair, user="system:kube-proxy")
    )
    assert set(document["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert set(document["clusters"][0]["cluster"]) == {"server", "certificate-authority-data"}


def test_the_encryption_key_is_32_random_bytes_of_this_cluster(made):
    other = pki.complete({}, ONE, now=NOW)
    assert len(base64.b64decode(made[pki.ENCRYPTION_KEY])) == 32
    assert made[pki.ENCRYPTION_KEY] != other[pki.ENCRYPTION_KEY]


def test_an_authority_that_is_no_curve_key_is_refused(made):
    with pytest.raises(ValueError, match="elliptic curve"):
        pki.issue(pki.certificates(ONE)[0], KeyPair(made["ca.crt"], made["sa.key"]), now=NOW)


LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.ip_addresses(v=4).map(str)


@settings(max_examples=25)
@given(names=st.sets(st.one_of(LABELS, ADDRESSES), min_size=1, max_size=8), server=st.booleans())
def test_a_certificate_carries_exactly_the_names_asked_for(made, names, server):
    authority = KeyPair(made["ca.crt"], made["ca.key"])
    spec = CertificateSpec("x", "ca", "somebody", server=server, names=tuple(names))
    pair = pki.issue(spec, authority, now=NOW)
    assert names_of(pair.certificate) == names
    assert pki.is_right(pair.certificate, spec, authority.certificate, now=NOW)
    fewer = CertificateSpec("x", "ca", "somebody", server=server, names=tuple(names)[1:])
    assert not pki.is_right(pair.certificate, fewer, authority.certificate, now=NOW)
