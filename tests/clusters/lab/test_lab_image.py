"""The root file system of lab hosts: what it is made from, when it is made again, and that no half one stays."""

import os
import shutil
import subprocess
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.lab import image, state
from clusters.lab.engine import Engine
from clusters.lab.errors import ImageBuildFailed, ToolsMissing

SOURCES = [
    "deb http://mirror.test/debian/ bookworm main",
    "deb http://mirror.test/debian/ bookworm-updates main",
]
INDEX = "\\n".join(
    [
        "bookworm-updates deb http://mirror.test/debian/ bookworm-updates main",
        "bookworm-security deb http://mirror.test/security/ bookworm-security main",
        "bookworm deb http://mirror.test/debian/ bookworm main",
        "bookworm deb http://mirror.test/debian/ bookworm main",
    ]
)
FILES = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=4, unique_by=lambda f: f[0])


class ImportedImages(Engine):
    """Has the images that were imported, with their content."""

    def __init__(self):
        object.__setattr__(self, "address", "unix:///x")
        self.__dict__["images"] = {}

    def has_image(self, tag):
        return tag in self.images

    def import_image(self, archive, tag):
        self.images[tag] = archive.read_text()


@pytest.fixture
def apt(programs):
    """This machine's package sources, three of Debian's; no proxy."""
    return programs(apt_get=f"printf '{INDEX}\\n'", apt_config="exit 0")


def makes(content, tmp_path):
    """A mmdebstrap that notes how it was called and writes the archive it was asked for."""
    return (
        f"printf '%s\\n' \"$@\" > {tmp_path}/called; cat > {tmp_path}/sources; echo x >> {tmp_path}/times\n"
        f'for last; do case "$last" in *.tar) printf {content} > "$last";; esac; done'
    )


def test_the_base_release_comes_before_its_updates(apt):
    assert image.apt_sources() == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/debian/ bookworm-updates main",
        "deb http://mirror.test/security/ bookworm-security main",
    ]
    assert image.release(image.apt_sources()) == "bookworm"


def test_a_machine_without_package_lists_is_told_to_fetch_them(programs):
    programs(apt_get="exit 0")
    with pytest.raises(ToolsMissing, match="apt-get update"):
        image.apt_sources()


def test_a_machine_that_is_not_debian_is_told_so(programs):
    programs(only=True)
    with pytest.raises(ToolsMissing, match="apt-get not found"):
        image.apt_sources()


def test_apts_own_complaint_is_passed_on(programs):
    programs(apt_get="echo 'E: sources.list is malformed' >&2; exit 100")
    with pytest.raises(ToolsMissing, match=r"sources\.list is malformed"):
        image.apt_sources()


@given(FILES, FILES)
def test_the_mark_changes_with_any_file_and_only_then(one, other):
    same = sorted(one) == sorted(other)
    assert (image.fingerprint([], one, SOURCES) == image.fingerprint([], other, SOURCES)) == same


def test_the_mark_changes_with_a_package():
    assert image.fingerprint(["sudo"], [], SOURCES) != image.fingerprint(["sudo", "dbus"], [], SOURCES)


def test_the_mark_does_not_change_with_order_or_mirror():
    elsewhere = [line.replace("mirror.test", "other.test") for line in reversed(SOURCES)]
    assert image.fingerprint(["a", "b"], [], SOURCES) == image.fingerprint(["b", "a"], [], elsewhere)


def test_the_mark_changes_with_the_release():
    newer = [line.replace("bookworm", "trixie") for line in SOURCES]
    assert image.fingerprint([], [], SOURCES) != image.fingerprint([], [], newer)


def test_hosts_have_what_ssh_sudo_and_ansible_need_and_no_container_tools():
    names = set(image.packages())
    assert {"openssh-server", "sudo", "python3", "python3-apt", "systemd-sysv", "iproute2"} <= names
    assert not {"docker.io", "containerd", "runc", "kubectl"} & names


def test_the_image_is_made_once_and_then_taken_from_the_cache(apt, programs, tmp_path):
    programs(mmdebstrap=makes("ROOT", tmp_path))
    first, second = ImportedImages(), ImportedImages()
    tag = image.ensure(first, lambda _: None)
    assert image.ensure(second, lambda _: None) == tag
    assert first.images == second.images == {tag: "ROOT"}
    assert (tmp_path / "times").read_text() == "x\n"


def test_an_image_the_engine_has_is_not_loaded_again(apt, programs, tmp_path):
    programs(mmdebstrap=makes("ROOT", tmp_path))
    engine = ImportedImages()
    tag = image.ensure(engine, lambda _: None)
    engine.images[tag] = "AS IT WAS"
    told = []
    image.ensure(engine, told.append)
    assert engine.images == {tag: "AS IT WAS"}
    assert told == []


def test_it_is_made_from_this_machines_sources(apt, programs, tmp_path):
    programs(mmdebstrap=makes("ROOT", tmp_path))
    image.ensure(ImportedImages(), lambda _: None)
    assert (tmp_path / "sources").read_text() == "\n".join(image.apt_sources()) + "\n"
    called = (tmp_path / "called").read_text().splitlines()
    assert "--variant=minbase" in called
    assert called[-3] == "bookworm"
    assert called[-1] == "-"


def test_this_machines_proxy_is_used(apt, programs, tmp_path):
    lines = (
        'Acquire::http "";\\nAcquire::http::Proxy "http://proxy.test:3128";\\nAcquire::Check-Date "false";'
    )
    programs(mmdebstrap=makes("ROOT", tmp_path), apt_config=f"printf '{lines}\\n'")
    image.ensure(ImportedImages(), lambda _: None)
    called = (tmp_path / "called").read_text().splitlines()
    options = [word for word in called if word.startswith("--aptopt")]
    assert options == [
        '--aptopt=Acquire::http::Proxy "http://proxy.test:3128"',
        '--aptopt=Acquire::Check-Date "false"',
    ]


def test_a_build_that_fails_tells_why_and_leaves_no_archive(apt, programs):
    programs(mmdebstrap="for x; do :; done; echo 'E: no space left' >&2; exit 1")
    engine = ImportedImages()
    with pytest.raises(ImageBuildFailed, match="no space left"):
        image.ensure(engine, lambda _: None)
    assert list(state.cache().iterdir()) == []
    assert engine.images == {}


def test_what_a_killed_build_left_goes_with_the_next(apt, programs, tmp_path):
    left = state.cache() / "building-abandoned"
    left.mkdir(parents=True)
    (left / "host.tar").write_text("half")
    programs(mmdebstrap=makes("ROOT", tmp_path))
    image.ensure(ImportedImages(), lambda _: None)
    assert [path.suffix for path in state.cache().iterdir()] == [".tar"]


def test_a_missing_mmdebstrap_names_its_package(apt, programs):
    sh = shutil.which("sh")
    folder = programs(only=True)
    os.symlink(sh, folder / "sh")
    os.symlink(shutil.which("printf") or "/usr/bin/printf", folder / "printf")
    with pytest.raises(ToolsMissing, match="apt-get install --no-install-recommends mmdebstrap"):
        image.ensure(ImportedImages(), lambda _: None)


def test_a_full_disk_is_told_before_anything_is_made(apt, programs, tmp_path, monkeypatch):
    programs(mmdebstrap=makes("ROOT", tmp_path))
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(200_000_000))
    with pytest.raises(ImageBuildFailed, match=r"0\.2 GB are free, 1\.5 GB are needed"):
        image.ensure(ImportedImages(), lambda _: None)
    assert not (tmp_path / "called").exists()


def test_old_archives_make_room_for_new_ones(apt, programs, tmp_path):
    state.cache().mkdir(parents=True)
    for age in range(1, 5):
        old = state.cache() / f"host-{age:012d}.tar"
        old.write_text("old")
        os.utime(old, (1_000_000 - age, 1_000_000 - age))
    programs(mmdebstrap=makes("ROOT", tmp_path))
    image.ensure(ImportedImages(), lambda _: None)
    kept = sorted(path.read_text() for path in state.cache().glob("*.tar"))
    assert kept == ["ROOT", "old"]
    assert (state.cache() / "host-000000000001.tar").exists()


@pytest.mark.parametrize("name", ["lab-init", "customize"])
def test_shell_files_are_sound(name):
    path = image.FILES / name
    subprocess.run(["sh", "-n", str(path)], check=True)
    assert os.access(path, os.X_OK)


def test_only_the_labs_user_may_log_in_and_only_by_key():
    lines = (image.FILES / "sshd.conf").read_text().splitlines()
    assert {"PasswordAuthentication no", "PermitRootLogin no", "AllowUsers kcloud"} <= set(lines)
