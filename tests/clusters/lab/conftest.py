"""A state folder of its own for each test, programs on PATH that we write, and an engine that only remembers."""

import os
import stat
import threading
from dataclasses import dataclass, field

import pytest

from clusters.lab import daemon, hosts, image, ssh
from clusters.lab.engine import Engine
from clusters.lab.errors import EngineRefused


@pytest.fixture(autouse=True)
def state_root(tmp_path, monkeypatch):
    monkeypatch.setenv("KCLOUD_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KCLOUD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "state"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """``programs(docker="echo hello")`` puts a shell script of that name first on PATH; ``only=True``: alone."""

    def install(*, only=False, **scripts):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, body in scripts.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        search = str(folder) if only else f"{folder}{os.pathsep}{os.environ['PATH']}"
        monkeypatch.setenv("PATH", search)
        monkeypatch.setattr(daemon, "SEARCH_PATH", search)
        return folder

    return install


@dataclass
class Machine:
    """What a real engine would have made."""

    containers: dict[str, dict] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    volumes: int = 0


class RememberedEngine(Engine):
    """Understands the docker commands that labs give, and refuses others; thread-safe like the real one."""

    def __init__(self):
        object.__setattr__(self, "address", "unix:///remembered.sock")
        self.__dict__.update(machine=Machine(), lock=threading.RLock(), fails_on="", log=[])

    def run(self, *arguments, stdin=None, timeout=120):
        with self.lock:
            self.log.append(arguments)
            if self.fails_on and self.fails_on in arguments:
                raise EngineRefused("docker failed", why=f"told to fail on {self.fails_on}", remedy="None.")
            words = [word for word in arguments if not word.startswith("-")]
            verb = "_".join(words[:2]) if words[0] in {"network", "image"} else words[0]
            return getattr(self, f"do_{verb}")(arguments, words)

    def calls(self, verb):
        return [arguments for arguments in self.log if arguments[0] == verb]

    def answers(self):
        return True

    def _options(self, arguments):
        pairs = (word[2:].partition("=") for word in arguments if word.startswith("--"))
        return {
            f"{key}:{value.partition('=')[0]}" if key == "label" else key: value for key, _, value in pairs
        }

    def do_run(self, arguments, _):
        options = self._options(arguments)
        labels = [word.partition("=")[2] for word in arguments if word.startswith("--label=")]
        if options["name"] in self.machine.containers:
            raise EngineRefused("docker run failed", why="name in use", remedy="None.")
        self.machine.volumes += 1
        self.machine.containers[options["name"]] = {
            "labels": dict(label.split("=") for label in labels),
            "status": "running",
            "networks": {options["network"]: options["ip"]},
        }
        return "id\n"

    def do_ps(self, arguments, _):
        lab = next(word for word in arguments if word.startswith("--filter")).rpartition("=")[2]
        found = [name for name, one in self.machine.containers.items() if one["labels"]["kcloud.lab"] == lab]
        return "\n".join(found)

    def do_rm(self, arguments, words):
        del self.machine.containers[words[1]]
        if "--volumes" in arguments:
            self.machine.volumes -= 1
        return ""

    def do_start(self, _, words):
        self.machine.containers[words[1]]["status"] = "running"
        return ""

    do_unpause = do_start

    def do_pause(self, _, words):
        self.machine.containers[words[1]]["status"] = "paused"
        return ""

    def do_kill(self, _, words):
        self.machine.containers[words[1]]["status"] = "exited"
        return ""

    def do_exec(self, _, words):
        return f"ssh-ed25519 KEY-OF-{words[1]} root@x\n" if "cat" in words else ""

    def do_network_create(self, arguments, words):
        self.machine.networks[words[2]] = self._options(arguments)["subnet"]
        return ""

    def do_network_ls(self, arguments, _):
        lab = next(word for word in arguments if word.startswith("--filter")).rpartition("=")[2]
        return "\n".join(name for name in self.machine.networks if name == f"kcloud-{lab}")

    def do_network_rm(self, _, words):
        del self.machine.networks[words[2]]
        return ""

    def do_network_disconnect(self, _, words):
        del self.machine.containers[words[3]]["networks"][words[2]]
        return ""

    def do_network_connect(self, arguments, words):
        self.machine.containers[words[3]]["networks"][words[2]] = self._options(arguments)["ip"]
        return ""

    def do_inspect(self, arguments, words):
        if "--format={{.State.Running}}" in arguments:
            return "true\n" if self.machine.containers[words[1]]["status"] == "running" else "false\n"
        raise AssertionError(f"unexpected {arguments}")

    def observe(self, lab, network):
        from clusters.lab.plan import Observed

        return {
            one["labels"]["kcloud.host"]: Observed(
                name=one["labels"]["kcloud.host"],
                state=one["status"],
                started_at="2026-01-02T03:04:05.678901234Z",
                attached=network in one["networks"],
            )
            for one in self.machine.containers.values()
            if one["labels"]["kcloud.lab"] == lab
        }


@pytest.fixture
def engine(monkeypatch):
    """An engine of ours that remembers, hosts that answer at once, an image that is there, no other routes."""
    fake = RememberedEngine()
    running = {"engine": True}
    monkeypatch.setattr(daemon, "obtain", lambda progress: fake)
    monkeypatch.setattr(daemon, "exists", lambda: running["engine"])
    monkeypatch.setattr(daemon, "stop", lambda: running.update(engine=False))
    monkeypatch.setattr(image, "ensure", lambda engine, progress: "image:tag")
    monkeypatch.setattr(ssh, "wait", lambda hosts, **_: None)
    monkeypatch.setattr(hosts, "Engine", lambda address="": fake)
    monkeypatch.setattr(hosts, "local_routes", dict)
    fake.__dict__["running"] = running
    return fake
