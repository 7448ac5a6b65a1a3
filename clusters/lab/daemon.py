"""An engine of our own, for machines where none runs: Debian's dockerd with its own socket and data.

Contract: ``obtain`` returns an engine that answers: ours if it runs, else one that is already there, else
ours started now; ToolsMissing says what this machine lacks, EngineUnavailable why ours did not start.
``stop`` ends ours and removes everything it wrote. Ours makes no default bridge, no packet filter rules and
no forwarding: lab hosts talk to each other and to this machine, to nobody else.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from clusters.lab import remains, state
from clusters.lab.engine import INSTALL_DOCKER, Engine
from clusters.lab.errors import EngineUnavailable, ToolsMissing

START_SECONDS = 60.0
# A host's systemd, containerd and kubelet hold some 15 of root's inotify instances; 128 is the usual limit.
INOTIFY_INSTANCES = 4096
SYSTEMD = Path("/run/systemd/system")
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# Debian keeps daemons where an ordinary user's PATH does not look.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def data() -> Path:
    return state.root() / "engine"


def runtime() -> Path:
    # Socket paths are limited to 107 characters, a state folder is not: hence a short one of its own.
    return Path("/run/kcloud-lab") / _mark()


def cgroup() -> str:
    """The control group all hosts of this engine lie under, where no systemd looks after such groups."""
    return f"kcloud-lab-{_mark()}"


def _mark() -> str:
    return hashlib.sha256(str(data()).encode()).hexdigest()[:8]


def ours() -> Engine:
    return Engine(f"unix://{runtime()}/docker.sock")


def arguments(dockerd: str) -> list[str]:
    run = runtime()
    own_group = [] if SYSTEMD.exists() else [f"--cgroup-parent=/{cgroup()}"]
    return [
        dockerd, f"--host=unix://{run}/docker.sock", f"--pidfile={run}/docker.pid", f"--exec-root={run}/exec",
        f"--data-root={data()}", "--bridge=none", "--iptables=false", "--ip6tables=false",
        "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false",
        *own_group,
    ]  # fmt: skip


def obtain(progress: Callable[[str], None]) -> Engine:
    if "docker" in missing():
        _require()
    if ours().answers():
        return ours()
    if not data().exists() and Engine().answers():
        if _inotify_instances() < INOTIFY_INSTANCES:
            progress(f"For many hosts run 'sysctl -w fs.inotify.max_user_instances={INOTIFY_INSTANCES}'")
        return Engine()
    progress("Starting a container engine")
    start()
    return ours()


def start() -> None:
    """Start ours and wait until it answers. One that runs but is slow is waited for, never replaced.

    Hosts of an engine that died are ended first, as by a power cut: the engine could not take them over.
    """
    dockerd = _require()
    first = not data().exists()
    pid = _pid()
    if pid is None:
        _clear_runtime()
        pid = _launch(dockerd)
    deadline = time.monotonic() + START_SECONDS
    while not ours().answers():
        if not remains.alive(pid) or time.monotonic() > deadline:
            why = _last_words()
            remains.end(pid)
            _clear_runtime()
            # Data of labs that ran before stays: what hindered the start may be mended.
            if first:
                stop()
            raise EngineUnavailable(
                "The container engine did not start", why=why, remedy="Mend what it names, then try again."
            )
        time.sleep(0.1)


def _launch(dockerd: str) -> int:
    runtime().mkdir(parents=True, exist_ok=True, mode=0o700)
    data().mkdir(parents=True, exist_ok=True, mode=0o711)
    _raise_inotify()
    with _log().open("wb") as output:
        process = subprocess.Popen(
            arguments(dockerd), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd="/", start_new_session=True, env={**os.environ, "PATH": SEARCH_PATH},
        )  # fmt: skip
    return process.pid


def stop() -> None:
    """End our engine if it runs, then remove its data, mounts and sockets. Harmless when there is none."""
    pid = _pid()
    if pid is not None:
        remains.end(pid)
    _clear_runtime()
    remains.unmount_below(data())
    shutil.rmtree(data(), ignore_errors=True)
    with contextlib.suppress(OSError):
        state.root().rmdir()


def _clear_runtime() -> None:
    """Everything of ours but the data: only when the engine itself does not run."""
    remains.end_all(runtime())
    _restore_inotify()
    remains.remove_groups(cgroup())
    remains.unmount_below(runtime())
    shutil.rmtree(runtime(), ignore_errors=True)
    with contextlib.suppress(OSError):
        runtime().parent.rmdir()


def exists() -> bool:
    return data().exists() or runtime().exists()


def missing() -> list[str]:
    return [
        name
        for name in ("docker", "dockerd", "containerd", "runc")
        if not shutil.which(name, path=SEARCH_PATH)
    ]


def _require() -> str:
    absent = missing()
    if absent:
        raise ToolsMissing(
            f"{', '.join(absent)} not found",
            why="no container engine runs on this machine",
            remedy=INSTALL_DOCKER,
        )
    if os.geteuid() != 0:
        raise ToolsMissing(
            "The container engine is not running",
            why="none answers, and only root may start one",
            remedy="Run this as root, or start docker and join its group.",
        )
    found = shutil.which("dockerd", path=SEARCH_PATH)
    assert found is not None
    return found


def _inotify_instances() -> int:
    return int(_INOTIFY.read_text())


def _raise_inotify() -> None:
    with contextlib.suppress(OSError):
        before = _inotify_instances()
        if before < INOTIFY_INSTANCES:
            (runtime() / "inotify").write_text(str(before))
            _INOTIFY.write_text(str(INOTIFY_INSTANCES))


def _restore_inotify() -> None:
    with contextlib.suppress(OSError):
        _INOTIFY.write_text((runtime() / "inotify").read_text())


def _pid() -> int | None:
    """Our engine's process, if it is still that."""
    try:
        pid = int((runtime() / "docker.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if remains.named(runtime(), pid) else None


def _log() -> Path:
    return runtime() / "dockerd.log"


def _last_words() -> str:
    lines = [line for line in _log().read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "level=fatal" in line or "failed to start" in line] or lines
    return telling[-1] if telling else "it said nothing"
