"""The portal's own log store as a process: started again, moved when an address comes, harmless when it is off."""

import os
import signal
import threading
from pathlib import Path

import pytest

from apps.selectors import log_places
from apps.services import log_program
from tests.operations.processes import until

SCRIPT = """#!/bin/sh
echo "$$ $@" >> "{log}"
exec sleep 60
"""


@pytest.fixture
def program(settings, tmp_path, monkeypatch):
    """A program that writes down how it was started."""
    settings.LOGS_HOME, settings.LOGS_URL, settings.LOGS_KEEP = tmp_path / "logs", "", "7d"
    settings.LOGS_ADDRESSES = ["127.0.0.1:9428"]
    path, log = tmp_path / "program", tmp_path / "log"
    path.write_text(SCRIPT.format(log=log))
    path.chmod(0o755)
    monkeypatch.setenv("KCLOUD_LOGS_PROGRAM", str(path))
    return log


@pytest.fixture
def supervised():
    """A running supervisor and what it has said; ended with the test."""
    said = []
    supervisor = log_program.Supervisor(say=said.append)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    yield supervisor, said
    supervisor.stop.set()
    thread.join(20)
    assert not thread.is_alive()


def starts(log):
    return log.read_text().splitlines() if log.exists() else []


def test_it_is_told_where_to_listen_how_long_to_keep_and_asks_everybody(program, supervised, settings):
    until(lambda: starts(program), 20)
    (line,) = starts(program)
    assert "-httpListenAddr=127.0.0.1:9428" in line
    assert "-retentionPeriod=7d" in line
    assert f"-httpAuth.password=file://{settings.LOGS_HOME}/password" in line
    assert (settings.LOGS_HOME / "password").read_text() not in line


def test_a_process_that_ends_is_started_again(program, supervised):
    until(lambda: starts(program), 20)
    os.kill(int(starts(program)[0].split()[0]), signal.SIGKILL)
    until(lambda: len(starts(program)) == 2, 20)


def test_an_address_that_comes_is_listened_to_and_one_that_is_away_is_left_out(program, supervised):
    until(lambda: starts(program), 20)
    log_program.add_address("192.0.2.77:9428")
    log_program.add_address("127.0.0.2:9428")
    until(lambda: len(starts(program)) == 2, 20)
    assert "-httpListenAddr=127.0.0.1:9428 -httpListenAddr=127.0.0.2:9428 -storage" in starts(program)[1]


def test_off_it_says_so_once_and_waits(program, settings):
    settings.LOGS_ADDRESSES = []
    said, stop = [], threading.Event()
    supervisor = log_program.Supervisor(say=said.append, stop=stop)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    until(lambda: said, 20)
    settings.LOGS_ADDRESSES = ["127.0.0.1:9428"]
    until(lambda: starts(program), 20)
    stop.set()
    thread.join(20)
    assert said[0] == "The portal keeps no log lines of its own (KCLOUD_LOGS_ADDRESS)."
    assert len(said) == 2


def test_it_listens_at_no_address_everybody_reaches(program, supervised, settings):
    settings.LOGS_ADDRESSES = ["0.0.0.0:9428"]
    until(lambda: any("give one address" in text for text in supervised[1]), 20)


def test_two_processes_that_want_the_password_first_get_the_same(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(read(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0]


def read(home: Path):
    return log_places.password_file(home).read_text()
