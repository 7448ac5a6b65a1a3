"""The one module that runs docker: what it says to it, and what it makes of the answers."""

import json

import pytest

from clusters.lab.engine import Engine, observed
from clusters.lab.errors import EngineRefused, EngineUnavailable, ToolsMissing


def inspection(name="h1", status="running", networks=("kcloud-demo",)):
    return {
        "Config": {"Labels": {"kcloud.lab": "demo", "kcloud.host": name}},
        "State": {"Status": status, "StartedAt": "2026-01-02T03:04:05.6Z"},
        "NetworkSettings": {"Networks": {network: {"IPAddress": ""} for network in networks}},
    }


def test_run_returns_what_docker_printed(programs):
    programs(docker='echo "$@"')
    assert Engine().run("network", "ls") == "network ls\n"


def test_an_engine_by_address_wins_over_what_the_user_chose(programs, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///users.sock")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    programs(docker='echo "$DOCKER_HOST,$DOCKER_CONTEXT"')
    assert Engine("unix:///ours.sock").run("ps") == "unix:///ours.sock,\n"


def test_an_engine_without_address_is_the_one_the_user_chose(programs, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///users.sock")
    programs(docker='echo "$DOCKER_HOST"')
    assert Engine().run("ps") == "unix:///users.sock\n"


def test_a_failure_keeps_dockers_words_on_one_line(programs):
    programs(docker="echo 'Error: pool overlaps\n  with other' >&2; exit 1")
    with pytest.raises(EngineRefused, match="pool overlaps with other") as failure:
        Engine().run("network", "create", "x")
    assert failure.value.what == "docker network failed"
    assert "lab down" in failure.value.remedy


def test_a_silent_failure_is_still_a_sentence(programs):
    programs(docker="exit 125")
    with pytest.raises(EngineRefused, match="docker said nothing"):
        Engine().run("ps")


@pytest.mark.parametrize(
    "words",
    [
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
        "permission denied while trying to connect to the Docker daemon socket",
    ],
)
def test_an_engine_that_is_not_there_is_told_from_one_that_refuses(programs, words):
    programs(docker=f"echo '{words}' >&2; exit 1")
    with pytest.raises(EngineUnavailable, match=words[:20]):
        Engine().run("ps")
    assert Engine().answers() is False


def test_a_missing_docker_command_names_the_package(programs):
    programs(only=True)
    with pytest.raises(
        ToolsMissing, match=r"docker not found.*apt-get install --no-install-recommends docker\.io"
    ):
        Engine().run("ps")


def test_an_engine_that_hangs_is_given_up(programs):
    programs(docker="exec sleep 30")
    with pytest.raises(EngineUnavailable, match="gave no answer"):
        Engine().run("ps", timeout=0.2)


def test_answers_is_true_when_a_version_comes(programs):
    programs(docker='[ "$1" = version ] && echo 20.10.24')
    assert Engine().answers() is True


def test_answers_is_false_when_no_version_comes(programs):
    programs(docker="exit 0")
    assert Engine().answers() is False


@pytest.mark.parametrize(("printed", "there"), [("sha256abc", True), ("", False)])
def test_has_image_looks_for_exactly_that_tag(programs, printed, there):
    programs(docker=f'[ "$*" = "image ls --quiet lab:tag" ] && echo {printed}')
    assert Engine().has_image("lab:tag") is there


def test_an_image_is_imported_from_the_archive_itself(programs, tmp_path):
    archive = tmp_path / "root.tar"
    archive.write_text("CONTENT")
    programs(docker=f'echo "$@" > {tmp_path}/said; cat > {tmp_path}/got')
    Engine().import_image(archive, "lab:tag")
    assert (tmp_path / "said").read_text() == "import - lab:tag\n"
    assert (tmp_path / "got").read_text() == "CONTENT"


def test_observed_reads_state_start_and_network():
    found = observed([inspection(), inspection("h2", "exited", ())], "kcloud-demo")
    assert (found["h1"].state, found["h1"].attached) == ("running", True)
    assert (found["h2"].state, found["h2"].attached) == ("exited", False)
    assert found["h1"].started_at == "2026-01-02T03:04:05.6Z"


def test_a_host_on_another_network_only_is_not_attached():
    assert observed([inspection(networks=("bridge",))], "kcloud-demo")["h1"].attached is False


def test_observe_asks_nothing_about_no_containers(programs):
    programs(docker='[ "$1" = ps ] || exit 1')
    assert Engine().observe("demo", "kcloud-demo") == {}


def test_observe_inspects_what_carries_the_labs_label(programs, tmp_path):
    (tmp_path / "answer").write_text(json.dumps([inspection()]))
    programs(
        docker=f"""case "$*" in
            "ps --all --filter=label=kcloud.lab=demo --format={{{{.Names}}}}") echo kcloud-demo-h1 ;;
            "inspect kcloud-demo-h1") cat {tmp_path}/answer ;;
            *) echo "unexpected $*" >&2; exit 1 ;;
        esac"""
    )
    assert list(Engine().observe("demo", "kcloud-demo")) == ["h1"]
