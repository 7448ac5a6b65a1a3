"""The builder: it makes what is missing, continues after a kill, and never shows half a bundle."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clusters.bundle import builder as builder_module
from clusters.bundle.builder import Builder, Target
from clusters.bundle.catalogue import Cost
from clusters.bundle.components import Component
from clusters.bundle.errors import BuildStopped, ComponentFailed, NotEnoughDisk
from clusters.bundle.process import Processes
from clusters.bundle.progress import Progress
from clusters.bundle.store import Artifact, Store
from clusters.bundle.verification import verify

CREATED = "2026-01-02T03:04:05+00:00"
STEPS = Path(__file__).with_name("bundle_build_in_steps.py")


class Kitchen:
    """Makes fake components and remembers which were made."""

    def __init__(self, root, key):
        self.made = []
        self.said = io.StringIO()
        self.store = Store(root / "bundle-store")
        self.bundles = root / "bundles"
        self.cache = root
        self.key = key

    def component(self, name, *, content=None, fetches=False, cost=Cost(1, 0, 10), before=lambda: None):  # noqa: B008
        def make(work, on_progress):
            before()
            (work / "bin").mkdir()
            (work / "bin" / name).write_text(content or name)
            self.made.append(name)
            return [Artifact(f"bin/{name}", "binary", name, "1", "MIT", f"{name}@v1")]

        return Component(name, {"component": name, "content": content or name}, cost, make, fetches)

    def build(self, wanted, **options):
        builder = Builder(
            store=self.store,
            bundles=self.bundles,
            cache=self.cache,
            key=self.key,
            progress=Progress(self.said),
            target=Target("linux", "amd64", "bookworm"),
            **{"processes": Processes(), **options},
        )
        return builder.build(wanted, created_at=CREATED)

    def verified(self, version="1.34.4"):
        return verify(self.bundles / version, [self.key.public_key()])


@pytest.fixture
def kitchen(tmp_path, key):
    return Kitchen(tmp_path / "cache", key)


def test_a_bundle_holds_all_components_and_passes_its_check(kitchen):
    (made,) = kitchen.build({"1.34.4": [kitchen.component("etcd"), kitchen.component("kubelet")]})
    report = kitchen.verified()
    assert made == report.directory
    assert [file.path for file in report.manifest.files] == ["bin/etcd", "bin/kubelet"]
    assert report.manifest.created_at == CREATED
    assert (report.manifest.os, report.manifest.arch, report.manifest.suite) == ("linux", "amd64", "bookworm")


def test_versions_share_what_is_equal(kitchen):
    etcd = kitchen.component("etcd")
    old, new = kitchen.component("kubelet", content="33"), kitchen.component("kubelet", content="34")
    kitchen.build({"1.34.4": [etcd, new], "1.33.13": [etcd, old]})
    assert sorted(kitchen.made) == ["etcd", "kubelet", "kubelet"]
    paths = [kitchen.bundles / version / "bin" for version in ("1.34.4", "1.33.13")]
    assert (paths[0] / "etcd").samefile(paths[1] / "etcd")
    assert [(path / "kubelet").read_text() for path in paths] == ["34", "33"]
    assert kitchen.verified("1.33.13").manifest.kubernetes_version == "1.33.13"


def test_a_second_build_makes_nothing_and_leaves_the_bundle_as_it_is(kitchen):
    wanted = {"1.34.4": [kitchen.component("etcd")]}
    kitchen.build(wanted)
    signature = (kitchen.bundles / "1.34.4" / "manifest.json.sig").stat()
    kitchen.build(wanted)
    assert kitchen.made == ["etcd"]
    assert (kitchen.bundles / "1.34.4" / "manifest.json.sig").stat() == signature
    assert "nothing to build" in kitchen.said.getvalue()
    assert "unchanged" in kitchen.said.getvalue()


def test_a_damaged_bundle_is_healed_by_making_only_what_is_damaged(kitchen):
    wanted = {"1.34.4": [kitchen.component("etcd"), kitchen.component("kubelet")]}
    kitchen.build(wanted)
    kitchen.made.clear()
    damaged = kitchen.bundles / "1.34.4" / "bin/etcd"
    damaged.chmod(0o600)
    damaged.write_text("evil")
    kitchen.build(wanted)
    assert kitchen.made == ["etcd"]
    assert kitchen.verified()


@pytest.mark.parametrize("harm", ["extra", "signature", "missing"])
def test_a_bundle_that_was_meddled_with_is_put_together_again(kitchen, harm):
    wanted = {"1.34.4": [kitchen.component("etcd"), kitchen.component("kubelet")]}
    kitchen.build(wanted)
    directory = kitchen.bundles / "1.34.4"
    if harm == "extra":
        (directory / "bin/extra").write_text("x")
    elif harm == "signature":
        (directory / "manifest.json.sig").write_text("{}")
    else:
        (directory / "bin/etcd").unlink()
    kitchen.build(wanted)
    assert sorted(path.name for path in (kitchen.verified().directory / "bin").iterdir()) == [
        "etcd",
        "kubelet",
    ]
    assert sorted(kitchen.made) == ["etcd", "kubelet"]


def test_a_bundle_of_copies_is_read_whole_before_it_is_called_unchanged(kitchen, monkeypatch):
    wanted = {"1.34.4": [kitchen.component("etcd")]}
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *args: (_ for _ in ()).throw(OSError("cross-device link")))
        kitchen.build(wanted)
    copy = kitchen.bundles / "1.34.4" / "bin/etcd"
    copy.chmod(0o600)
    copy.write_text("evil")
    kitchen.build(wanted)
    assert kitchen.made == ["etcd"]
    assert (kitchen.verified().directory / "bin/etcd").read_text() == "etcd"


def test_a_component_that_fails_stops_the_build_and_keeps_what_was_finished(kitchen):
    def fail():
        raise ComponentFailed("kubelet", "compiler said no", "Look.")

    good, bad = kitchen.component("etcd"), kitchen.component("kubelet", before=fail)
    with pytest.raises(ComponentFailed, match="compiler said no"):
        kitchen.build({"1.34.4": [good, bad, kitchen.component("never")]})
    assert not (kitchen.bundles / "1.34.4").exists()
    assert kitchen.made == ["etcd"]
    assert "kubelet: failed" in kitchen.said.getvalue()
    kitchen.build({"1.34.4": [good, kitchen.component("kubelet")]})
    assert kitchen.made == ["etcd", "kubelet"]


def test_a_failure_ends_the_tool_of_the_other_lane_and_is_itself_reported(kitchen, tmp_path):
    processes = Processes()
    started = tmp_path / "started"
    os.mkfifo(started)

    def wait_for_ever(work, on_progress):
        processes.run("packages", ["sh", "-c", f"echo > {started}; sleep 600"], cwd=work)

    def fail():
        started.read_text()
        raise ComponentFailed("etcd", "compiler said no", "Look.")

    endless = Component("packages", {"component": "packages"}, Cost(1, 0, 10), wait_for_ever, fetches=True)
    with pytest.raises(ComponentFailed, match="compiler said no"):
        kitchen.build({"1.34.4": [endless, kitchen.component("etcd", before=fail)]}, processes=processes)
    assert list(kitchen.store.root.glob(".work-*")) == []


def test_a_failed_build_leaves_an_earlier_bundle_usable(kitchen):
    kitchen.build({"1.34.4": [kitchen.component("etcd")]})

    def fail():
        raise ComponentFailed("etcd", "no", "Look.")

    with pytest.raises(ComponentFailed):
        kitchen.build({"1.34.4": [kitchen.component("etcd", content="new", before=fail)]})
    assert (kitchen.verified().directory / "bin/etcd").read_text() == "etcd"


def test_fetching_and_compiling_go_side_by_side(kitchen):
    both = threading.Barrier(2, timeout=20)
    fetching = kitchen.component("packages", fetches=True, before=both.wait)
    kitchen.build({"1.34.4": [fetching, kitchen.component("etcd", before=both.wait)]})
    assert sorted(kitchen.made) == ["etcd", "packages"]


def test_a_disk_that_is_too_small_is_refused_before_anything_is_made(kitchen):
    huge = kitchen.component("etcd", cost=Cost(1, 10**18, 1))
    with pytest.raises(NotEnoughDisk):
        kitchen.build({"1.34.4": [huge]})
    assert kitchen.made == []
    assert "Needs" in kitchen.said.getvalue()


def test_what_is_in_the_store_needs_no_disk(kitchen):
    kitchen.build({"1.34.4": [kitchen.component("etcd")]})
    kitchen.build({"1.34.4": [kitchen.component("etcd", cost=Cost(1, 10**18, 1))]})
    assert kitchen.made == ["etcd"]


@pytest.mark.parametrize("keep", [True, False])
def test_the_compilers_caches_are_cleared_unless_they_shall_stay(kitchen, keep):
    for name in ("go-build", "go-modules"):
        (kitchen.cache / name / "deep").mkdir(parents=True)
    (kitchen.cache / "other").mkdir()
    kitchen.build({"1.34.4": [kitchen.component("etcd")]}, keep_cache=keep)
    assert (kitchen.cache / "go-build").exists() == keep
    assert (kitchen.cache / "go-modules").exists() == keep
    assert (kitchen.cache / "other").exists()


def test_components_of_no_bundle_any_more_are_removed_from_the_store(kitchen):
    kitchen.build({"1.34.4": [kitchen.component("etcd", content="old")]})
    kitchen.build({"1.34.4": [kitchen.component("etcd", content="new")]})
    assert len(list(kitchen.store.root.glob("etcd-*"))) == 1


@pytest.mark.parametrize("moment", ["before the old one is put aside", "between the renames"])
def test_killed_while_a_bundle_is_replaced_there_is_one_afterwards(kitchen, monkeypatch, moment):
    kitchen.build({"1.34.4": [kitchen.component("etcd", content="old")]})

    def die(draft, final):
        if moment == "between the renames":
            final.rename(final.with_name(f".old-{final.name}"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(builder_module, "_swap", die)
        with pytest.raises(KeyboardInterrupt):
            kitchen.build({"1.34.4": [kitchen.component("etcd", content="new")]})
    kitchen.build({"1.33.13": [kitchen.component("etcd", content="old")]})
    assert (kitchen.verified().directory / "bin/etcd").read_text() == "old"
    assert sorted(path.name for path in kitchen.bundles.iterdir()) == ["1.33.13", "1.34.4"]


def wait_until(condition, process):
    """Wait for a condition that the process brings about; a process that ends without it fails the test."""
    while not condition():
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        assert condition(), "the build ended too early"


def lines(path):
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def run_steps(tmp_path):
    marker = tmp_path / "marker"

    def start(wait):
        argv = [sys.executable, str(STEPS), str(tmp_path / "r"), str(marker), str(wait)]
        return subprocess.Popen(argv, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()})

    return start, marker, tmp_path / "r"


def test_a_killed_build_continues_with_what_is_missing(run_steps):
    start, marker, root = run_steps
    with start(600) as process:
        wait_until(lambda: lines(marker) == ["first", "slow"], process)
        process.kill()
    shells = subprocess.run(
        ["pgrep", "-f", f"echo slow >> {marker}"], capture_output=True, text=True, check=False
    )
    for pid in shells.stdout.split():  # SIGKILL gives a process no chance to end its children
        os.kill(int(pid), signal.SIGKILL)
    assert not (root / "bundles" / "1.34.4").exists()
    with start(0) as process:
        assert process.wait(60) == 0
    assert lines(marker) == ["first", "slow", "slow", "last"]
    assert sorted(path.name for path in (root / "bundles" / "1.34.4" / "bin").iterdir()) == [
        "first",
        "last",
        "slow",
    ]
    assert not list((root / "bundle-store").glob(".work-*"))


def test_an_interrupted_build_ends_its_tools_and_leaves_no_work(run_steps):
    start, marker, root = run_steps
    with start(600) as process:
        wait_until(lambda: lines(marker) == ["first", "slow"], process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    shells = subprocess.run(
        ["pgrep", "-f", f"echo slow >> {marker}"], capture_output=True, text=True, check=False
    )
    assert shells.stdout == ""
    assert not list((root / "bundle-store").glob(".work-*"))
    assert lines(marker) == ["first", "slow"]


def test_a_tool_that_fails_is_quoted_with_the_end_of_what_it_said(tmp_path):
    script = "for n in $(seq 1 40); do echo line $n >&2; done; exit 3"
    with pytest.raises(ComponentFailed) as caught:
        Processes().run("etcd", ["sh", "-c", script], cwd=tmp_path)
    assert "etcd could not be made" in str(caught.value)
    assert "line 40" in str(caught.value)
    assert "line 20\n" not in str(caught.value)


def test_a_silent_failure_says_the_exit_code(tmp_path):
    with pytest.raises(ComponentFailed, match="ended with 3"):
        Processes().run("etcd", ["sh", "-c", "exit 3"], cwd=tmp_path)


def test_a_tool_may_say_much_on_both_pipes(tmp_path):
    heard = []
    script = "yes out | head -c 300000; yes err | head -c 300000 >&2"
    said = Processes().run("etcd", ["sh", "-c", script], cwd=tmp_path, on_line=heard.append)
    assert len(said) == 300000
    assert len(heard) == 75000


def test_after_a_stop_no_tool_starts(tmp_path):
    processes = Processes()
    processes.stop()
    with pytest.raises(BuildStopped, match="was stopped"):
        processes.run("etcd", ["touch", "file"], cwd=tmp_path)
    assert not (tmp_path / "file").exists()


def test_the_free_disk_is_that_of_store_and_cache(kitchen, monkeypatch):
    asked = []
    real = shutil.disk_usage

    def usage(path):
        asked.append(path)
        return real(path)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    kitchen.build({"1.34.4": [kitchen.component("etcd")]})
    assert asked == [kitchen.store.root, kitchen.cache]
