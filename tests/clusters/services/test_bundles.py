"""The bundles the portal knows: verified when new or changed, refused with the file's name, forgotten when gone."""

import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.urls import reverse

from clusters.bundle import signing, verification
from clusters.bundle.manifest import MANIFEST, SIGNATURE, Manifest, ManifestFile, encode
from clusters.models import Bundle, Cluster
from clusters.selectors import bundles as selectors
from clusters.services import bundles
from kcloud_site.audit.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(monkeypatch):
    key = Ed25519PrivateKey.generate()
    monkeypatch.setattr(signing, "trusted_keys", lambda: [key.public_key()])
    return key


@pytest.fixture
def folder(tmp_path, settings):
    settings.BUNDLES_DIR = tmp_path
    return tmp_path


@pytest.fixture
def make(folder, key):
    """Writes a small signed bundle and answers its directory."""

    def write(version="1.34.4", name=None, programs=("etcd", "kubelet")):
        directory = folder / (name or version)
        files = []
        for program in programs:
            path = directory / "bin" / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(program.encode() * 100)
            files.append(
                ManifestFile(
                    path=f"bin/{program}",
                    kind="binary",
                    component=program,
                    version="3.6.16" if program == "etcd" else version,
                    licence="Apache-2.0",
                    size=path.stat().st_size,
                    sha256=verification.sha256_of(path),
                    source=f"example.com/{program}@v1",
                )
            )
        manifest = Manifest(version, "2026-01-01T00:00:00Z", "linux", "amd64", "bookworm", tuple(files))
        raw = encode(manifest)
        (directory / MANIFEST).write_bytes(raw)
        (directory / SIGNATURE).write_bytes(signing.sign(raw, key))
        return directory

    return write


def test_a_signed_bundle_is_verified_with_its_contents(make):
    make()
    row = bundles.refresh_bundles()[0]
    assert (row.version, row.state, row.state_reason) == ("1.34.4", "verified", "")
    assert row.components["programs"] == ["etcd", "kubelet"]
    assert row.components["components"]["etcd"]["version"] == "3.6.16"
    assert (row.components["arch"], row.components["suite"]) == ("amd64", "bookworm")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: (d / "bin/etcd").write_bytes(b"evil" * 100), "bin/etcd differs"),
        (lambda d: (d / "bin/etcd").unlink(), "bin/etcd is in the manifest but not"),
        (lambda d: (d / "bin/extra").write_bytes(b"x"), "bin/extra is in the bundle but not"),
        (lambda d: (d / SIGNATURE).unlink(), "signature is not valid"),
        (lambda d: (d / MANIFEST).write_text("{}"), "changed after it was signed"),
        (lambda d: (d / MANIFEST).unlink(), "There is no release bundle"),
    ],
)
def test_a_spoiled_bundle_is_refused_with_what_and_the_remedy(make, spoil, words):
    spoil(make())
    row = bundles.refresh_bundles()[0]
    assert row.state == "refused"
    assert words in row.state_reason


def test_a_bundle_of_an_untrusted_key_is_refused(make, monkeypatch):
    make()
    monkeypatch.setattr(signing, "trusted_keys", list)
    assert "not trusted" in bundles.refresh_bundles()[0].state_reason


def test_a_bundle_in_a_folder_of_another_version_is_refused(make):
    make(version="1.34.4", name="1.33.13")
    assert "the folder is named 1.33.13" in bundles.refresh_bundles()[0].state_reason


def test_what_has_not_changed_is_not_read_again(make, monkeypatch):
    make()
    bundles.refresh_bundles()
    monkeypatch.setattr(verification, "verify", lambda *args, **kwargs: pytest.fail("read again"))
    assert bundles.refresh_bundles()[0].state == "verified"


def test_a_changed_byte_is_found_even_when_size_and_time_were_put_back(make):
    directory = make()
    bundles.refresh_bundles()
    path = directory / "bin/etcd"
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    row = bundles.refresh_bundle(version="1.34.4")
    assert row.state == "refused"
    assert "bin/etcd differs" in row.state_reason


def test_a_repaired_bundle_is_verified_again(make):
    directory = make()
    (directory / "bin/etcd").unlink()
    assert bundles.refresh_bundles()[0].state == "refused"
    make()
    assert bundles.refresh_bundles()[0].state == "verified"


def test_a_bundle_that_is_gone_is_forgotten(make):
    directory = make()
    bundles.refresh_bundles()
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()
    assert bundles.refresh_bundles() == []
    assert not Bundle.objects.exists()


@pytest.mark.parametrize("version", ["..", "1.34", "../1.34.4", "", "1.34.4/../x", "latest"])
def test_a_version_that_is_no_version_reads_nothing(folder, version):
    assert bundles.refresh_bundle(version=version) is None


def test_other_folders_and_files_are_left_alone(folder, make):
    make()
    (folder / "store").mkdir()
    (folder / "1.35.0").write_text("a file")
    assert [row.version for row in bundles.refresh_bundles()] == ["1.34.4"]


def test_without_a_folder_there_are_no_bundles(settings, tmp_path):
    settings.BUNDLES_DIR = tmp_path / "nowhere"
    assert bundles.refresh_bundles() == []


def test_looking_again_is_audited_when_a_person_asks(make, operator):
    make()
    bundles.refresh_bundles()
    bundles.refresh_bundles(by=operator)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.after) == ("bundle.rescan", "operator", {"1.34.4": "verified"})


def test_versions_are_sorted_as_numbers_and_refused_ones_stand_first(make):
    for version in ("1.34.4", "1.34.10", "1.33.13"):
        make(version)
    bundles.refresh_bundles()
    Bundle.objects.filter(version="1.33.13").update(state="refused", state_reason="x")
    Cluster.objects.create(name="prod", version="1.34.10")
    found = selectors.all_bundles()
    assert [view.row.version for view in found] == ["1.33.13", "1.34.10", "1.34.4"]
    assert found[1].clusters == ["prod"]
    assert [row.version for row in selectors.usable_versions()] == ["1.34.10", "1.34.4"]


def test_the_page_lists_bundles_and_what_is_wrong_with_them(client, operator, make):
    client.force_login(operator)
    (make() / "bin/etcd").unlink()
    assert client.post(reverse("clusters:bundles")).status_code == 303
    page = client.get(reverse("clusters:bundles")).content.decode()
    assert "Kubernetes 1.34.4" in page
    assert "bin/etcd is in the manifest but not in the bundle." in page


def test_without_a_bundle_the_page_says_how_to_build_one(client, operator, folder):
    client.force_login(operator)
    assert b"manage.py bundle build" in client.get(reverse("clusters:bundles")).content


def test_a_hostile_manifest_text_is_shown_as_text(client, operator, folder):
    client.force_login(operator)
    (folder / "1.34.4").mkdir()
    (folder / "1.34.4" / MANIFEST).write_text(json.dumps({"<script>": 1}))
    (folder / "1.34.4" / SIGNATURE).write_text("<script>alert(1)</script>")
    client.post(reverse("clusters:bundles"))
    assert b"<script>alert" not in client.get(reverse("clusters:bundles")).content
