"""What the shop's two services share: settings, log lines, probes, a graceful end, and ways to fail on purpose.

Settings are environment variables; a file of the same name (in lower case) in the configuration's folder goes before
them and is read again when it changes, so that a mounted ConfigMap is followed without a restart.
Python's standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import shop_faults
from shop_faults import Faults

LARGEST_BODY = 64 * 1024
READ_AGAIN_AFTER = 1.0
Answer = tuple[int, object]


class Settings:
    """Settings by name, from the files of a folder or the environment."""

    def __init__(self, environment: Mapping[str, str], folder: Path | None = None) -> None:
        self._environment = environment
        self._folder = folder or Path(environment.get("SHOP_CONFIG", "/etc/app"))
        self._read: dict[str, tuple[float, str | None]] = {}

    def get(self, name: str, default: str = "") -> str:
        """The value of SHOP_NAME: the file's, else the environment's, else `default`."""
        at, value = self._read.get(name, (0.0, None))
        if time.monotonic() - at > READ_AGAIN_AFTER or not at:
            value = self._from_file(name)
            self._read[name] = (time.monotonic(), value)
        return value if value is not None else self._environment.get(name, default)

    def _from_file(self, name: str) -> str | None:
        for candidate in (name, name.lower()):
            try:
                return (self._folder / candidate).read_text().strip()
            except OSError:
                continue
        return None


class Log:
    """One JSON object a line on standard output: time, level, message and fields."""

    def __init__(self, service: str, version: str) -> None:
        self._always = {"service": service, "version": version}
        self._lock = threading.Lock()

    def write(self, level: str, message: str, **fields: object) -> None:
        """A line; fields come after what every line has."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
        line = json.dumps({"time": stamp, "level": level, "message": message, **self._always, **fields})
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


class Service:
    """One of the shop's services. Subclasses answer `answer` and say whether they are `ready`."""

    name = "service"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.settings = Settings(environment)
        self.version = environment.get("SHOP_VERSION", "dev")
        self.pod = environment.get("HOSTNAME", "")
        self.log = Log(self.name, self.version)
        self.faults = Faults(self.settings.get("SHOP_FAULT"))
        self.key = environment.get("SHOP_FAULT_KEY", "")
        self.requests = 0
        self.draining = threading.Event()
        self.server: _Server | None = None

    def answer(self, method: str, path: str, body: bytes, accept: str) -> Answer:
        """Status and body: a string is a page, anything else JSON."""
        raise NotImplementedError

    def unready(self) -> str:
        """Why no request should be sent here; empty when all is well."""
        return ""

    def begin(self) -> None:
        """Called once before the first request."""

    # ---- what every service answers ------------------------------------------------------------------------------

    def respond(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Probes, figures and switches here; the rest is the service's own."""
        own: dict[str, Callable[[], Answer]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": lambda: (200, f"shop_requests_total {self.requests}\n"),
            "/version": lambda: (200, {"service": self.name, "version": self.version, "pod": self.pod}),
            "/faults": lambda: self._switch(method, body, headers.get("X-Shop-Key", "")),
        }
        if path in own:
            return own[path]()
        self.requests += 1
        self._follow_settings()
        self.faults.slow_down()
        if self.faults.has("log-errors"):
            self.log.write("error", "order 4711 could not be written", path=path, reason="on purpose")
        return self.answer(method, path, body, headers.get("Accept", ""))

    def _healthz(self) -> Answer:
        return (500, "not live: on purpose\n") if self.faults.has("not-live") else (200, "ok\n")

    def _readyz(self) -> Answer:
        self._follow_settings()
        if self.draining.is_set():
            return 503, "going away\n"
        reason = "on purpose" if self.faults.has("not-ready") else self.unready()
        return (500, f"not ready: {reason}\n") if reason else (200, "ready\n")

    def _switch(self, method: str, body: bytes, key: str) -> Answer:
        if not self.key or key != self.key:
            return 403, {"error": "faults are switched with the key in X-Shop-Key only"}
        if method == "POST":
            self.faults.become(body.decode(errors="replace").strip())
            self.log.write("warning", "faults switched", faults=self.faults.text)
            shop_faults.act(self.faults, self.log.write)
        return 200, {"faults": self.faults.text}

    def _follow_settings(self) -> None:
        wanted = self.settings.get("SHOP_FAULT")
        if self.faults.follow(wanted):
            self.log.write("warning", "faults switched by the configuration", faults=wanted)
            shop_faults.act(self.faults, self.log.write)

    # ---- life ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until told to stop; what has begun is answered to its end."""
        self.log.write("info", "starting", faults=self.faults.text)
        if self.faults.has("crash-at-start"):
            self.log.write("error", "cannot start: SHOP_FAULT says so")
            return 3
        port = int(self.faults.value("wrong-port") or self.settings.get("SHOP_PORT", "8080"))
        self.server = _Server(port, self)
        signal.signal(signal.SIGTERM, self._told)
        signal.signal(signal.SIGINT, self._told)
        shop_faults.act(self.faults, self.log.write)
        self.begin()
        self.log.write("info", "listening", port=self.server.server_address[1])
        self.server.serve_forever(poll_interval=0.1)
        self.server.server_close()
        self.log.write("info", "stopped", requests=self.requests)
        return 0

    def _told(self, number: int, _frame: FrameType | None) -> None:
        if self.faults.has("ignore-sigterm"):
            self.log.write("warning", "told to stop, and goes on on purpose")
            return
        if self.draining.is_set():
            return
        self.draining.set()
        self.log.write("info", "told to stop: answering what still comes", signal=number)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        # Endpoints are taken out of the Services a moment after the signal: until then requests still arrive.
        time.sleep(float(self.settings.get("SHOP_DRAIN", "4")))
        assert self.server is not None
        self.server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, port: int, service: Service) -> None:
        self.service = service
        super().__init__(("", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 5
    server_version = "shop"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_args: Any) -> None:
        """Our own lines say more."""

    def _serve(self) -> None:
        began, service = time.monotonic(), self.server.service
        size = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
        body = self.rfile.read(size) if size else b""
        path = self.path.partition("?")[0]
        try:
            status, answer = service.respond(self.command, path, body, dict(self.headers.items()))
        except Exception as error:
            service.log.write("error", "request failed", path=path, error=f"{type(error).__name__}: {error}")
            status, answer = 500, {"error": str(error)}
        self._send(status, answer)
        if path not in ("/healthz", "/readyz", "/metrics"):
            took = round((time.monotonic() - began) * 1000, 1)
            level = "error" if status >= 500 else "info"
            service.log.write(level, "request", method=self.command, path=path, status=status, ms=took)

    def _send(self, status: int, answer: object) -> None:
        text = answer if isinstance(answer, str) else json.dumps(answer) + "\n"
        raw = text.encode()
        kind = "application/json"
        if isinstance(answer, str):
            kind = "text/html; charset=utf-8" if text.startswith("<!doctype") else "text/plain; charset=utf-8"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        if self.server.service.draining.is_set():
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(raw)


def main(kind: type[Service]) -> None:
    """Run the service of this kind and end with its answer."""
    code = kind(os.environ).run()
    sys.stdout.flush()
    sys.exit(code)
