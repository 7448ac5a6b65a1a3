"""A PostgreSQL server for tests: Debian's, in a directory of its own, on a Unix socket, gone afterwards.

    with server() as postgres:                      # in a fixture
        postgres.url("some_database")
    python -m tests.postgres pytest tests …         # a whole run on PostgreSQL, through DATABASE_URL

PostgreSQL refuses to run as root, so as root the server runs as `postgres`, or `nobody` where that is missing.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RUNNING = "KCLOUD_TEST_POSTGRES"
_PLACES = "/usr/lib/postgresql"
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=32MB"


class PostgresMissing(RuntimeError):
    """No server programs on this machine. Remedy: apt-get install postgresql."""


@dataclass(frozen=True)
class Server:
    """A running server: `home` holds its socket."""

    home: str

    def url(self, database: str) -> str:
        return f"postgres://kcloud@/{self.home}/{database}"

    def run(self, statement: str) -> str:
        """Run one statement in the maintenance database."""
        psql = [
            program("psql"),
            "-h",
            self.home,
            "-U",
            "kcloud",
            "-d",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
            "-qAtc",
        ]
        return subprocess.run([*psql, statement], check=True, capture_output=True, text=True).stdout.strip()


def program(name: str) -> str:
    """The newest version of one of PostgreSQL's programs."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path(_PLACES).glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        raise PostgresMissing(f"{name} is not installed. Install it: apt-get install postgresql")
    return found


def _owner() -> str | None:
    """Whom the server runs as; None: ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(owner: str | None, home: str, *command: str) -> None:
    options = {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []} if owner else {}
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": home}
    # The server inherits our output when it is a file descriptor others wait on: give it a file of its own.
    with open("/dev/null") as nothing, tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            command, cwd=home, env=environment, stdin=nothing, stdout=said, stderr=said, **options
        )
        if done.returncode:
            said.seek(0)
            raise RuntimeError(f"{command[0]} failed: {said.read()}")


@contextmanager
def server() -> Iterator[Server]:
    """A fresh server, or the one a surrounding run has started (KCLOUD_TEST_POSTGRES)."""
    if running := os.environ.get(RUNNING):
        yield Server(running)
        return
    owner, home = _owner(), tempfile.mkdtemp(prefix="kcloud-postgres-", dir="/tmp")
    if owner:
        os.chown(home, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(owner).pw_gid)
    os.chmod(home, 0o755)
    data = f"{home}/data"
    try:
        initdb, control = program("initdb"), program("pg_ctl")
        _run(
            owner,
            home,
            initdb,
            "-D",
            data,
            "-U",
            "kcloud",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        )
        options = f"-k {home} -c listen_addresses='' {_FAST}"
        _run(owner, home, control, "-D", data, "-w", "-l", f"{home}/log", "-o", options, "start")
        try:
            yield Server(home)
        finally:
            _run(owner, home, control, "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main(command: list[str]) -> int:
    """Run a command with DATABASE_URL set to a fresh server."""
    with server() as postgres:
        postgres.run("CREATE DATABASE kcloud")
        environment = {**os.environ, "DATABASE_URL": postgres.url("kcloud"), RUNNING: postgres.home}
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
