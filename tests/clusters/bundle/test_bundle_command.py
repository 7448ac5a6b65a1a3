"""manage.py bundle: what the operator reads and what is refused."""

import io
import os
import signal
import threading

import pytest
from django.core.management import CommandError, call_command

from clusters.bundle import assembly, debian, golang, locations, signing
from clusters.bundle.errors import GoMissing, NotEnoughDisk
from clusters.management.commands import bundle as command


def run(*arguments):
    out = io.StringIO()
    call_command("bundle", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


@pytest.fixture
def asked(monkeypatch):
    """Takes the build requests instead of building."""
    requests = []
    monkeypatch.setattr(command, "build", lambda request, **rest: requests.append(request))
    return requests


@pytest.fixture
def signed_here(tmp_path, write_bundle):
    """A bundle that this operator signed."""
    return write_bundle(locations.bundle_directory("1.34.4"), signer=signing.operator_key())


def test_an_action_is_needed():
    assert "required" in refused()


def test_an_unknown_action_is_refused_with_the_known_ones():
    message = refused("make")
    assert "invalid choice" in message
    assert "verify" in message


def test_build_makes_the_newest_version_from_source(asked):
    run("build")
    assert asked == [assembly.BuildRequest(versions=["1.34.4"], release_urls=None, keep_cache=False)]


def test_build_takes_several_versions_and_keeps_the_cache_when_asked(asked):
    run("build", "--version", "1.34.4", "--version", "1.33.13", "--keep-cache")
    assert asked == [
        assembly.BuildRequest(versions=["1.34.4", "1.33.13"], release_urls=None, keep_cache=True)
    ]


def test_releases_come_from_the_addresses_given(asked, monkeypatch):
    monkeypatch.setenv("KCLOUD_RELEASES_URL", "https://ignored")
    run("build", "--source", "releases", "--url", "https://mirror", "--url", "etcd=https://other")
    assert asked[0].release_urls == ["https://mirror", "etcd=https://other"]


def test_releases_come_from_the_environments_addresses_otherwise(asked, monkeypatch):
    monkeypatch.setenv("KCLOUD_RELEASES_URL", "https://mirror etcd=https://other")
    run("build", "--source", "releases")
    assert asked[0].release_urls == ["https://mirror", "etcd=https://other"]


def test_releases_without_an_address_are_refused(asked):
    message = refused("build", "--source", "releases")
    assert "--url https://MIRROR or set KCLOUD_RELEASES_URL" in message
    assert asked == []


def test_an_address_without_releases_is_refused(asked):
    assert "--source releases" in refused("build", "--url", "https://mirror")
    assert asked == []


@pytest.mark.parametrize("version", ["1.2.3", "latest", "../1.34.4", ""])
def test_an_unknown_version_is_refused_before_anything_is_looked_for(version, monkeypatch):
    monkeypatch.setattr(golang, "find_toolchain", lambda: pytest.fail("looked for a compiler"))
    message = refused("build", "--version", version)
    assert "is not among the versions" in message
    assert "Choose one of 1.34.4, 1.33.13." in message


@pytest.mark.parametrize(
    "error", [GoMissing("1.26", "none was found"), NotEnoughDisk(needed="7 GB", free="1 GB", where="/x")]
)
def test_an_error_shows_what_and_remedy(monkeypatch, error):
    def fail(request, **rest):
        raise error

    monkeypatch.setattr(command, "build", fail)
    assert refused("build") == f"{error}\n{error.remedy}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_from_outside_ends_the_build_and_says_how_to_continue(monkeypatch, number):
    before = signal.getsignal(signal.SIGTERM)

    def stopped(request, **rest):
        os.kill(os.getpid(), number)
        # Whichever thread the kernel chose, the handler runs in this one and ends the waiting.
        threading.Event().wait(30)

    monkeypatch.setattr(command, "build", stopped)
    with pytest.raises(CommandError, match="run the same command to continue") as caught:
        run("build")
    assert caught.value.returncode == 130
    assert signal.getsignal(signal.SIGTERM) == before


def test_verify_says_what_was_checked(signed_here):
    key_id = signing.key_id(signing.operator_key().public_key())
    assert run("verify") == f"1.34.4: 9 files, 49 B, every byte as signed by {key_id}\n"
    assert run("verify", "--version", "1.34.4") == run("verify")


def test_verify_names_the_changed_file_and_the_remedy(signed_here):
    (signed_here / "bin/kubelet").write_bytes(b"agenT")
    message = refused("verify")
    assert "bin/kubelet differs from the manifest" in message
    assert "bundle build" in message


def test_verify_refuses_a_strangers_bundle(bundle):
    assert "not trusted" in refused("verify")


def test_verify_without_a_bundle_says_how_to_build_one():
    assert "manage.py bundle build" in refused("verify")
    assert "--version 1.33.13" in refused("verify", "--version", "1.33.13")


def test_list_shows_version_size_signature_and_components(signed_here):
    first, *components = run("list").splitlines()
    assert first.startswith("1.34.4  49 B  2026-01-02T03:04:05+00:00  signature valid")
    assert components == ["    thing 1.0", "    1 packages (bookworm amd64)"]


def test_list_shows_what_is_wrong(bundle):
    assert "not trusted" in run("list")


def test_list_without_bundles_says_how_to_build_one():
    assert "bundle build" in run("list")


def test_the_help_names_the_versions(capsys):
    with pytest.raises(SystemExit):
        call_command("bundle", "build", "--help")
    assert "1.33.13" in capsys.readouterr().out


def test_build_looks_up_tools_places_and_key_and_signs(monkeypatch, tmp_path):
    """The whole way with components of the test's own in the place of the workshop's."""
    from clusters.bundle.catalogue import Cost
    from clusters.bundle.components import Component, Workshop
    from clusters.bundle.store import Artifact

    def make(work, on_progress):
        (work / "bin").mkdir()
        (work / "bin/etcd").write_text("store")
        return [Artifact("bin/etcd", "binary", "etcd", "3", "Apache-2.0", "etcd@v3")]

    part = Component("etcd", {"component": "etcd"}, Cost(1, 0, 10), make)
    monkeypatch.setattr(Workshop, "components", lambda self, version: [part])
    monkeypatch.setattr(debian, "this_release", lambda: debian.Release("bookworm", "amd64"))
    monkeypatch.setattr(golang, "find_toolchain", lambda: golang.Toolchain("/x/go", "go1.26.8"))
    run("build", "--version", "1.33.13")
    assert (tmp_path / "state" / "bundle-key").exists()
    assert (tmp_path / "cache/bundles/1.33.13/bin/etcd").read_text() == "store"
    assert run("verify").startswith("1.33.13: 1 files")
    assert run("list").startswith("1.33.13  5 B")
