"""A bundle is used only when it is, byte for byte, what a trusted operator signed."""

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle import signing
from clusters.bundle.errors import (
    BundleError,
    BundleFileDiffers,
    BundleFileExtra,
    BundleFileMissing,
    BundleManifestInvalid,
    BundleMissing,
    BundleSignatureInvalid,
)
from clusters.bundle.manifest import MANIFEST, SIGNATURE
from clusters.bundle.verification import verify


@pytest.fixture
def trusted(key):
    return [key.public_key()]


def test_a_good_bundle_passes_and_says_who_signed_it(bundle, key, trusted):
    heard = []
    report = verify(bundle, trusted, on_file=lambda file: heard.append(file.path))
    assert report.key_id == signing.key_id(key.public_key())
    assert report.deep
    assert report.size == 49
    assert heard == [file.path for file in report.manifest.files]


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("path", ["bin/etcd", "debs/bookworm-amd64/Packages", "licences/etcd.txt"])
def test_one_changed_bit_is_refused_with_the_files_name(bundle, trusted, path, place):
    content = bytearray((bundle / path).read_bytes())
    content[{"first": 0, "middle": len(content) // 2, "last": -1}[place]] ^= 1
    (bundle / path).write_bytes(content)
    with pytest.raises(BundleFileDiffers, match=path) as caught:
        verify(bundle, trusted)
    assert caught.value.file == path
    assert "bundle build" in caught.value.remedy


def test_a_shallow_check_sees_sizes_but_not_contents(bundle, trusted):
    (bundle / "bin/etcd").write_bytes(b"STORE")
    assert not verify(bundle, trusted, deep=False).deep
    (bundle / "bin/etcd").write_bytes(b"longer")
    with pytest.raises(BundleFileDiffers, match="6 bytes instead of 5"):
        verify(bundle, trusted, deep=False)


@pytest.mark.parametrize("deep", [True, False])
def test_a_missing_file_is_named(bundle, trusted, deep):
    (bundle / "images/pause.tar").unlink()
    with pytest.raises(BundleFileMissing) as caught:
        verify(bundle, trusted, deep=deep)
    assert caught.value.file == "images/pause.tar"


def test_a_file_in_the_place_of_a_folder_counts_as_missing_ones(bundle, trusted):
    (bundle / "images/pause.tar").unlink()
    (bundle / "images").rmdir()
    (bundle / "images").write_bytes(b"")
    with pytest.raises(BundleFileExtra, match="images"):
        verify(bundle, trusted)


@pytest.mark.parametrize("path", ["bin/extra", "note.txt", "debs/bookworm-amd64/other.deb", "bin/.hidden"])
def test_a_file_too_many_is_named(bundle, trusted, path):
    (bundle / path).write_bytes(b"")
    with pytest.raises(BundleFileExtra) as caught:
        verify(bundle, trusted)
    assert caught.value.file == path


def test_a_link_in_the_place_of_a_file_is_refused_though_its_bytes_are_right(bundle, trusted, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"store")
    (bundle / "bin/etcd").unlink()
    (bundle / "bin/etcd").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleFileDiffers, match=r"bin/etcd.*not a plain file"):
        verify(bundle, trusted)


def test_a_folder_that_is_a_link_is_refused(bundle, trusted, tmp_path):
    (bundle / "images").rename(tmp_path / "images")
    (bundle / "images").symlink_to(tmp_path / "images")
    with pytest.raises(BundleFileExtra, match="images"):
        verify(bundle, trusted)


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(bundle, trusted):
    (bundle / "bin/etcd").unlink()
    os.mkfifo(bundle / "bin/etcd")
    with pytest.raises(BundleFileDiffers, match="not a plain file"):
        verify(bundle, trusted)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_every_changed_bit_of_manifest_and_signature_is_refused(bundle, trusted, name):
    good = (bundle / name).read_bytes()

    @given(st.integers(0, len(good) * 8 - 1))
    def flip(bit):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        (bundle / name).write_bytes(changed)
        with pytest.raises(BundleSignatureInvalid):
            verify(bundle, trusted)

    flip()


def test_a_changed_manifest_with_right_sums_is_refused(bundle, trusted, write_bundle):
    """An attacker who changes a file and its sum cannot sign."""
    signature = (bundle / SIGNATURE).read_bytes()
    contents = {"bin/etcd": (b"evil!", "binary")}
    for path in list(bundle.rglob("*")):
        if path.is_file():
            path.unlink()
    write_bundle(bundle, contents)
    (bundle / SIGNATURE).write_bytes(signature)
    with pytest.raises(BundleSignatureInvalid, match="changed after it was signed"):
        verify(bundle, trusted)


def test_a_bundle_of_a_stranger_is_refused_and_the_keys_are_named(bundle, key):
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(BundleSignatureInvalid) as caught:
        verify(bundle, [other])
    assert signing.key_id(key.public_key()) in str(caught.value)
    assert signing.key_id(other) in str(caught.value)
    assert "trusted keys" in caught.value.remedy


def test_without_any_trusted_key_nothing_passes(bundle):
    with pytest.raises(BundleSignatureInvalid, match=r"trusted: none"):
        verify(bundle, [])


def test_one_trusted_key_among_several_is_enough(bundle, trusted):
    strangers = [Ed25519PrivateKey.generate().public_key() for _ in range(2)]
    assert verify(bundle, [strangers[0], *trusted, strangers[1]]).manifest


def test_a_signed_manifest_that_leads_outside_is_refused(bundle, key, trusted):
    data = json.loads((bundle / MANIFEST).read_bytes())
    data["files"][0]["path"] = "../../etc/passwd"
    raw = json.dumps(data).encode()
    (bundle / MANIFEST).write_bytes(raw)
    (bundle / SIGNATURE).write_bytes(signing.sign(raw, key))
    with pytest.raises(BundleManifestInvalid, match=r"\.\./\.\./etc/passwd"):
        verify(bundle, trusted)


def test_a_missing_signature_is_refused(bundle, trusted):
    (bundle / SIGNATURE).unlink()
    with pytest.raises(BundleSignatureInvalid, match="cannot be read"):
        verify(bundle, trusted)


@pytest.mark.parametrize(
    "envelope",
    [b"", b"no json", b"[]", b"{}", b'{"algorithm": "ed25519"}', b'{"algorithm": "none", "key_id": "a"}']
    + [b'{"algorithm": "ed25519", "key_id": "a", "signature": "%%"}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_signature_is_refused(bundle, trusted, envelope):
    (bundle / SIGNATURE).write_bytes(envelope)
    with pytest.raises(BundleSignatureInvalid):
        verify(bundle, trusted)


def test_a_version_without_bundle_says_how_to_build_it(tmp_path, trusted):
    with pytest.raises(BundleMissing, match=r"1\.34\.4") as caught:
        verify(tmp_path / "1.34.4", trusted)
    assert "bundle build --version 1.34.4" in caught.value.remedy


def test_the_operators_key_is_made_once_and_is_the_operators_alone(tmp_path):
    first = signing.operator_key(tmp_path / "s")
    again = signing.operator_key(tmp_path / "s")
    assert first.private_bytes_raw() == again.private_bytes_raw()
    assert stat.S_IMODE((tmp_path / "s" / "bundle-key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["bundle-key", "bundle-key.pub"]


def test_the_public_key_beside_it_is_what_another_operator_trusts(tmp_path, bundle, write_bundle):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_bundle(bundle, signer=signing.operator_key(theirs))
    assert signing.trusted_keys(ours) == []
    (ours / "trusted-bundle-keys").mkdir(parents=True)
    (theirs / "bundle-key.pub").rename(ours / "trusted-bundle-keys" / "them.pub")
    assert verify(bundle, signing.trusted_keys(ours)).manifest


def test_the_operator_trusts_the_own_key(tmp_path, bundle, write_bundle):
    write_bundle(bundle, signer=signing.operator_key(tmp_path / "s"))
    assert verify(bundle, signing.trusted_keys(tmp_path / "s")).manifest


def _elliptic(private):
    key = generate_private_key(SECP256R1())
    if private:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", _elliptic(private=True)], ids=["empty", "text", "another kind"]
)
def test_a_damaged_operators_key_is_named_and_not_replaced(tmp_path, content):
    (tmp_path / "bundle-key").write_bytes(content)
    with pytest.raises(BundleError, match="bundle-key is not an Ed25519 key"):
        signing.operator_key(tmp_path)
    assert (tmp_path / "bundle-key").read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"", b"not a key", _elliptic(private=False)], ids=["empty", "text", "another kind"]
)
def test_a_trusted_key_that_is_none_is_named(tmp_path, content):
    (tmp_path / "trusted-bundle-keys").mkdir()
    (tmp_path / "trusted-bundle-keys" / "x.pub").write_bytes(content)
    with pytest.raises(BundleError, match=r"x\.pub is not an Ed25519 key"):
        signing.trusted_keys(tmp_path)
