"""One command in a container: what it said, how it ended, within a time and a size.

Part of the Kubernetes adapter: the protocol of pods/exec (v5.channel.k8s.io, or v4) over a WebSocket. Each message
begins with the number of its channel. Standard input stays closed. Raises ClusterUnreachable for what breaks off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from clusters.adapters.websocket import OutOfTime, WebSocket

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDOUT, STDERR, STATUS = 1, 2, 3
EXITED, TIME, SIZE, BROKEN = "exited", "time", "size", "broken"


@dataclass(frozen=True)
class Execution:
    """How a command went. `ended`: "exited", or what ended the listening first: "time", "size", "broken". Without
    "exited" the command may go on in the container."""

    output: bytes
    ended: str
    exit_code: int | None = None
    why: str = ""


def listen(channel: WebSocket, max_output: int) -> Execution:
    """Read what the command says, standard output and errors as they come, until it ends or a bound is reached."""
    output = b""
    try:
        while message := channel.message():
            number, data = message[0], message[1:]
            if number in (STDOUT, STDERR):
                output += data
                if len(output) > max_output:
                    return Execution(output[:max_output], SIZE)
            elif number == STATUS:
                return _ended(output, data)
    except OutOfTime:
        return Execution(output, TIME)
    return Execution(output, BROKEN)


def _ended(output: bytes, data: bytes) -> Execution:
    """Kubernetes' Status: Success is exit code 0, NonZeroExitCode names another."""
    try:
        status: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        if status.get("status") == "Success":
            return Execution(output, EXITED, 0)
        causes = (status.get("details") or {}).get("causes") or []
        codes = [each.get("message") for each in causes if each.get("reason") == "ExitCode"]
        if codes:
            return Execution(output, EXITED, int(codes[0]))
        return Execution(output, BROKEN, why=str(status.get("message", ""))[:500])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError, AttributeError):
        return Execution(output, BROKEN)
