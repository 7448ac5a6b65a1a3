"""An engine of our own: when it is started, what it may touch, and that a failed start leaves nothing."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from clusters.lab import daemon, remains
from clusters.lab.engine import Engine
from clusters.lab.errors import EngineUnavailable, ToolsMissing

QUIET = "exit 0"
NO_ENGINE = "{ echo 'Cannot connect to the Docker daemon' >&2; exit 1; }"


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """The short folder for sockets, elsewhere than on the real machine; kernel limits untouched."""
    folder = tmp_path / "run" / "x"
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(daemon, "runtime", lambda: folder)
    monkeypatch.setattr(daemon, "_INOTIFY", limit)
    return folder


def test_ours_touches_no_rules_and_no_default_network(run_folder):
    line = daemon.arguments("/usr/sbin/dockerd")
    assert {"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"} <= set(line)
    assert f"--data-root={daemon.data()}" in line
    assert f"--host=unix://{run_folder}/docker.sock" in line


@pytest.mark.parametrize("booted_by_systemd", [True, False])
def test_hosts_get_a_group_of_their_own_unless_systemd_gives_one(
    run_folder, tmp_path, monkeypatch, booted_by_systemd
):
    monkeypatch.setattr(daemon, "SYSTEMD", tmp_path if booted_by_systemd else tmp_path / "absent")
    given = f"--cgroup-parent=/{daemon.cgroup()}" in daemon.arguments("dockerd")
    assert given is not booted_by_systemd


def test_the_socket_path_is_short_however_long_the_state_path_is(monkeypatch):
    monkeypatch.setenv("KCLOUD_STATE", "/" + "x" * 200)
    assert len(daemon.ours().address.removeprefix("unix://")) < 100


def test_two_state_folders_have_engines_of_their_own(monkeypatch):
    monkeypatch.setenv("KCLOUD_STATE", "/one")
    one = daemon.runtime()
    monkeypatch.setenv("KCLOUD_STATE", "/two")
    assert daemon.runtime() != one


def test_an_engine_that_runs_is_used(programs, run_folder):
    programs(docker='[ -z "$DOCKER_HOST" ] && echo 20.10 || ' + NO_ENGINE, dockerd="exit 1")
    told = []
    assert daemon.obtain(told.append) == Engine()
    assert not daemon.exists()
    assert "sysctl -w fs.inotify.max_user_instances" in told[0]
    assert daemon._INOTIFY.read_text().strip() == "128"


def test_ours_is_preferred_once_it_runs(programs, run_folder):
    programs(docker="echo 20.10")
    assert daemon.obtain(lambda _: None) == daemon.ours()


def test_ours_is_started_again_rather_than_another_taken(programs, run_folder, monkeypatch):
    daemon.data().mkdir(parents=True)
    programs(docker='[ -z "$DOCKER_HOST" ] && echo 20.10 || ' + NO_ENGINE)
    started = []
    monkeypatch.setattr(daemon, "start", lambda: started.append(True))
    assert daemon.obtain(lambda _: None) == daemon.ours()
    assert started == [True]


def test_all_that_is_missing_is_named_at_once(programs, run_folder):
    programs(only=True)
    with pytest.raises(ToolsMissing) as refusal:
        daemon.obtain(lambda _: None)
    assert "docker, dockerd, containerd, runc not found" in str(refusal.value)
    assert "apt-get install --no-install-recommends docker.io" in refusal.value.remedy


def test_a_client_without_an_engine_names_the_engine(programs, run_folder):
    programs(only=True, docker=NO_ENGINE)
    with pytest.raises(ToolsMissing, match="dockerd, containerd, runc not found"):
        daemon.obtain(lambda _: None)


def test_only_root_may_start_one(programs, run_folder, monkeypatch):
    programs(docker=NO_ENGINE, dockerd=QUIET, containerd=QUIET, runc=QUIET)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolsMissing, match="only root may start one"):
        daemon.obtain(lambda _: None)
    assert not daemon.exists()


def test_a_start_that_fails_tells_why_and_leaves_nothing(programs, run_folder, monkeypatch, state_root):
    fatal = "echo 'level=info msg=hello'; echo 'failed to start daemon: no cgroups'; echo bye; exit 1"
    programs(docker=NO_ENGINE, dockerd=fatal, containerd=QUIET, runc=QUIET)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EngineUnavailable, match="failed to start daemon: no cgroups"):
        daemon.obtain(lambda _: None)
    assert not run_folder.exists()
    assert not state_root.exists()
    assert daemon._INOTIFY.read_text().strip() == "128"


def test_a_start_that_never_answers_is_given_up_and_ended(programs, run_folder, monkeypatch, tmp_path):
    programs(
        docker=NO_ENGINE, dockerd=f"echo $$ > {tmp_path}/pid; exec sleep 600", containerd=QUIET, runc=QUIET
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(daemon, "START_SECONDS", 0.5)
    with pytest.raises(EngineUnavailable):
        daemon.obtain(lambda _: None)
    assert not remains.alive(int((tmp_path / "pid").read_text()))


def test_start_returns_when_the_engine_answers_and_stop_ends_it(programs, run_folder, monkeypatch):
    folder = programs(
        docker=f"[ -e {run_folder}/docker.pid ] && echo 20.10 || {NO_ENGINE}", containerd=QUIET, runc=QUIET
    )
    # The process shows its options on its command line, by which it is known again, as the real one does.
    dockerd = folder / "dockerd"
    dockerd.write_text(
        f"#!{sys.executable}\nimport os, signal\n"
        f"open('{run_folder}/docker.pid', 'w').write(str(os.getpid()))\nsignal.pause()\n"
    )
    dockerd.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    daemon.start()
    pid = daemon._pid()
    assert pid is not None
    assert daemon.exists()
    daemon.stop()
    assert not remains.alive(pid)
    assert not daemon.exists()
    assert not run_folder.parent.exists()


def test_stop_does_not_end_a_process_that_only_has_the_number(run_folder):
    other = subprocess.Popen([sys.executable, "-c", "input()", "unrelated"], stdin=subprocess.PIPE)
    try:
        run_folder.mkdir(parents=True)
        (run_folder / "docker.pid").write_text(str(other.pid))
        daemon.stop()
        assert other.poll() is None
        assert not run_folder.exists()
    finally:
        other.communicate(b"\n")


@pytest.mark.parametrize("text", ["", "nonsense", "999999999"])
def test_a_pid_file_that_names_nobody_is_no_engine(run_folder, text):
    run_folder.mkdir(parents=True)
    (run_folder / "docker.pid").write_text(text)
    assert daemon._pid() is None


def test_a_restart_that_fails_keeps_the_data_of_labs(programs, run_folder, monkeypatch):
    daemon.data().mkdir(parents=True)
    (daemon.data() / "host").write_text("precious")
    programs(docker=NO_ENGINE, dockerd="echo failed to start; exit 1", containerd=QUIET, runc=QUIET)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EngineUnavailable):
        daemon.obtain(lambda _: None)
    assert (daemon.data() / "host").read_text() == "precious"
    assert not run_folder.exists()


def test_an_engine_that_runs_but_is_slow_is_waited_for(programs, run_folder, monkeypatch, tmp_path):
    with lingering(f"{run_folder}/docker.sock") as engine:
        run_folder.mkdir(parents=True)
        (run_folder / "docker.pid").write_text(str(engine.pid))
        # Answers from the third question on.
        programs(
            docker=f"echo x >> {tmp_path}/asked; [ $(wc -l < {tmp_path}/asked) -ge 3 ] && echo 20.10 || {NO_ENGINE}",
            dockerd=f"touch {tmp_path}/second", containerd=QUIET, runc=QUIET,
        )  # fmt: skip
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        daemon.start()
        assert engine.poll() is None
    assert not (tmp_path / "second").exists()


def test_what_a_dead_engine_left_running_is_ended_before_the_next(programs, run_folder, monkeypatch):
    run_folder.mkdir(parents=True)
    programs(docker=NO_ENGINE, dockerd="exit 1", containerd=QUIET, runc=QUIET)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with (
        lingering(f"{run_folder}/exec/containerd.sock") as shim,
        lingering("/elsewhere/containerd.sock") as other,
    ):
        with pytest.raises(EngineUnavailable):
            daemon.start()
        assert not remains.alive(shim.pid)
        assert not remains.alive(shim.child)
        assert other.poll() is None


@contextmanager
def lingering(argument):
    """A process with ``argument`` on its command line that stays, and a child of it whose number it prints."""
    script = (
        "import subprocess, signal\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print(child.pid, flush=True)\n"
        "try: signal.pause()\n"
        "finally: child.kill()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, argument], stdout=subprocess.PIPE, text=True)
    process.child = int(process.stdout.readline())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def test_stop_removes_the_groups_of_its_hosts_and_no_others(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(remains, "CGROUPS", tmp_path / "cgroup")
    for tree in (".", "memory", "cpu"):
        (tmp_path / "cgroup" / tree / daemon.cgroup() / "host" / "kubepods").mkdir(parents=True)
        (tmp_path / "cgroup" / tree / "docker").mkdir()
    daemon.stop()
    assert sorted({path.name for path in (tmp_path / "cgroup").rglob("*")}) == ["cpu", "docker", "memory"]


def test_stop_is_harmless_where_nothing_runs(run_folder):
    daemon.stop()
    daemon.stop()
    assert not daemon.exists()


def test_the_kernels_limit_is_raised_for_many_hosts_and_put_back(run_folder):
    run_folder.mkdir(parents=True)
    daemon._raise_inotify()
    assert int(daemon._INOTIFY.read_text()) == daemon.INOTIFY_INSTANCES
    daemon.stop()
    assert daemon._INOTIFY.read_text().strip() == "128"


def test_a_higher_limit_is_left_as_it_is(run_folder):
    run_folder.mkdir(parents=True)
    daemon._INOTIFY.write_text("99999\n")
    daemon._raise_inotify()
    daemon.stop()
    assert daemon._INOTIFY.read_text() == "99999\n"
