"""The registry's files and processes: certificates for every address, and started again when they end."""

import json
import threading
import time
from datetime import timedelta

import pytest
from cryptography import x509
from django.utils import timezone

from apps.services import registry_keys, registry_program

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = """#!/bin/sh
echo "$1 $2" >> "{log}"
exec sleep 60
"""


@pytest.fixture
def home(settings, tmp_path):
    settings.REGISTRY_HOME = tmp_path / "registry"
    settings.REGISTRY_ADDRESSES = ["127.0.0.1:5000", "10.0.0.1:5000"]
    return settings.REGISTRY_HOME


def names(path):
    found = x509.load_pem_x509_certificate(path.read_bytes())
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in listed}


def test_the_certificate_is_for_the_name_and_every_address(home):
    files = registry_program.write_files(timezone.now())
    assert names(home / "server.crt") == {"registry.kcloud.local", "127.0.0.1", "10.0.0.1", "localhost"}
    assert (home / "server.key").stat().st_mode & 0o777 == 0o600
    assert [json.loads(path.read_text())["http"]["addr"] for path in files.values()] == list(files)


def test_keys_stay_the_same_and_a_certificate_near_its_end_is_exchanged(home):
    now = timezone.now()
    registry_program.write_files(now)
    first, authority = (home / "server.crt").read_bytes(), (home / "ca.crt").read_bytes()
    registry_program.write_files(now)
    assert (home / "server.crt").read_bytes() == first
    registry_program.write_files(now + timedelta(days=330))
    assert (home / "server.crt").read_bytes() != first
    assert (home / "ca.crt").read_bytes() == authority


def test_two_that_start_together_get_the_same_keys(home):
    now = timezone.now()
    assert registry_keys.identity(now).signing_key == registry_keys.identity(now).signing_key


def test_a_process_that_ends_is_started_again_and_all_end_with_the_supervisor(home, tmp_path, monkeypatch):
    log, program = tmp_path / "log", tmp_path / "program"
    program.write_text(SCRIPT.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("KCLOUD_REGISTRY_PROGRAM", str(program))
    supervisor = registry_program.Supervisor()
    thread = threading.Thread(target=run, args=[supervisor], daemon=True)
    thread.start()
    until(lambda: log.exists() and len(log.read_text().splitlines()) == 2)
    supervisor._running["10.0.0.1:5000"].kill()
    until(lambda: len(log.read_text().splitlines()) == 3)
    assert log.read_text().splitlines()[2].endswith("registry-1.json")
    running = list(supervisor._running.values())
    supervisor.stop.set()
    thread.join(20)
    assert all(process.poll() is not None for process in running)


@pytest.mark.parametrize(("addresses", "said"), [([], "off"), (["127.0.0.1:5000"], "bundle build")])
def test_without_a_program_or_an_address_it_says_so_once_and_waits(settings, tmp_path, addresses, said):
    settings.REGISTRY_HOME, settings.BUNDLES_DIR = tmp_path / "registry", tmp_path
    settings.REGISTRY_ADDRESSES = addresses
    heard = []
    supervisor = registry_program.Supervisor(say=heard.append)
    thread = threading.Thread(target=run, args=[supervisor], daemon=True)
    thread.start()
    until(lambda: heard)
    assert thread.is_alive()
    supervisor.stop.set()
    thread.join(20)
    assert len(heard) == 1
    assert said in heard[0]


def run(supervisor):
    from django.db import connection

    try:
        supervisor.run()
    finally:
        connection.close()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")
