"""What the tests of clusters share."""

import pytest

from tests.clusters import control_plane as real


@pytest.fixture(scope="session")
def control_plane():
    """A real API server on loopback; skipped where no bundle has been built."""
    folder = real.binaries()
    if folder is None:
        pytest.skip(f"no release bundle {real.VERSION}: manage.py bundle build {real.VERSION}")
    with real.running(folder) as plane:
        yield plane
