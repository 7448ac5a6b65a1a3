"""Keys beside the database: made once, the same for everybody, closed to others."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor

from kcloud_site.keyfiles import read_or_make_key


def test_a_key_is_made_once_and_then_read(tmp_path):
    path = tmp_path / "deep" / "secret.key"
    assert read_or_make_key(path) == read_or_make_key(path)
    assert len(base64.b64decode(read_or_make_key(path))) == 32


def test_only_the_owner_may_read_it(tmp_path):
    path = tmp_path / "secret.key"
    read_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_start_together_get_the_same_key(tmp_path):
    path = tmp_path / "secret.key"
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: read_or_make_key(path), range(32)))) == 1


def test_no_draft_is_left_behind(tmp_path):
    read_or_make_key(tmp_path / "secret.key")
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.key"]
