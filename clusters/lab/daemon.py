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
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from clusters.lab import state
from clusters.lab.engine import INSTALL_DOCKER, Engine
from clusters.lab.errors import EngineUnavailable, ToolsMissing

START_SECONDS = 60.0
STOP_SECONDS = 60.0
# A host's systemd, containerd and kubelet hold some 15 of root's inotify instances; 128 is the usual limit.
INOTIFY_INSTANCES = 4096
SYSTEMD = Path("/run/systemd/system")
CGROUPS = Path("/sys/fs/cgroup")
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
        return Engine()
    progress("Starting a container engine")
    start()
    return ours()


def start() -> None:
    dockerd = _require()
    runtime().mkdir(parents=True, exist_ok=True, mode=0o700)
    data().mkdir(parents=True, exist_ok=True, mode=0o711)
    _raise_inotify()
    (runtime() / "docker.pid").unlink(missing_ok=True)
    log = runtime() / "dockerd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments(dockerd), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd="/", start_new_session=True, env={**os.environ, "PATH": SEARCH_PATH},
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while not ours().answers():
        if process.poll() is not None or time.monotonic() > deadline:
            why = _last_words(log)
            _end(process.pid)
            stop()
            raise EngineUnavailable(
                "The container engine did not start", why=why, remedy="Mend what it names, then try again."
            )
        time.sleep(0.1)


def stop() -> None:
    """End our engine if it runs, then remove its data, mounts and sockets. Harmless when there is none."""
    pid = _pid()
    if pid:
        _end(pid)
    _restore_inotify()
    _remove_cgroups()
    for folder in (runtime(), data()):
        _unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        runtime().parent.rmdir()
    with contextlib.suppress(OSError):
        state.root().rmdir()


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


def _raise_inotify() -> None:
    with contextlib.suppress(OSError, ValueError):
        before = int(_INOTIFY.read_text())
        if before < INOTIFY_INSTANCES:
            (runtime() / "inotify").write_text(str(before))
            _INOTIFY.write_text(str(INOTIFY_INSTANCES))


def _restore_inotify() -> None:
    with contextlib.suppress(OSError):
        _INOTIFY.write_text((runtime() / "inotify").read_text())


def _pid() -> int | None:
    """Our engine's process, if it is still that: numbers are given again."""
    try:
        pid = int((runtime() / "docker.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (OSError, ValueError):
        return None
    return pid if str(runtime()) in command else None


def _end(pid: int) -> None:
    for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + seconds
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not _alive(pid):
            return


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _unmount_below(folder: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(folder):
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


def _remove_cgroups() -> None:
    """The engine leaves the group its containers were in, and may leave what pods made below it."""
    for group in [CGROUPS / cgroup(), *CGROUPS.glob(f"*/{cgroup()}")]:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "level=fatal" in line or "failed to start" in line] or lines
    return telling[-1] if telling else "it said nothing"
