"""Running what powers machines off, with real programs: no shell, an environment of our own, an end to everything."""

import pytest

from clusters.adapters import fencing
from clusters.errors import FencingFailed


@pytest.fixture
def program(tmp_path):
    """A script that does what is given."""

    def made(text, mode=0o755):
        path = tmp_path / "switch"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return str(path)

    return made


def test_arguments_arrive_as_they_are(program):
    said = fencing.run(program('printf "%s|" "$@"'), ["a b", "$(id)", "; ls"], seconds=5)
    assert (said.status, said.text) == (0, "a b|$(id)|; ls|")


def test_the_secret_is_in_the_environment_and_never_in_what_is_told(program, monkeypatch):
    monkeypatch.setenv("KCLOUD_MASTER_KEY", "not for it")
    said = fencing.run(program('env; echo "$#"; exit 3'), [], secret="letmein", seconds=5)
    assert said.status == 3
    assert "IPMI_PASSWORD=… " in said.text
    assert "letmein" not in said.text
    assert "not for it" not in said.text


def test_one_that_does_not_end_is_ended(program):
    with pytest.raises(FencingFailed) as refused:
        fencing.run(program("echo waits >&2; exec sleep 60"), [], seconds=0.5)
    assert "waits" in refused.value.why


@pytest.mark.parametrize("mode", [0o777, 0o644])
def test_one_that_anybody_may_change_or_nobody_may_run_is_not_run(program, mode, tmp_path):
    with pytest.raises(FencingFailed):
        fencing.run(program("touch ran", mode), [], seconds=5)


def test_one_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FencingFailed) as refused:
        fencing.run(str(tmp_path / "absent"), [], seconds=5)
    assert "absent" in str(refused.value)
