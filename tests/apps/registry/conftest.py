"""The platform's registry as it runs: the real program, its token address answered by the live test portal."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from apps.services import registry_program
from clusters.bundle import golang

MODULE = Path(golang.SOURCES) / "modules/registry"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def registry_program_path(tmp_path_factory):
    """The bundle's program; without a bundle that has it, built here from the same pinned modules."""
    found = registry_program.find_program()
    if found is not None:
        return found
    target = tmp_path_factory.mktemp("registry") / registry_program.PROGRAM
    toolchain = golang.find_toolchain()
    variables = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    argv = [toolchain.path, "build", "-trimpath", "-ldflags=-s -w", "-o", str(target), "."]
    subprocess.run(argv, cwd=MODULE, env=variables, check=True, timeout=900)
    return target


@pytest.fixture
def registry(live_server, settings, tmp_path, monkeypatch, registry_program_path):
    """Its host's name while it runs."""
    monkeypatch.setenv("KCLOUD_REGISTRY_PROGRAM", str(registry_program_path))
    address = f"127.0.0.1:{free_port()}"
    settings.REGISTRY_ADDRESSES = [address]
    settings.REGISTRY_HOST = address
    settings.REGISTRY_NODE_ADDRESS = ""
    settings.REGISTRY_HOME = tmp_path / "registry"
    settings.REGISTRY_PORTAL = live_server.url
    supervisor = registry_program.Supervisor()
    thread = threading.Thread(target=_run, args=[supervisor], daemon=True)
    thread.start()
    wait_for(address)
    yield address
    supervisor.stop.set()
    thread.join(20)


def _run(supervisor):
    from django.db import connection

    try:
        supervisor.run()
    finally:
        connection.close()


def wait_for(address, seconds=30):
    """Until something listens there."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {address}")


@pytest.fixture
def environment_of():
    """environment_of(tenant) answers a ready environment of it."""
    from tests.clusters.carving import carve
    from tests.clusters.environments import give_quota

    def made(tenant):
        give_quota(tenant)
        return carve(tenant)

    return made
