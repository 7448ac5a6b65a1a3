"""The portal's process group: started once, found again, ended without touching anybody else's process."""

import os
import socket
import subprocess
import sys

import pytest

from kcloud_site.demo.processes import Portal, PortalDown


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_taken_address_is_refused_with_the_way_out(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        portal = Portal(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(PortalDown, match="KCLOUD_BIND"):
            portal.start()
    assert not (tmp_path / "portal.pid").exists()


def test_a_pid_used_again_by_somebody_else_is_not_ours(tmp_path):
    (tmp_path / "portal.pid").write_text(f"{os.getpid()} 12345")
    portal = Portal(tmp_path, "127.0.0.1:1")
    assert not portal.running()
    assert portal.stop() is False  # and this very process is still here to say so
    assert not (tmp_path / "portal.pid").exists()


def test_a_broken_pid_file_means_not_running(tmp_path):
    (tmp_path / "portal.pid").write_text("garbage")
    assert not Portal(tmp_path, "127.0.0.1:1").running()


def test_stopping_ends_the_recorded_process(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        with open(f"/proc/{child.pid}/stat") as stat:
            started = stat.read().rpartition(")")[2].split()[19]
        (tmp_path / "portal.pid").write_text(f"{child.pid} {started}")
        portal = Portal(tmp_path, "127.0.0.1:1")
        assert portal.running()
        assert portal.stop() is True
        assert child.wait(timeout=10) != 0
        assert not portal.running()
    finally:
        child.kill()
        child.wait()


def test_a_portal_that_dies_at_once_is_reported_with_the_end_of_its_log(tmp_path, free_port):
    portal = Portal(tmp_path, f"127.0.0.1:{free_port}")
    portal.log.write_text("first line\nImproperlyConfigured: no such database\n")
    with pytest.raises(PortalDown, match="no such database"):
        portal.wait_until_answering(seconds=5)
