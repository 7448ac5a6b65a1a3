"""Official release archives, from a mirror on loopback."""

import dataclasses
import hashlib
import io

import pytest

from clusters.bundle import catalogue, debian, golang, releases
from clusters.bundle.builder import Builder, Target
from clusters.bundle.components import Workshop
from clusters.bundle.errors import BundleError, ChecksumWrong, ComponentFailed, DownloadFailed
from clusters.bundle.process import Processes
from clusters.bundle.progress import Progress
from clusters.bundle.releases import (
    archive_url,
    coredns_archive,
    etcd_archive,
    fetch_programs,
    kubernetes_archive,
    parse_addresses,
)
from clusters.bundle.store import Store
from clusters.bundle.verification import verify

ETCD_STEM = f"etcd-v{catalogue.ETCD}-linux-amd64"
ETCD_PATH = f"/etcd/v{catalogue.ETCD}/{ETCD_STEM}.tar.gz"
ETCD_SUMS = f"/etcd/v{catalogue.ETCD}/SHA256SUMS"


@pytest.fixture
def publish(mirror, tarball):
    """Puts an archive and its checksum onto the mirror."""

    def put(path, contents, sums, form="{sum}  {name}\n"):
        raw = tarball(contents)
        mirror.files[path] = raw
        name = path.rpartition("/")[2]
        mirror.files[sums] = form.format(sum=hashlib.sha256(raw).hexdigest(), name=name).encode()

    return put


@pytest.fixture
def etcd(publish):
    contents = {f"{ETCD_STEM}/{name}": name.encode() for name in ("etcd", "etcdctl", "etcdutl", "README.md")}
    publish(ETCD_PATH, contents, ETCD_SUMS)


@pytest.fixture
def fetch(mirror, tmp_path):
    def run(archive=None, addresses=None):
        return fetch_programs(
            archive or etcd_archive("amd64"),
            addresses or parse_addresses([mirror.url]),
            tmp_path / "downloads",
            tmp_path / "bin",
        )

    return run


def test_the_named_programs_are_taken_and_nothing_else(etcd, fetch, tmp_path, mirror):
    artifacts = fetch()
    assert {path.name: path.read_bytes() for path in (tmp_path / "bin").iterdir()} == {
        "etcd": b"etcd",
        "etcdctl": b"etcdctl",
        "etcdutl": b"etcdutl",
    }
    assert [artifact.path for artifact in artifacts] == ["bin/etcd", "bin/etcdctl", "bin/etcdutl"]
    assert {artifact.source for artifact in artifacts} == {mirror.url + ETCD_PATH}
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_broken_download_is_taken_up_again(etcd, fetch, tmp_path, mirror):
    mirror.cut_after = [10_000, 100]  # the checksum file whole, then the archive in two pieces
    fetch()
    assert (ETCD_PATH, "bytes=100-") in mirror.asked
    assert (tmp_path / "bin/etcd").read_bytes() == b"etcd"


def test_a_changed_archive_is_refused_with_its_name_and_nothing_is_unpacked(etcd, fetch, tmp_path, mirror):
    mirror.files[ETCD_PATH] = mirror.files[ETCD_PATH][:-1] + b"x"
    with pytest.raises(ChecksumWrong) as caught:
        fetch()
    assert caught.value.file == f"{ETCD_STEM}.tar.gz"
    assert not (tmp_path / "bin").exists()


@pytest.mark.parametrize("gone", [ETCD_PATH, ETCD_SUMS])
def test_what_the_mirror_lacks_is_named_with_its_address(etcd, fetch, mirror, gone):
    del mirror.files[gone]
    with pytest.raises(DownloadFailed, match="404") as caught:
        fetch()
    assert caught.value.url == mirror.url + gone
    assert "KCLOUD_RELEASES_URL" in caught.value.remedy


def test_an_archive_without_a_program_is_refused_and_the_program_named(publish, fetch):
    publish(ETCD_PATH, {f"{ETCD_STEM}/etcd": b"e", f"{ETCD_STEM}/etcdctl": b"c"}, ETCD_SUMS)
    with pytest.raises(ComponentFailed, match=r"lacks .*/etcdutl"):
        fetch()


def test_a_program_elsewhere_in_the_archive_is_not_taken(publish, fetch):
    names = ("etcd", "../etcdctl", f"{ETCD_STEM}/sub/etcdutl")
    publish(ETCD_PATH, {name: b"x" for name in names}, ETCD_SUMS)
    with pytest.raises(ComponentFailed, match="lacks"):
        fetch()


def test_what_is_no_archive_is_refused(fetch, mirror):
    mirror.files[ETCD_PATH] = b"<html>Welcome</html>"
    sha256 = hashlib.sha256(mirror.files[ETCD_PATH]).hexdigest()
    mirror.files[ETCD_SUMS] = f"{sha256}  {ETCD_STEM}.tar.gz".encode()
    with pytest.raises(ComponentFailed, match="cannot be unpacked"):
        fetch()


def test_kubernetes_is_published_with_a_bare_sum(publish, fetch, tmp_path):
    contents = {f"kubernetes/server/bin/{name}": name.encode() for name in catalogue.KUBERNETES_BINARIES}
    path = "/kubernetes/v1.34.4/kubernetes-server-linux-amd64.tar.gz"
    publish(path, contents, f"{path}.sha256", form="{sum}")
    fetch(kubernetes_archive("1.34.4", "amd64"))
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == sorted(catalogue.KUBERNETES_BINARIES)


def test_each_component_may_have_an_address_of_its_own(etcd, mirror, fetch, tmp_path):
    fetch(addresses=parse_addresses(["http://127.0.0.1:9/none", f"etcd={mirror.url}/etcd/"]))
    assert (tmp_path / "bin/etcd").exists()


def test_addresses_are_read_from_options():
    addresses = parse_addresses(["https://mirror/", "etcd=https://other/releases"])
    assert archive_url(etcd_archive("amd64"), addresses).startswith("https://other/releases/v3.")
    url = archive_url(kubernetes_archive("1.33.13", "arm64"), addresses)
    assert url == "https://mirror/kubernetes/v1.33.13/kubernetes-server-linux-arm64.tar.gz"


def test_an_address_with_an_equals_sign_is_an_address():
    url = archive_url(coredns_archive("amd64"), parse_addresses(["https://mirror/?key=1"]))
    assert url.startswith("https://mirror/?key=1/coredns/")


def test_a_component_without_address_says_which_option_gives_one():
    with pytest.raises(BundleError, match="download coredns") as caught:
        archive_url(coredns_archive("amd64"), parse_addresses(["etcd=https://mirror"]))
    assert "--url coredns=https://MIRROR" in caught.value.remedy


@pytest.fixture
def workshop(mirror, tmp_path, monkeypatch):
    """A workshop whose packages and compiler are not asked for."""
    processes = Processes()
    package = debian.Package("runc_1_amd64.deb", 1, "0" * 64)
    monkeypatch.setattr(debian.Apt, "resolve", lambda self, roots: [package])
    monkeypatch.setattr(debian.Apt, "exactly", lambda self, names: [package])
    return Workshop(
        go=golang.GoBuilder(golang.Toolchain("go", "go1.26.8"), tmp_path, processes),
        apt=debian.Apt(tmp_path / "apt", processes),
        release=debian.Release("bookworm", "amd64"),
        processes=processes,
        downloads=tmp_path / "downloads",
        addresses=releases.parse_addresses([mirror.url]),
    )


def test_a_release_bundle_has_the_same_components_as_one_from_source(workshop, tmp_path):
    from_source = Workshop(
        workshop.go, workshop.apt, workshop.release, workshop.processes, workshop.downloads, addresses=None
    )
    names = [component.name for component in workshop.components("1.34.4")]
    assert names == [component.name for component in from_source.components("1.34.4")]
    assert {"etcd 3.6.16", "coredns image", "kubernetes 1.34.4", "pause image", "hello image"} < set(names)


def test_components_of_two_versions_share_all_but_kubernetes(workshop):
    one = {component.key: component.name for component in workshop.components("1.34.4")}
    other = {component.key: component.name for component in workshop.components("1.33.13")}
    assert {one[key] for key in one.keys() - other.keys()} == {"kubernetes 1.34.4"}


def test_downloads_do_not_wait_for_the_compiler(workshop):
    waiting = {component.name for component in workshop.components("1.34.4") if component.fetches}
    assert waiting == {
        "packages bookworm",
        "shop images",
        "etcd 3.6.16",
        "coredns image",
        "kubernetes 1.34.4",
    }


def test_the_dns_image_is_made_around_the_released_program(workshop, publish, tmp_path):
    path = f"/coredns/v{catalogue.COREDNS}/coredns_{catalogue.COREDNS}_linux_amd64.tgz"
    publish(path, {"coredns": b"\x7fELF dns"}, f"{path}.sha256")
    (component,) = [part for part in workshop.components("1.34.4") if part.name == "coredns image"]
    entry = Store(tmp_path / "store").make(
        component.key, lambda work: component.make(work, lambda share: None)
    )
    assert [file.path for file in entry.files] == ["images/coredns.tar"]
    assert b"\x7fELF dns" in (entry.directory / "images/coredns.tar").read_bytes()
    assert sorted(path.name for path in entry.directory.iterdir()) == ["entry.json", "images"]


def test_another_mirror_is_another_recipe(workshop):
    other = Workshop(
        workshop.go,
        workshop.apt,
        workshop.release,
        workshop.processes,
        workshop.downloads,
        parse_addresses(["https://other"]),
    )
    changed = {
        one.name
        for one, two in zip(workshop.components("1.34.4"), other.components("1.34.4"), strict=True)
        if one.key != two.key
    }
    assert changed == {"etcd 3.6.16", "coredns image", "kubernetes 1.34.4"}


def test_a_whole_bundle_is_built_from_a_mirror(workshop, publish, etcd, mirror, tmp_path, key):
    """All but the Debian packages: archives with a broken line in between, our own programs by a stand-in for go."""
    go = tmp_path / "go"
    go.write_text(
        '#!/bin/sh\n[ "$1" = build ] || exit 0\nwhile [ "$1" != -o ]; do shift; done\nto="$2"; shift 2\n'
        'case "$to" in */) for each; do echo program > "$to${each##*/}"; done;; *) echo program > "$to";; esac\n'
    )
    go.chmod(0o755)
    kubernetes = {f"kubernetes/server/bin/{name}": name.encode() for name in catalogue.KUBERNETES_BINARIES}
    path = "/kubernetes/v1.33.13/kubernetes-server-linux-amd64.tar.gz"
    publish(path, kubernetes, f"{path}.sha256", form="{sum}")
    path = f"/coredns/v{catalogue.COREDNS}/coredns_{catalogue.COREDNS}_linux_amd64.tgz"
    publish(path, {"coredns": b"dns"}, f"{path}.sha256")
    mirror.cut_after = [10_000, 60]
    toolchain = golang.Toolchain(str(go), "go1.26.8")
    workshop = dataclasses.replace(workshop, go=golang.GoBuilder(toolchain, tmp_path, workshop.processes))
    parts = [
        part for part in workshop.components("1.33.13") if not part.name.startswith(("packages", "shop"))
    ]
    builder = Builder(
        store=Store(tmp_path / "bundle-store"),
        bundles=tmp_path / "bundles",
        cache=tmp_path,
        key=key,
        processes=workshop.processes,
        progress=Progress(io.StringIO()),
        target=Target("linux", "amd64", "bookworm"),
    )
    (made,) = builder.build({"1.33.13": parts}, created_at="2026-01-02T03:04:05+00:00")
    files = {file.path: file for file in verify(made, [key.public_key()]).manifest.files}
    assert {
        f"bin/{name}"
        for name in (
            *catalogue.KUBERNETES_BINARIES,
            *catalogue.ETCD_PACKAGES,
            *catalogue.NETWORK_POLICY_PACKAGES,
        )
    } < files.keys()
    assert {"bin/victoria-logs", "bin/kcloud-log-shipper", "bin/kcloud-registry"} < files.keys()
    assert {"images/pause.tar", "images/hello.tar", "images/coredns.tar"} < files.keys()
    assert (
        files["bin/kubelet"].source
        == f"{mirror.url}/kubernetes/v1.33.13/kubernetes-server-linux-amd64.tar.gz"
    )
    assert any(asked for _, asked in mirror.asked if asked)
