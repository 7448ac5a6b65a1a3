"""The sample shop: how its images are put together, and its own programs as real processes."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from clusters.bundle import debian, shop
from clusters.bundle.errors import ComponentFailed
from clusters.bundle.layers import package_layer
from clusters.bundle.oci import digests_in
from clusters.bundle.process import Processes


def deb(folder, name, files, links=()):
    """A real package with these files."""
    root = folder / f"root-{name}"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: a\n"
    )
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for path, target in links:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)
    made = folder / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, made], check=True, capture_output=True)
    return made


def members(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as contents:
        return {member.name: member for member in contents}


def test_a_layer_has_the_wanted_files_and_links_of_its_packages_and_nothing_of_their_times(tmp_path):
    made = deb(
        tmp_path, "a", {"usr/lib/a.so.1": "x", "usr/share/man/a.1": "page"}, [("usr/lib/a.so", "a.so.1")]
    )
    (tmp_path / "root-a/usr/lib/a.so.1").chmod(0o4755)
    found = members(package_layer([made], shop.wanted, component="shop"))
    assert set(found) == {"usr", "usr/lib", "usr/lib/a.so.1", "usr/lib/a.so"}
    assert found["usr/lib/a.so"].linkname == "a.so.1"
    assert {member.mtime for member in found.values()} == {0}
    assert found["usr/lib/a.so.1"].mode == 0o644


def test_the_same_packages_give_the_same_layer_in_any_order(tmp_path):
    one, two = deb(tmp_path, "a", {"usr/lib/a": "1"}), deb(tmp_path, "b", {"usr/lib/b": "2"})
    layer = package_layer([one, two], shop.wanted, component="shop")
    assert layer == package_layer([two, one], shop.wanted, component="shop")


def test_a_broken_package_is_named(tmp_path):
    broken = tmp_path / "broken_1_all.deb"
    broken.write_bytes(b"no package")
    with pytest.raises(ComponentFailed, match="broken_1_all"):
        package_layer([broken], shop.wanted, component="shop")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The archive, of packages with a file each."""
    folder = tmp_path_factory.mktemp("shop")
    for name in shop.packages():
        deb(folder, name, {f"usr/lib/{name}": name}).rename(folder / f"{name}_1_amd64.deb")
    packages = [debian.Package(f"{name}_1_amd64.deb", 1, "0" * 64) for name in shop.packages()]
    made = shop.make(packages, folder, folder, arch="amd64", processes=Processes())
    assert [artifact.path for artifact in made] == ["images/shop.tar", "licences/shop.txt"]
    return folder / "images/shop.tar"


def test_one_archive_holds_every_image_with_every_tag(archive):
    with tarfile.open(archive) as contents:
        tags = [row["RepoTags"][0] for row in json.load(contents.extractfile("manifest.json"))]
    assert sorted(tags) == sorted(shop.references())
    assert "kcloud.local/shop-web:bad" in tags


def test_each_image_is_also_named_by_its_digest_for_nodes_without_a_registry(archive):
    with tarfile.open(archive) as contents:
        rows = json.load(contents.extractfile("index.json"))["manifests"]
    names = {row["annotations"]["io.containerd.image.name"]: row["digest"] for row in rows}
    digests = digests_in(archive)
    assert set(digests) == set(shop.references())
    for name, digest in digests.items():
        assert names[f"{name.rpartition(':')[0]}@{digest}"] == digest


def test_tags_differ_in_their_environment_only_and_share_all_layers(archive):
    with tarfile.open(archive) as contents:
        rows = {row["RepoTags"][0]: row for row in json.load(contents.extractfile("manifest.json"))}
        one, bad = rows["kcloud.local/shop-web:1.0"], rows["kcloud.local/shop-web:bad"]
        started = json.load(contents.extractfile(bad["Config"]))["config"]
    assert one["Layers"] == bad["Layers"]
    assert one["Config"] != bad["Config"]
    assert "SHOP_FAULT=crash-at-start" in started["Env"]
    assert started["User"] == "10001:10001"


def test_changed_sources_change_the_recipe(monkeypatch, tmp_path):
    before = shop.recipe()
    (tmp_path / "shop_web.py").write_text("other")
    monkeypatch.setattr(shop, "SOURCES", tmp_path)
    assert shop.recipe() != before


# ---- its own programs ----------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """shop_web as a process."""

    def __init__(self, folder, **environment):
        self.port = free_port()
        self.log = folder / "log"
        settings = {
            "SHOP_PORT": str(self.port),
            "SHOP_CONFIG": str(folder),
            "SHOP_DRAIN": "0.3",
        } | environment
        self.process = subprocess.Popen(
            [sys.executable, "-B", shop.SOURCES / "shop_web.py"],
            env={"PATH": os.environ["PATH"], "SHOP_API": "http://127.0.0.1:1", **settings},
            stdout=self.log.open("w"),
        )

    def ask(self, path="/", method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"never came; the log says:\n{self.log.read_text()}")

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def web(tmp_path):
    """`web(SHOP_FAULT=…)` starts the front and waits until it answers."""
    running = []

    def start(*, wait=True, **environment):
        made = Running(tmp_path, **environment)
        running.append(made)
        if wait:
            made.until(lambda: made.ask("/version")[0] == 200)
        return made

    yield start
    for made in running:
        made.process.kill()
        made.process.wait()


def test_without_its_api_the_page_says_what_is_missing(web):
    shopfront = web(SHOP_VERSION="1.1")
    status, page = shopfront.ask("/", Accept="text/html")
    assert status == 502
    assert "does not answer" in page
    assert "1.1" in page
    assert any(line["level"] == "error" and line["service"] == "shop-web" for line in shopfront.lines())


def test_told_to_stop_it_answers_what_has_begun_and_says_that_it_is_not_ready(web):
    shopfront = web(SHOP_DRAIN="1")
    shopfront.process.send_signal(signal.SIGTERM)
    shopfront.until(lambda: shopfront.ask("/readyz")[0] == 503)
    assert shopfront.ask("/version")[0] == 200
    assert shopfront.process.wait(10) == 0


def test_a_setting_in_a_mounted_file_is_followed_without_a_restart(web, tmp_path):
    shopfront = web(SHOP_GREETING="from the environment")
    assert "from the environment" in shopfront.ask()[1]
    (tmp_path / "shop_greeting").write_text("from the file")
    shopfront.until(lambda: "from the file" in shopfront.ask()[1])


def test_a_fault_in_a_mounted_file_is_followed_too(web, tmp_path):
    shopfront = web()
    (tmp_path / "shop_fault").write_text("not-ready")
    shopfront.until(lambda: shopfront.ask("/readyz")[0] == 500)
    (tmp_path / "shop_fault").write_text("")
    shopfront.until(lambda: shopfront.ask("/readyz")[0] == 200)


def test_faults_are_switched_by_whoever_has_the_key(web):
    shopfront = web(SHOP_FAULT_KEY="k")
    assert shopfront.ask("/faults", "POST", "not-live")[0] == 403
    assert shopfront.ask("/faults", "POST", "not-live", **{"X-Shop-Key": "k"})[0] == 200
    assert shopfront.ask("/healthz")[0] == 500


def test_without_a_key_nobody_switches_faults(web):
    assert web().ask("/faults", "POST", "not-live", **{"X-Shop-Key": ""})[0] == 403


@pytest.mark.parametrize(("fault", "code"), [("crash-at-start", 3), ("crash-after=0.2", 4)])
def test_it_ends_on_purpose(web, fault, code):
    shopfront = web(wait=False, SHOP_FAULT=fault)
    assert shopfront.process.wait(20) == code
    assert shopfront.lines()[-1]["level"] == "error"


def test_it_is_slow_on_purpose(web):
    shopfront = web(SHOP_FAULT="slow=0.4")
    began = time.monotonic()
    shopfront.ask()
    assert time.monotonic() - began >= 0.4


def test_it_takes_memory_on_purpose(web):
    shopfront = web(SHOP_FAULT="leak=30")

    def resident():
        status = Path(f"/proc/{shopfront.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) > 60_000

    shopfront.until(resident)


def test_it_listens_elsewhere_and_asks_a_wrong_name_on_purpose(web):
    elsewhere = free_port()
    shopfront = web(wait=False, SHOP_FAULT=f"wrong-port={elsewhere},wrong-api=no-such.invalid")
    shopfront.port = elsewhere
    shopfront.until(lambda: shopfront.ask("/version")[0] == 200)
    assert "no-such.invalid" in shopfront.ask()[1]


def test_it_ignores_the_signal_on_purpose(web):
    shopfront = web(SHOP_FAULT="ignore-sigterm,log-errors")
    shopfront.process.send_signal(signal.SIGTERM)
    shopfront.until(lambda: "goes on on purpose" in shopfront.log.read_text())
    assert shopfront.ask("/readyz")[0] == 200
    shopfront.ask()
    assert "could not be written" in shopfront.log.read_text()
