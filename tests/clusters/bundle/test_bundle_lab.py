"""The real bundles, as built: every byte, every program's version, and the sample application itself."""

import http.client
import io
import json
import signal
import socket
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
