"""The list of bundles: also of those that are not in order, with what is wrong."""

import pytest

from clusters.bundle.listing import bundles, components_of
from clusters.bundle.manifest import read_manifest


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache" / "bundles"


@pytest.fixture
def keys(key):
    return [key.public_key()]


def test_without_bundles_the_list_is_empty(root, keys):
    assert bundles(root, keys) == []
    root.mkdir(parents=True)
    assert bundles(root, keys) == []


def test_a_good_bundle_is_listed_with_what_is_in_it(bundle, root, keys):
    (row,) = bundles(root, keys)
    assert (row.version, row.directory, row.size, row.problem) == ("1.34.4", bundle, 49, "")
    assert row.created_at == "2026-01-02T03:04:05+00:00"
    assert row.components == ("thing 1.0", "1 packages (bookworm amd64)")


def test_components_are_named_once(bundle):
    assert components_of(read_manifest(bundle)) == ("thing 1.0", "1 packages (bookworm amd64)")


def test_the_newest_version_comes_first_by_number_and_not_by_letter(root, keys, write_bundle):
    for version in ("1.9.0", "1.34.4", "1.33.13"):
        write_bundle(root / version, version=version)
    assert [row.version for row in bundles(root, keys)] == ["1.34.4", "1.33.13", "1.9.0"]


def test_half_made_directories_and_files_are_not_bundles(bundle, root, keys):
    (root / ".new-1.33.13").mkdir()
    (root / "note.txt").write_text("x")
    assert [row.version for row in bundles(root, keys)] == ["1.34.4"]


def test_a_bundle_of_a_stranger_is_listed_as_such(bundle, root):
    (row,) = bundles(root, [])
    assert "not trusted" in row.problem
    assert (row.version, row.size, row.components) == ("1.34.4", 0, ())


def test_a_bundle_that_lacks_a_file_is_listed_with_the_file(bundle, root, keys):
    (bundle / "bin/etcd").unlink()
    (row,) = bundles(root, keys)
    assert "bin/etcd" in row.problem


def test_an_empty_directory_is_listed_with_what_is_wrong(root, keys):
    (root / "1.34.4").mkdir(parents=True)
    (row,) = bundles(root, keys)
    assert "no release bundle" in row.problem


def test_directories_with_odd_names_do_not_stop_the_list(bundle, root, keys):
    for name in ("latest", "1.x", "1.34.4-old"):
        (root / name).mkdir()
    assert {row.version for row in bundles(root, keys)} == {"1.34.4", "latest", "1.x", "1.34.4-old"}
