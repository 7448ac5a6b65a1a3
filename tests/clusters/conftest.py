"""What the tests of clusters share."""

import pytest

from tests.clusters import control_plane as real
from tests.clusters import loopback_sshd as sshd


@pytest.fixture(scope="session")
def control_plane():
    """A real API server on loopback; skipped where no bundle has been built."""
    folder = real.binaries()
    if folder is None:
        pytest.skip(f"no release bundle {real.VERSION}: manage.py bundle build {real.VERSION}")
    with real.running(folder) as plane:
        yield plane


@pytest.fixture(scope="session")
def controlled_plane(control_plane):
    """The same with its controllers: quotas are counted, namespaces go."""
    with real.controllers(real.binaries(), control_plane):
        yield control_plane


@pytest.fixture(scope="session")
def sshd_of_session(tmp_path_factory):
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def loopback_sshd(sshd_of_session):
    """Debian's sshd on loopback, honest at the beginning of every test."""
    sshd_of_session.honest()
    return sshd_of_session
