"""A real database, seen by several processes at once: a file of SQLite, or PostgreSQL.

Tests that use `real_database` run on both: those on SQLite in the first run of the suite, those on PostgreSQL in the
second, when all the others are on PostgreSQL as well (`make test-fast`, `make test-postgres`). The test's own process
uses it too, so the ORM answers what workers wrote; workers are forked (tests/operations/processes.py), killed with
SIGKILL, and never share a connection with the test.
"""

import os
import shutil
from contextlib import contextmanager

import environ
import pytest
from django.core.management import call_command
from django.db import connections

from tests import postgres as postgres_server

# As in settings.py; here because the suite itself may run on the other database.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
}


@contextmanager
def using(url):
    """Let the whole process, and what it forks, use another database."""
    configured = environ.Env.db_url_config(url)
    if "sqlite" in configured["ENGINE"]:
        configured["OPTIONS"] = dict(SQLITE_OPTIONS)
    before = connections.databases["default"]
    connection = connections["default"]
    connections.databases["default"] = {**before, "OPTIONS": {}, **configured, "CONN_MAX_AGE": 600}
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.databases["default"] = before
        connections["default"] = connection


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory, django_db_setup, django_db_blocker):
    """A migrated file, made once."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    with django_db_blocker.unblock(), using(f"sqlite:///{path}"):
        call_command("migrate", verbosity=0)
    return path


@pytest.fixture(scope="session")
def postgres_template(django_db_setup, django_db_blocker):
    """A server and the name of a migrated database on it."""
    with postgres_server.server() as server:
        name = f"template_{os.getpid()}"
        server.run(f"CREATE DATABASE {name}")
        with django_db_blocker.unblock(), using(server.url(name)):
            call_command("migrate", verbosity=0)
        yield server, name


@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=pytest.mark.sqlite),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ]
)
def real_database(request, tmp_path, django_db_blocker):
    """The database of this test alone; answers "sqlite" or "postgres"."""
    if request.param == "sqlite":
        path = tmp_path / "kcloud.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        url, drop = f"sqlite:///{path}", None
    else:
        server, template = request.getfixturevalue("postgres_template")
        name = f"test_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**9}"
        server.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        url, drop = server.url(name), f"DROP DATABASE {name} WITH (FORCE)"
    with django_db_blocker.unblock(), using(url):
        yield request.param
    if drop:
        server.run(drop)
