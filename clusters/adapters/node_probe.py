"""Asks hosts directly whether they are there: their agent's port (kubelet, TLS) and SSH, without the API server.

One kept TLS connection to each agent is asked again and again; only when it is silent are a new one and the SSH port
tried, both at once. Any word counts, a refused connection too: a kernel has spoken. A connection that is merely
accepted does not: the kernel of a frozen host does that. Nobody signs in and nothing that is read is believed, so
certificates are not checked.

`Prober` belongs to one thread. `script_for` is the same question in plain Python, to be asked from another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

AGENT_PORT = 10250
KEPT_SECONDS, FRESH_SECONDS = 0.4, 0.7
_ASK = b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n"
_LONGEST = 64 * 1024
_SCRIPT = """
import socket, ssl, threading
address, ports, seconds = {address!r}, {ports!r}, {seconds!r}
heard = threading.Event()
def ask(port, tls):
    for _attempt in range(2):
        try:
            with socket.create_connection((address, port), seconds) as one:
                one.settimeout(seconds)
                if tls:
                    ssl._create_unverified_context().wrap_socket(one).close()
                elif not one.recv(1):
                    continue
            heard.set()
        except (ConnectionRefusedError, ssl.SSLError):
            heard.set()
        except OSError:
            pass
both = [threading.Thread(target=ask, args=each, daemon=True) for each in zip(ports, (True, False))]
for each in both: each.start()
for each in both: each.join()
print("reached" if heard.is_set() else "silent")
"""


@dataclass(frozen=True)
class Target:
    """A host to ask."""

    name: str
    address: str
    ssh_port: int = 22
    agent_port: int = AGENT_PORT


Kept = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Prober:
    """Asks all of them at once; close it in the thread that used it."""

    def __init__(self, *, kept_seconds: float = KEPT_SECONDS, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._loop = asyncio.new_event_loop()
        self._kept: dict[Target, Kept] = {}
        self._kept_seconds, self._fresh_seconds = kept_seconds, fresh_seconds
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def round(self, targets: Iterable[Target]) -> Mapping[str, bool]:
        """Whether each one answered, by name; takes no longer than the two waits together."""
        wanted = list(targets)
        for each in set(self._kept) - set(wanted):
            self._drop(each)
        return dict(self._loop.run_until_complete(self._all(wanted)))

    def close(self) -> None:
        for each in list(self._kept):
            self._drop(each)
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _all(self, targets: list[Target]) -> list[tuple[str, bool]]:
        answers = await asyncio.gather(*(self._one(each) for each in targets))
        return [(target.name, answer) for target, answer in zip(targets, answers, strict=True)]

    async def _one(self, target: Target) -> bool:
        if target in self._kept:
            if await _heard(self._again(target), self._kept_seconds):
                return True
            self._drop(target)
        ways = {
            asyncio.ensure_future(_heard(way, self._fresh_seconds))
            for way in (self._agent(target), self._ssh(target))
        }
        try:
            for done in asyncio.as_completed(ways):
                if await done:
                    return True
            return False
        finally:
            # Where SSH was quicker the agent's connection is not waited for; it is tried again next time.
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _again(self, target: Target) -> bool:
        reader, writer = self._kept[target]
        writer.write(_ASK)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        return True

    async def _agent(self, target: Target) -> bool:
        self._kept[target] = await asyncio.open_connection(
            target.address, target.agent_port, ssl=self._context, limit=_LONGEST
        )
        return True

    async def _ssh(self, target: Target) -> bool:
        reader, writer = await asyncio.open_connection(target.address, target.ssh_port)
        try:
            return bool(await reader.read(1))
        finally:
            writer.close()

    def _drop(self, target: Target) -> None:
        _reader, writer = self._kept.pop(target)
        with contextlib.suppress(OSError, RuntimeError):
            writer.transport.abort()


async def _heard(asking: asyncio.Future[bool] | object, seconds: float) -> bool:
    """Whether there was a word in time. A refusal is one; so is a handshake that failed over what was said."""
    try:
        return bool(await asyncio.wait_for(asking, seconds))  # type: ignore[arg-type]
    except (ConnectionRefusedError, ssl.SSLError):
        return True
    except (OSError, asyncio.TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError):  # noqa: UP041
        return False


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _colon, value = line.partition(b":")
        if name == b"content-length":
            return min(int(value), _LONGEST)
    return 0


def script_for(target: Target, *, seconds: float = FRESH_SECONDS) -> str:
    """The question as a program for another host's python3; it prints `reached` or `silent`."""
    return _SCRIPT.format(address=target.address, ports=(target.agent_port, target.ssh_port), seconds=seconds)
