"""The client's half of a WebSocket (RFC 6455) over a connection that somebody else made and checked.

Part of the Kubernetes adapter. It reads messages with a bound on each and on the time, answers pings, and sends nothing
of its own but that. Raises WebSocketError.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import time
from collections.abc import Mapping, Sequence

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of the RFC
_CONTINUED, _BINARY, _CLOSE, _PING = 0, 2, 8, 9
LONGEST_HEAD, LONGEST_FRAME = 16 * 1024, 256 * 1024


class WebSocketError(Exception):
    """The other side does not speak as it should, or stopped."""


class Refused(WebSocketError):
    """It answered the request with a status and a body instead."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body
        super().__init__(f"status {status}")


class OutOfTime(WebSocketError):
    """The deadline came first."""


class WebSocket:
    """One connection; `deadline` (time.monotonic) bounds everything that is waited for."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self._rest = b""

    def open(self, host: str, target: str, headers: Mapping[str, str], protocols: Sequence[str]) -> str:
        """Ask to change to a WebSocket; answers the protocol the server chose. Raises Refused for a plain answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += [f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"]
        lines += [f"Sec-WebSocket-Protocol: {', '.join(protocols)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        status, answer = self._head()
        if status != 101:
            raise Refused(status, self._body(answer))
        wanted = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
        chosen = answer.get("sec-websocket-protocol", "")
        if answer.get("sec-websocket-accept") != wanted or chosen not in protocols:
            raise WebSocketError("the server's answer fits no WebSocket")
        return chosen

    def message(self) -> bytes | None:
        """The next whole message; None when the other side closes."""
        whole = b""
        while True:
            first, second = self._exactly(2)
            payload = self._payload(second)
            kind = first & 15
            if kind == _CLOSE:
                return None
            if kind == _PING:
                self._frame(10, payload)
            elif kind <= _BINARY:
                whole += payload
                if len(whole) > LONGEST_FRAME:
                    raise WebSocketError("a message is too large")
                if first & 128:
                    return whole

    def send(self, data: bytes) -> None:
        """One message."""
        self._frame(_BINARY, data)

    def _payload(self, second: int) -> bytes:
        length = second & 127
        if length >= 126:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
        if second & 128 or length > LONGEST_FRAME:
            raise WebSocketError("a frame is masked or too large")
        return self._exactly(length)

    def _frame(self, kind: int, payload: bytes) -> None:
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([128 | kind]) + (
            bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2, "big")
        )
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._send(head + mask + masked)

    def _send(self, data: bytes) -> None:
        self._connection.settimeout(self._left())
        try:
            self._connection.sendall(data)
        except TimeoutError as error:
            raise OutOfTime from error

    def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._rest += self._more()
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    def _more(self) -> bytes:
        self._connection.settimeout(self._left())
        try:
            data = self._connection.recv(64 * 1024)
        except TimeoutError as error:
            raise OutOfTime from error
        if not data:
            raise WebSocketError("the connection broke off")
        return data

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._more()
            if len(self._rest) > LONGEST_HEAD:
                raise WebSocketError("the answer's head is too large")
        head, _empty, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        _version, _space, said = first.partition(" ")
        if not said[:3].isdigit():
            raise WebSocketError("what answers speaks no HTTP")
        return int(said[:3]), {name.strip().lower(): value.strip() for name, _colon, value in pairs}

    def _body(self, headers: Mapping[str, str]) -> bytes:
        try:
            length = min(int(headers.get("content-length", "0")), LONGEST_HEAD)
            return self._exactly(length)
        except (ValueError, WebSocketError):
            return b""
