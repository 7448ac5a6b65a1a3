"""The store: a component is there whole or not at all, and a damaged one is never used."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle.errors import BuildBusy
from clusters.bundle.store import Artifact, Store, key_of


def artifact(path, kind="binary"):
    return Artifact(path, kind, "etcd", "3.6.16", "Apache-2.0", "go.etcd.io/etcd@v3.6.16")


def maker(content=b"program", path="bin/etcd", kind="binary"):
    def make(work):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(content)
        return [artifact(path, kind)]

    return make


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "bundle-store")


def test_what_was_made_is_found_with_size_and_sum(store):
    made = store.make("etcd-1", maker())
    assert store.find("etcd-1") == made
    (file,) = made.files
    assert (file.path, file.size) == ("bin/etcd", 7)
    assert (made.directory / "bin/etcd").read_bytes() == b"program"


def test_what_was_never_made_is_not_found(store):
    assert store.find("etcd-1") is None
    assert not store.has("etcd-1")


def test_files_in_the_store_cannot_be_written_and_programs_can_be_started(store):
    made = store.make("a-1", lambda work: [*maker()(work), *maker(path="x.txt", kind="licence")(work)])
    assert (made.directory / "bin/etcd").stat().st_mode & 0o777 == 0o555
    assert (made.directory / "x.txt").stat().st_mode & 0o777 == 0o444


def test_a_maker_that_fails_leaves_nothing(store):
    def broken(work):
        maker()(work)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.make("etcd-1", broken)
    assert list(store.root.iterdir()) == []


def test_a_maker_that_promises_a_file_and_has_none_leaves_nothing(store):
    with pytest.raises(FileNotFoundError):
        store.make("etcd-1", lambda work: [artifact("bin/etcd")])
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "shorter", "gone", "entry"])
def test_a_damaged_entry_is_thrown_away_and_can_be_made_again(store, damage):
    path = store.make("etcd-1", maker()).directory / "bin/etcd"
    if damage == "gone":
        path.unlink()
    elif damage == "entry":
        (path.parent.parent / "entry.json").write_text("{")
    else:
        path.chmod(0o600)
        path.write_bytes(b"pROGRAM" if damage == "changed" else b"p")
    assert store.find("etcd-1") is None
    assert not (store.root / "etcd-1").exists()
    assert store.make("etcd-1", maker()) == store.find("etcd-1")


def test_linked_files_share_their_bytes_with_the_store(store, tmp_path):
    entry = store.make("etcd-1", maker())
    store.link(entry, tmp_path / "bundle")
    linked = tmp_path / "bundle" / "bin/etcd"
    assert linked.samefile(entry.directory / "bin/etcd")


def test_where_hard_links_are_impossible_files_are_copied(store, tmp_path, monkeypatch):
    entry = store.make("etcd-1", maker())

    def refuse(*args):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    store.link(entry, tmp_path / "bundle")
    linked = tmp_path / "bundle" / "bin/etcd"
    assert linked.read_bytes() == b"program"
    assert not linked.samefile(entry.directory / "bin/etcd")


def test_pruning_removes_only_what_no_bundle_and_no_build_uses(store, tmp_path):
    store.link(store.make("linked-1", maker()), tmp_path / "bundle")
    for key in ("old-1", "kept-1"):
        store.make(key, maker())
    with store.locked():
        assert store.prune({"kept-1"}) == ["old-1"]
    assert store.find("linked-1")
    assert store.find("kept-1")
    assert not store.has("old-1")


def test_a_second_build_in_the_same_store_is_refused(store):
    with store.locked(), pytest.raises(BuildBusy) as caught, Store(store.root).locked():
        pass
    assert str(store.root) in str(caught.value)
    assert "Wait" in caught.value.remedy


def test_the_lock_is_free_after_a_build(store):
    with store.locked():
        pass
    with store.locked():
        assert True


def test_the_lock_of_a_killed_build_is_free_and_its_work_is_cleared(store):
    script = (
        "import os, pathlib, sys; from clusters.bundle.store import Store; s = Store(pathlib.Path(sys.argv[1]))\n"
        "with s.locked(): s.make('etcd-1', lambda work: [(work / 'half').write_text('x'), os.kill(os.getpid(), 9)])"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(store.root)], check=False)
    assert killed.returncode == -9
    assert (store.root / ".work-etcd-1" / "half").exists()
    with store.locked():
        assert not list(store.root.glob(".work-*"))
        assert store.find("etcd-1") is None


recipes = st.dictionaries(st.sampled_from(["version", "go", "flags", "sources"]), st.text(max_size=5))


@given(recipes, recipes)
def test_keys_are_equal_exactly_when_recipes_are(one, other):
    one, other = {"component": "etcd", **one}, {"component": "etcd", **other}
    assert (key_of(one) == key_of(other)) == (one == other)


@given(recipes)
def test_a_key_is_a_plain_name_that_begins_with_its_component(recipe):
    key = key_of({"component": "etcd", **recipe})
    assert key.startswith("etcd-")
    assert key.replace("-", "").isalnum()
