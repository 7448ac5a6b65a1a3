"""The real bundles, as built: every byte, every program's version, and the sample application itself."""

import http.client
import io
import json
import os
import signal
import socket
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from clusters.bundle import catalogue, signing
from clusters.bundle.roles import files_for
from clusters.bundle.verification import verify

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def places(monkeypatch):
    """The operator's own places instead of the test's."""


@pytest.fixture(params=catalogue.KUBERNETES)
def built(request):
    from clusters.bundle import locations

    directory = locations.bundle_directory(request.param)
    if not directory.exists():
        pytest.skip(f"no bundle {request.param}: manage.py bundle build --version {request.param}")
    return verify(directory, signing.trusted_keys())


def test_every_byte_is_as_signed(built):
    assert built.deep
    assert built.manifest.kubernetes_version == built.directory.name


def test_programs_start_and_report_the_version_of_the_bundle(built):
    version = built.manifest.kubernetes_version
    for name in catalogue.KUBERNETES_BINARIES:
        argument = ["version", "--client"] if name == "kubectl" else ["--version"]
        told = subprocess.run(
            [built.directory / "bin" / name, *argument], capture_output=True, text=True, check=True
        )
        assert f"v{version}" in told.stdout
    told = subprocess.run(
        [built.directory / "bin/etcd", "--version"], capture_output=True, text=True, check=True
    )
    assert catalogue.ETCD in told.stdout


def test_a_worker_finds_all_packages_it_installs_in_the_repository(built):
    files = files_for(built.manifest, "worker")
    for name in catalogue.DEBIAN_PACKAGES:
        assert any(f"/{name}_" in path for path in files)
    assert any(path.endswith("/Packages") for path in files)


def program_of(built, name):
    """The program inside an image archive of the bundle."""
    with tarfile.open(built.directory / f"images/{name}.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        layer = archive.extractfile(manifest[0]["Layers"][0]).read()
    with tarfile.open(fileobj=io.BytesIO(layer)) as contents:
        return contents.extractfile(name).read()


def started(tmp_path, built, name, **environment):
    path = Path(tmp_path) / name
    path.write_bytes(program_of(built, name))
    path.chmod(0o755)
    return subprocess.Popen([path], env=environment)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path="/", accept="application/json"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture
def hello(built, tmp_path):
    port = free_port()
    process = started(
        tmp_path, built, "hello", PORT=str(port), POD_NAME="<pod>", NODE_NAME="n1", APP_VERSION="2"
    )
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            ask(port, "/healthz")
            break
        except ConnectionRefusedError:
            continue
    yield port, process
    process.kill()
    process.wait()


def test_the_sample_tells_who_answered_and_counts(hello):
    port, _ = hello
    first, second = (json.loads(ask(port)[1]) for _ in range(2))
    assert (first["pod"], first["node"], first["version"], first["hits"]) == ("<pod>", "n1", "2", 1)
    assert second["hits"] == 2


def test_the_sample_answers_a_browser_with_a_page_and_escapes_names(hello):
    status, page = ask(hello[0], accept="text/html,*/*")
    assert status == 200
    assert "Hello from &lt;pod&gt;" in page


def test_the_sample_says_that_it_is_well_and_knows_no_other_page(hello):
    assert ask(hello[0], "/healthz") == (200, "ok\n")
    assert ask(hello[0], "/other")[0] == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sample_goes_when_it_is_told(hello, number):
    hello[1].send_signal(number)
    assert hello[1].wait(10) == 0


def test_pause_goes_when_it_is_told(built, tmp_path):
    process = started(tmp_path, built, "pause")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    assert process.wait(10) == 0


# ---- the sample shop, each image in a root of its own ---------------------------------------------------------------

USER = "10001:10001"


def root_of(built, name, folder):
    """The image's files unpacked, with the two devices every container has."""
    with tarfile.open(built.directory / "images/shop.tar") as archive:
        rows = {row["RepoTags"][0]: row for row in json.load(archive.extractfile("manifest.json"))}
        for layer in rows[f"kcloud.local/{name}:1.0"]["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(archive.extractfile(layer).read())) as contents:
                contents.extractall(folder)
    (folder / "dev").mkdir()
    for device, minor in (("null", 3), ("urandom", 9)):
        os.mknod(folder / "dev" / device, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        (folder / "dev" / device).chmod(0o666)
    (folder / "data").chmod(0o777)
    (folder / "etc/hosts").write_text("127.0.0.1 localhost shop-db shop-cache\n")
    return folder


@pytest.fixture
def inside(built, tmp_path):
    """`inside(image, command, **environment)` starts a program of an image as its user."""
    running = []

    def start(name, *command, **environment):
        root = root_of(built, name, tmp_path / name)
        process = subprocess.Popen(
            ["/usr/sbin/chroot", f"--userspec={USER}", root, *command],
            env={"PATH": "/usr/bin:/bin", **environment},
        )
        running.append(process)
        return process

    yield start
    for process in reversed(running):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="another root needs root")
def test_the_shop_sells_from_its_own_images_alone(inside):
    password, database, cache, api = "sample", free_port(), free_port(), free_port()
    inside("shop-postgres", "/app/start-postgres", "-p", str(database), SHOP_DB_PASSWORD=password)
    inside("shop-redis", "/app/start-redis", "--port", str(cache))
    settings = {"SHOP_PORT": str(api), "SHOP_DB_PORT": str(database), "SHOP_CACHE_PORT": str(cache)}
    inside("shop-api", "/usr/bin/python3.11", "/app/shop_api.py", SHOP_DB_PASSWORD=password, **settings)
    front = free_port()
    address = f"http://127.0.0.1:{api}"
    inside("shop-web", "/usr/bin/python3.11", "/app/shop_web.py", SHOP_PORT=str(front), SHOP_API=address)
    end = time.monotonic() + 60
    while True:
        try:
            if ask(api, "/readyz")[0] == 200 and ask(front, "/readyz")[0] == 200:
                break
        except OSError:
            pass
        assert time.monotonic() < end
        time.sleep(0.05)
    for product in ("tea", "cocoa"):
        connection = http.client.HTTPConnection("127.0.0.1", front, timeout=5)
        connection.request("POST", "/buy", json.dumps({"product": product, "quantity": 2}))
        assert connection.getresponse().status == 201
    status, told = ask(front)
    assert status == 200
    sold = {each["name"]: each["sold"] for each in json.loads(told)["shop"]["products"]}
    assert sold == {"tea": 2, "coffee": 0, "cocoa": 2}
    with socket.create_connection(("127.0.0.1", cache), timeout=5) as line:
        line.sendall(b"*2\r\n$3\r\nGET\r\n$13\r\nshop:products\r\n")
        assert b"cocoa" in line.recv(1000)
