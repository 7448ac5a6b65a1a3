"""The manifest: what is written is read back, and nothing that no builder writes is believed."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle.errors import BundleManifestInvalid
from clusters.bundle.manifest import KINDS, Manifest, ManifestFile, decode, encode, read_manifest

segment = st.text(string.ascii_lowercase + string.digits + "+~_", min_size=1, max_size=8)
paths = st.lists(segment, min_size=1, max_size=3).map("/".join).map(lambda path: f"f/{path}/x")
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\\"), min_size=1)
files = st.builds(
    ManifestFile,
    path=paths,
    kind=st.sampled_from(KINDS),
    component=words,
    version=words,
    licence=words,
    size=st.integers(0, 2**50),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    source=words,
)
manifests = st.builds(
    Manifest,
    kubernetes_version=st.sampled_from(["1.34.4", "1.33.13"]),
    created_at=words,
    os=st.just("linux"),
    arch=st.just("amd64"),
    suite=words,
    files=st.lists(files, min_size=1, max_size=6, unique_by=lambda file: file.path).map(
        lambda rows: tuple(sorted(rows))
    ),
)


@given(manifests)
def test_a_manifest_is_read_back_as_it_was_written(manifest):
    rows = [file.path for file in manifest.files]
    if any(f"{other}/".startswith(f"{path}/") for path in rows for other in rows if path != other):
        with pytest.raises(BundleManifestInvalid, match="both a file and a folder"):
            decode(encode(manifest))
    else:
        assert decode(encode(manifest)) == manifest


@given(manifests, st.randoms())
def test_the_order_of_files_does_not_change_the_signed_bytes(manifest, random):
    shuffled = list(manifest.files)
    random.shuffle(shuffled)
    other = Manifest(
        kubernetes_version=manifest.kubernetes_version,
        created_at=manifest.created_at,
        os=manifest.os,
        arch=manifest.arch,
        suite=manifest.suite,
        files=tuple(shuffled),
    )
    assert encode(other) == encode(manifest)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_are_refused_as_one(raw):
    with pytest.raises(BundleManifestInvalid):
        decode(raw)


@pytest.fixture
def data(row, manifest_of):
    """A good manifest as JSON data, for breaking."""
    return json.loads(encode(manifest_of([row("bin/etcd"), row("bin/kubelet")])))


def refusal(data):
    with pytest.raises(BundleManifestInvalid) as caught:
        decode(json.dumps(data).encode())
    assert "build" in caught.value.remedy.lower()
    return str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "bin/../../outside",
        "/etc/passwd",
        "bin//etcd",
        "bin/./etcd",
        "bin/etcd/",
        ".",
        "..",
        "bin\\etcd",
        "bin/etcd\n",
        "bin/\x00",
        "manifest.json",
        "manifest.json.sig",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(data, path):
    data["files"][0]["path"] = path
    assert "path" in refusal(data)


def test_a_path_listed_twice_is_refused(data):
    data["files"][1]["path"] = data["files"][0]["path"]
    assert "'bin/etcd' is listed twice" in refusal(data)


def test_a_file_below_a_file_is_refused(data):
    data["files"][1]["path"] = "bin/etcd/inner"
    assert "both a file and a folder" in refusal(data)


@pytest.mark.parametrize("size", [-1, 1.5, "7", True, None])
def test_a_size_that_is_no_number_of_bytes_is_refused_with_the_file(data, size):
    data["files"][0]["size"] = size
    assert "bin/etcd: size" in refusal(data)


@pytest.mark.parametrize("sha256", ["", "ab", "G" * 64, "A" * 64, None])
def test_a_sum_that_is_no_sha256_is_refused(data, sha256):
    data["files"][0]["sha256"] = sha256
    assert "sha256" in refusal(data)


def test_an_unknown_kind_is_refused_with_the_known_ones(data):
    data["files"][0]["kind"] = "script"
    message = refusal(data)
    assert "bin/etcd: kind 'script'" in message
    assert "binary, package" in message


@pytest.mark.parametrize("field", ["component", "version", "licence", "source"])
@pytest.mark.parametrize("value", ["", None, 3, "two\nlines"])
def test_a_word_of_a_file_must_be_a_line_of_text(data, field, value):
    data["files"][0][field] = value
    assert f"field {field}" in refusal(data)


@pytest.mark.parametrize("field", ["kubernetes_version", "created_at", "os", "arch", "suite"])
def test_a_missing_field_is_named(data, field):
    del data[field]
    assert f"field {field}" in refusal(data)


@pytest.mark.parametrize("version", ["1.34", "v1.34.4", "../1.34.4", "1.34.4-rc.1"])
def test_a_version_that_is_no_release_is_refused(data, version):
    data["kubernetes_version"] = version
    assert "kubernetes_version" in refusal(data)


@pytest.mark.parametrize("files", [[], None, {}, "bin/etcd"])
def test_a_manifest_without_files_is_refused(data, files):
    data["files"] = files
    assert "lists no files" in refusal(data)


def test_a_row_that_is_no_object_is_refused(data):
    data["files"][0] = "bin/etcd"
    assert "not an object" in refusal(data)


@pytest.mark.parametrize("value", [[], "text", 7, None])
def test_json_that_is_no_object_is_refused(value):
    assert "not a JSON object" in refusal(value)


def test_a_format_of_another_time_is_refused(data):
    data["format"] = 2
    assert "format 2 is not 1" in refusal(data)


def test_deeply_nested_json_is_refused_and_not_followed():
    with pytest.raises(BundleManifestInvalid, match="not JSON"):
        decode(b"[" * 200_000)


def test_reading_says_what_is_in_the_directory(bundle):
    manifest = read_manifest(bundle)
    assert manifest.kubernetes_version == "1.34.4"
    assert [file.path for file in manifest.files][:2] == ["bin/etcd", "bin/kube-apiserver"]
    assert manifest.size == sum(file.size for file in manifest.files) == 49


def test_reading_a_directory_without_manifest_is_refused(tmp_path):
    with pytest.raises(BundleManifestInvalid, match="cannot be read"):
        read_manifest(tmp_path)
