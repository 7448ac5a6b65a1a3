"""Images without an engine: the same input gives the same bytes, and every reader finds its way."""

import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clusters.bundle import images
from clusters.bundle.oci import ImageFile, ImageSettings, write_image

SETTINGS = ImageSettings(
    name="kcloud.local/thing:1.2",
    entrypoint=["/thing", "-serve"],
    user="65532:65532",
    ports=("8080/tcp",),
    environment={"PORT": "8080"},
    labels={"a": "b"},
)
names = st.lists(st.sampled_from(["a", "b", "etc", "long" * 40, "ünï"]), min_size=1, max_size=4)
image_files = st.lists(
    st.builds(
        ImageFile,
        path=names.map(lambda parts: "/" + "/".join(parts)),
        content=st.binary(max_size=600),
        mode=st.sampled_from([0o644, 0o755, 0o600]),
    ),
    max_size=5,
    unique_by=lambda file: file.path,
)


def written(tmp_path, files, settings=SETTINGS):
    target = tmp_path / "image.tar"
    write_image(target, files, settings)
    return target.read_bytes()


def opened(raw):
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return {
            member.name: (archive.extractfile(member).read() if member.isfile() else None, member)
            for member in archive
        }


def blob(contents, descriptor):
    raw = contents["blobs/" + descriptor["digest"].replace(":", "/")][0]
    assert len(raw) == descriptor["size"]
    assert "sha256:" + hashlib.sha256(raw).hexdigest() == descriptor["digest"]
    return raw


def without_clash(files):
    paths = {file.path for file in files}
    return not any(other.startswith(f"{path}/") for path in paths for other in paths)


@given(image_files, st.randoms())
def test_the_same_files_in_any_order_give_the_same_bytes(tmp_path_factory, files, random):
    assume(without_clash(files))
    folder = tmp_path_factory.mktemp("oci")
    first = written(folder, files)
    shuffled = list(files)
    random.shuffle(shuffled)
    assert written(folder, shuffled) == first


@given(image_files)
def test_every_file_is_found_in_the_layer_through_the_index(tmp_path_factory, files):
    assume(without_clash(files))
    contents = opened(written(tmp_path_factory.mktemp("oci"), files))
    index = json.loads(contents["index.json"][0])
    manifest = json.loads(blob(contents, index["manifests"][0]))
    layer = opened(blob(contents, manifest["layers"][0]))
    found = {f"/{name}": (raw, member.mode) for name, (raw, member) in layer.items() if member.isfile()}
    assert found == {file.path: (file.content, file.mode) for file in files}


@given(image_files, image_files)
def test_other_files_give_another_image(tmp_path_factory, one, other):
    assume(without_clash(one) and without_clash(other))
    assume({(f.path, f.content, f.mode) for f in one} != {(f.path, f.content, f.mode) for f in other})
    folder = tmp_path_factory.mktemp("oci")
    assert written(folder, one) != written(folder, other)


def test_folders_come_before_what_is_in_them(tmp_path):
    contents = opened(written(tmp_path, [ImageFile("/etc/a/b", b""), ImageFile("/etc-x", b"")]))
    layer = [name for name in contents if name.startswith("blobs") and contents[name][1].size > 5000]
    names = list(opened(contents[layer[0]][0]))
    assert names.index("etc") < names.index("etc/a") < names.index("etc/a/b")


def test_nothing_in_the_archive_tells_when_or_by_whom_it_was_made(tmp_path):
    contents = opened(written(tmp_path, [ImageFile("/a", b"x")]))
    for _, member in contents.values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_the_configuration_says_how_a_container_starts(tmp_path):
    contents = opened(written(tmp_path, [ImageFile("/thing", b"program", 0o755)]))
    index = json.loads(contents["index.json"][0])
    manifest = json.loads(blob(contents, index["manifests"][0]))
    config = json.loads(blob(contents, manifest["config"]))
    assert config["config"] == {
        "Entrypoint": ["/thing", "-serve"],
        "Env": ["PATH=/", "PORT=8080"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"a": "b"},
        "User": "65532:65532",
        "WorkingDir": "/",
    }
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    layer = blob(contents, manifest["layers"][0])
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]


def test_containerd_and_docker_both_find_the_name(tmp_path):
    contents = opened(written(tmp_path, [ImageFile("/thing", b"")]))
    annotations = json.loads(contents["index.json"][0])["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "kcloud.local/thing:1.2"
    assert annotations["org.opencontainers.image.ref.name"] == "1.2"
    (docker,) = json.loads(contents["manifest.json"][0])
    assert docker["RepoTags"] == ["kcloud.local/thing:1.2"]
    assert docker["Config"] in contents
    assert docker["Layers"][0] in contents
    assert json.loads(contents["oci-layout"][0]) == {"imageLayoutVersion": "1.0.0"}


@pytest.mark.parametrize("path", ["etc/passwd", "/etc/../passwd", "/", "", "//a", "/a/", "/a/./b", "../a"])
def test_a_path_that_is_not_plain_is_refused(path):
    with pytest.raises(ValueError, match="not a plain absolute path"):
        ImageFile(path, b"")


def test_two_files_with_one_path_are_refused(tmp_path):
    with pytest.raises(ValueError, match="same path"):
        written(tmp_path, [ImageFile("/a", b"1"), ImageFile("/a", b"2")])


def test_a_file_below_a_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="/a is both"):
        written(tmp_path, [ImageFile("/a", b""), ImageFile("/a/b", b"")])


@pytest.mark.parametrize("plan", [images.PAUSE, images.COREDNS, images.HELLO], ids=lambda plan: plan.name)
def test_our_images_run_as_nobody_in_particular(tmp_path, plan):
    (tmp_path / "program").write_bytes(b"\x7fELF")
    artifact = images.make_image(
        plan, tmp_path / "program", tmp_path, source="module@v1", licence="Apache-2.0", arch="amd64"
    )
    assert artifact.path == f"images/{plan.name}.tar"
    contents = opened((tmp_path / artifact.path).read_bytes())
    manifest = json.loads(blob(contents, json.loads(contents["index.json"][0])["manifests"][0]))
    config = json.loads(blob(contents, manifest["config"]))
    layer = opened(blob(contents, manifest["layers"][0]))
    user = int(config["config"]["User"].partition(":")[0])
    assert user > 1000
    assert f":x:{user}:{user}:" in layer["etc/passwd"][0].decode()
    assert layer[plan.name][1].mode == 0o755
    assert config["config"]["Entrypoint"] == [f"/{plan.name}"]
    assert config["config"]["Labels"]["org.opencontainers.image.version"] == plan.version


def test_names_of_our_images_have_a_host_part_and_a_version():
    references = [plan.reference for plan in (images.PAUSE, images.COREDNS, images.HELLO)]
    assert references == ["kcloud.local/pause:1", "kcloud.local/coredns:1.14.7", "kcloud.local/hello:1"]


def test_a_changed_setting_of_an_image_changes_its_recipe():
    other = images.ImagePlan("hello", images.HELLO.version, user=1, ports=images.HELLO.ports)
    assert other.recipe != images.HELLO.recipe
