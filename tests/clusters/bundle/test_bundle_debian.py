"""Debian packages: the closure, their download, and the repository that apt installs from."""

import hashlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle import debian
from clusters.bundle.debian import Apt, Package, Release, make_repository, parse_closure, parse_uris, spdx_of
from clusters.bundle.errors import ComponentFailed
from clusters.bundle.process import Processes

RELEASE = Release("bookworm", "amd64")

DEPENDS = """containerd
  Depends: runc
  Depends: libc6
 |Depends: default-mta
  Depends: <mail-transport-agent>
    exim4
<mail-transport-agent>
runc
libc6:i386
libstdc++6
lib32z1
W: something
"""


def test_the_closure_is_the_real_packages_of_this_architecture():
    assert parse_closure(DEPENDS) == ["containerd", "lib32z1", "libstdc++6", "runc"]


@given(st.text(max_size=300))
def test_whatever_apt_says_only_package_names_come_out(text):
    for name in parse_closure(text):
        assert " " not in name
        assert "\n" + name + "\n" in "\n" + "\n".join(text.splitlines()) + "\n"


def test_offers_are_read_with_size_and_sum():
    line = (
        "'http://mirror/pool/c/conntrack_1.4.7-1%2bb2_amd64.deb' conntrack_1%3a1.4.7-1+b2_amd64.deb 35240 "
        f"SHA256:{'a' * 64}"
    )
    (package,) = parse_uris(f"Reading...\n{line}\n{line}\n")
    assert (package.name, package.version, package.size) == ("conntrack", "1:1.4.7-1+b2", 35240)
    assert package.plain_file == "conntrack_1.4.7-1+b2_amd64.deb"
    assert package.sha256 == "a" * 64


def test_an_offer_without_sha256_is_not_taken():
    assert parse_uris("'http://mirror/x.deb' x_1_amd64.deb 5 MD5Sum:aaaa") == []


def test_a_version_with_a_tilde_keeps_its_name():
    package = Package("containerd_1.6.20~ds1-1+deb12u3_amd64.deb", 1, "a" * 64)
    assert package.plain_file == package.file
    assert package.version == "1.6.20~ds1-1+deb12u3"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("License: Expat\n", "MIT"),
        ("License: GPL-2+\n more\nLicense: GPL-2+\n", "GPL-2.0-or-later"),
        ("License: GPL-2+ or Expat\n", "GPL-2.0-or-later AND MIT"),
        ("License: BSD-3-clause and ISC\n", "BSD-3-Clause AND ISC"),
        ("License: Apache-2.0, MPL-2.0\n", "Apache-2.0 AND MPL-2.0"),
        ("License: Beer Ware!\n", "LicenseRef-Debian-Beer-Ware"),
        ("This is free software.\n", "LicenseRef-Debian-copyright"),
        ("", "LicenseRef-Debian-copyright"),
        (" License: Expat\n", "LicenseRef-Debian-copyright"),
    ],
)
def test_copyright_files_become_spdx_expressions(text, licence):
    assert spdx_of(text) == licence


@given(st.text(max_size=200))
def test_any_copyright_file_becomes_a_well_formed_expression(text):
    for part in spdx_of(f"License: {text}").split(" AND "):
        assert part.replace("-", "").replace(".", "").isalnum()
        assert part.isascii()


class FakeApt(Processes):
    """Stands in for apt: answers from lists, and `download` writes files of which some may be wrong."""

    def __init__(self, contents):
        super().__init__()
        self.contents = contents
        self.calls = []
        self.known = True
        self.damaged = set()

    def run(self, component, argv, *, cwd, environment=None, on_line=None, remedy=""):
        self.calls.append(list(argv))
        if "update" in argv:
            self.known = True
            return ""
        if not self.known:
            raise ComponentFailed(component, "E: Unable to locate package", remedy)
        if argv[0] == "apt-cache":
            return "\n".join(self.contents)
        if "--print-uris" in argv:
            return "\n".join(f"'u' {p.file} {p.size} SHA256:{p.sha256}" for p in self.packages())
        for wanted in argv[argv.index("download") + 1 :]:
            name = wanted.partition("=")[0]
            content = b"damaged" if name in self.damaged else self.contents[name]
            (cwd / f"{name}_1_amd64.deb").write_bytes(content)
        return ""

    def packages(self):
        return [
            Package(f"{name}_1_amd64.deb", len(content), hashlib.sha256(content).hexdigest())
            for name, content in sorted(self.contents.items())
        ]

    def downloads(self):
        return [call for call in self.calls if "download" in call and "--print-uris" not in call]


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")
    return FakeApt({f"p{number:02}": f"content {number}".encode() for number in range(20)})


@pytest.fixture
def apt(world, tmp_path):
    return Apt(tmp_path / "apt", world)


def test_packages_are_resolved_from_the_machines_own_lists(apt, world, tmp_path):
    assert apt.resolve(["p00", "p03"]) == world.packages()
    assert not (tmp_path / "apt").exists()


def test_the_same_question_is_asked_once(apt, world):
    first = apt.resolve(["p00"])
    asked = len(world.calls)
    assert apt.resolve(["p00"]) == first
    assert len(world.calls) == asked
    apt.resolve(["p01"])
    assert len(world.calls) > asked


def test_without_lists_apt_gets_a_state_of_its_own_and_the_systems_is_left_alone(apt, world, tmp_path):
    world.known = False
    assert apt.resolve(["p00"]) == world.packages()
    update = next(call for call in world.calls if "update" in call)
    assert f"Dir::State::lists={tmp_path}/apt/lists" in update
    assert f"Dir::Cache={tmp_path}/apt/cache" in update
    assert f"Dir::State::lists={tmp_path}/apt/lists" in world.calls[-1]


def test_a_package_that_no_source_has_is_named(apt):
    with pytest.raises(ComponentFailed, match="no source has nosuch") as caught:
        apt.resolve(["p00", "nosuch"])
    assert "apt-get update" in caught.value.remedy


def test_all_packages_come_down_in_groups_and_progress_grows(apt, world, tmp_path):
    shares = []
    apt.download(world.packages(), tmp_path / "d", shares.append)
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == [p.file for p in world.packages()]
    assert len(world.downloads()) == 3
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.9)


def test_what_is_already_whole_is_not_fetched_again(apt, world, tmp_path):
    apt.download(world.packages()[:15], tmp_path / "d", lambda share: None)
    (tmp_path / "d" / "p03_1_amd64.deb").write_bytes(b"damaged")
    world.calls.clear()
    apt.download(world.packages(), tmp_path / "d", lambda share: None)
    (fetched,) = [call[call.index("download") + 1 :] for call in world.downloads()]
    assert fetched == ["p03=1", "p15=1", "p16=1", "p17=1", "p18=1", "p19=1"]


def test_a_package_with_another_sum_is_refused_with_its_name(apt, world, tmp_path):
    world.damaged = {"p04"}
    with pytest.raises(ComponentFailed, match=r"p04_1_amd64\.deb is not what the package lists say"):
        apt.download(world.packages(), tmp_path / "d", lambda share: None)


def test_without_apt_the_error_says_where_to_build(tmp_path, monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(ComponentFailed, match="apt-get is not on this machine") as caught:
        Apt(tmp_path, Processes()).refresh()
    assert "Debian" in caught.value.remedy


def test_a_machine_without_dpkg_is_told_to_build_on_debian(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError("dpkg")

    monkeypatch.setattr(debian.subprocess, "run", missing)
    with pytest.raises(ComponentFailed, match="not Debian"):
        debian.this_release()


@pytest.fixture
def package(tmp_path):
    """A real package made by dpkg-deb, under the name apt gives to one with an epoch."""
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: thing\nVersion: 1:2.0-1\nArchitecture: amd64\nMaintainer: nobody <root@localhost>\n"
        "Depends: libc6\nDescription: a thing\n with a long\n description\n"
    )
    (root / "usr/share/doc/thing").mkdir(parents=True)
    (root / "usr/share/doc/thing/copyright").write_text("Files: *\nLicense: ISC\n")
    file = tmp_path / "downloads" / "thing_1%3a2.0-1_amd64.deb"
    file.parent.mkdir()
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, file], check=True, capture_output=True)
    raw = file.read_bytes()
    return Package(file.name, len(raw), hashlib.sha256(raw).hexdigest())


def test_a_repository_has_the_packages_and_an_index_for_apt(package, tmp_path):
    artifacts = make_repository([package], tmp_path / "downloads", RELEASE, tmp_path / "work", Processes())
    folder = tmp_path / "work/debs/bookworm-amd64"
    index = (folder / "Packages").read_text()
    assert "Package: thing\nVersion: 1:2.0-1\n" in index
    assert " with a long\n description\nFilename: ./thing_2.0-1_amd64.deb\n" in index
    assert f"Size: {package.size}\nSHA256: {package.sha256}\n" in index
    assert [(a.path, a.kind, a.version, a.licence) for a in artifacts] == [
        ("debs/bookworm-amd64/thing_2.0-1_amd64.deb", "package", "1:2.0-1", "ISC"),
        ("debs/bookworm-amd64/Packages", "package-index", "bookworm", "CC0-1.0"),
    ]
    assert artifacts[0].source == "thing=1:2.0-1"


def test_apt_itself_reads_the_repository(package, tmp_path):
    make_repository([package], tmp_path / "downloads", RELEASE, tmp_path / "work", Processes())
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{tmp_path}/work/debs/bookworm-amd64 ./\n")
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (tmp_path / folder).mkdir(parents=True)
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": tmp_path / "parts",
        "Dir::State::lists": tmp_path / "lists",
        "Dir::Cache": tmp_path / "cache",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
    }
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", *given, "update"], check=True, capture_output=True)
    shown = subprocess.run(
        ["apt-cache", *given, "policy", "thing"], check=True, capture_output=True, text=True
    )
    assert "Candidate: 1:2.0-1" in shown.stdout
    fetched = subprocess.run(
        ["apt-get", *given, "download", "thing"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path / "parts",
    )
    assert fetched.returncode == 0
    (file,) = (tmp_path / "parts").iterdir()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == package.sha256
