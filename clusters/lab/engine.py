"""The only module that runs the ``docker`` command.

Contract: an Engine is one engine at one address; every call returns the command's output or raises
EngineRefused with docker's own words (ToolsMissing when there is no docker command, EngineUnavailable when
the engine does not answer). Nothing here decides; arguments come from ``plan``.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.lab.errors import EngineRefused, EngineUnavailable, ToolsMissing
from clusters.lab.plan import HOST_LABEL, LAB_LABEL, Observed

INSTALL_DOCKER = "Run 'apt-get install --no-install-recommends docker.io'."


@dataclass(frozen=True)
class Engine:
    """An engine by its address (``unix:///...``); '' is the one docker itself would choose."""

    address: str = ""

    def run(self, *arguments: str, stdin: Path | None = None, timeout: float = 120) -> str:
        environment = {**os.environ, "DOCKER_CLI_HINTS": "false"}
        if self.address:
            environment["DOCKER_HOST"] = self.address
            # A context chosen by the user would win over DOCKER_HOST.
            environment.pop("DOCKER_CONTEXT", None)
        try:
            with (stdin or Path(os.devnull)).open("rb") as source:
                result = subprocess.run(
                    ["docker", *arguments], stdin=source, capture_output=True, text=True,
                    env=environment, timeout=timeout, check=False,
                )  # fmt: skip
        except FileNotFoundError:
            raise ToolsMissing(
                "docker not found", why="lab hosts are containers", remedy=INSTALL_DOCKER
            ) from None
        except subprocess.TimeoutExpired as error:
            raise EngineUnavailable(
                f"docker {arguments[0]} gave no answer",
                why=f"waited {timeout:.0f} s",
                remedy="Look at the engine's log and at the load of this machine, then try again.",
            ) from error
        if result.returncode:
            raise _refusal(arguments, result.stderr)
        return result.stdout

    def answers(self) -> bool:
        try:
            return bool(self.run("version", "--format={{.Server.Version}}", timeout=20).strip())
        except (EngineRefused, EngineUnavailable):
            return False

    def has_image(self, tag: str) -> bool:
        return bool(self.run("image", "ls", "--quiet", tag).strip())

    def import_image(self, archive: Path, tag: str) -> None:
        self.run("import", "-", tag, stdin=archive, timeout=600)

    def networks(self, lab: str) -> list[str]:
        return self.run("network", "ls", f"--filter=label={LAB_LABEL}={lab}", "--format={{.Name}}").split()

    def observe(self, lab: str, network: str) -> dict[str, Observed]:
        """Hosts of a lab by name, whatever their state."""
        found = self.containers(lab)
        if not found:
            return {}
        return observed(json.loads(self.run("inspect", *found)), network)

    def containers(self, lab: str) -> list[str]:
        return self.run("ps", "--all", f"--filter=label={LAB_LABEL}={lab}", "--format={{.Names}}").split()

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a host from below, without SSH: only for what SSH cannot be trusted with yet."""
        return self.run("exec", container, *command)


def observed(inspection: Sequence[dict[str, Any]], network: str) -> dict[str, Observed]:
    """``docker inspect`` of containers, as far as a lab needs it."""
    hosts = [
        Observed(
            name=one["Config"]["Labels"][HOST_LABEL],
            state=one["State"]["Status"],
            started_at=one["State"]["StartedAt"],
            attached=network in one["NetworkSettings"]["Networks"],
        )
        for one in inspection
    ]
    return {host.name: host for host in hosts}


def _refusal(arguments: Sequence[str], output: str) -> EngineRefused | EngineUnavailable:
    why = " ".join(output.split()) or "docker said nothing"
    if "Cannot connect to the Docker daemon" in why or "permission denied while trying to connect" in why:
        return EngineUnavailable(
            "The container engine does not answer",
            why=why,
            remedy="Start it, or run as root to have one started.",
        )
    return EngineRefused(
        f"docker {arguments[0]} failed",
        why=why,
        remedy="Run 'lab down' to remove what is there, then 'lab up' again.",
    )
