"""Address × method × role × whose thing: what the table of expectations says is what everybody gets. No leaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.urls import NoReverseMatch, reverse

from kcloud_site.tenants.roles import ROLES
from tests.isolation.addresses import Address, walk
from tests.isolation.expectations import API, CONSOLE, Row, row_of
from tests.isolation.things import OWN, make_things

pytestmark = pytest.mark.django_db

ADDRESSES = sorted(set(walk()), key=lambda address: (address.area, address.name, address.parameters))
TABLES = {"console": CONSOLE, "api": API}
METHODS = {"console": ("get", "post"), "api": ("get", "post", "put", "patch", "delete")}
# None: nobody has signed in. "outsider": an owner of another tenant.
ACTORS = (
    "anonymous",
    "nobody",
    "outsider",
    "viewer",
    "developer",
    "operator",
    "owner",
    "auditor",
    "platform_operator",
)
MEMBERS = ("viewer", "developer", "operator", "owner")
PLATFORM = ("auditor", "platform_operator")


@pytest.mark.parametrize("area", TABLES)
def test_every_address_has_a_row(area):
    missing = {a.name for a in ADDRESSES if a.area == area and row_of(a.name, TABLES[area]) is None}
    assert missing == set(), "say in tests/isolation/expectations.py who may open these"


@pytest.mark.parametrize("area", TABLES)
def test_every_row_is_about_an_address(area):
    assert set(TABLES[area]) <= {a.name for a in ADDRESSES if a.area == area}


def test_every_right_named_in_a_row_exists():
    rights = set().union(*(role.permissions for role in ROLES.values()))
    for table in TABLES.values():
        assert {right for row in table.values() for right in (row.read, row.change) if right} <= rights


@dataclass(frozen=True)
class Expected:
    """What one actor gets: `closed` is the one status allowed, else none of those that mean "not you". `is_there`: the
    thing exists, so 404 would mean that the table or the things are wrong, and that outsiders prove nothing."""

    closed: int | None = None
    is_there: bool = False

    def fits(self, status: int) -> bool:
        if self.closed is not None:
            return status in (self.closed, 405)
        return status not in (401, 403, 500) and not (self.is_there and status == 404)


def expected(row: Row, actor: str, method: str, area: str) -> Expected:
    right = row.read if method == "get" else row.change
    if method == "delete" and row.delete:
        right = row.delete
    if row.kind == "anybody":
        return Expected()
    if row.kind == "basic":
        return Expected(401)
    if actor == "anonymous":
        return Expected(401 if area == "api" else 302)
    if row.kind == "signed_in":
        return Expected()
    holds = actor in ROLES and right in ROLES[actor].permissions
    if row.kind == "tenant" and actor in ("outsider", "nobody"):
        return Expected(404)
    if actor == "outsider":
        holds = row.kind == "anywhere" and right in ROLES["owner"].permissions
    return Expected(is_there=row.kind == "tenant") if holds else Expected(403)


@pytest.fixture
def people(tenant, other_tenant, join, person, operator, auditor):
    return {
        "anonymous": None,
        "nobody": person,
        "outsider": join(other_tenant, "owner"),
        **{role: join(tenant, role) for role in MEMBERS},
        "auditor": auditor,
        "platform_operator": operator,
    }


@pytest.fixture
def things(tenant, operator):
    """Something of the tenant for each parameter an address can have."""
    return make_things(tenant, operator)


def address_of(address: Address, things: dict[str, dict[str, Any]], row: Row) -> str | None:
    """The path about the tenant's thing; None where no thing fits (the row's test then fails)."""
    known = {**OWN, **things.get(row.thing, {})}
    try:
        return reverse(address.name, kwargs={name: known[name] for name in address.parameters})
    except (KeyError, NoReverseMatch):
        return None


def answer(client: Any, method: str, path: str, area: str) -> int:
    """The status, with everything the request changed taken back."""
    options = {"data": {}, "content_type": "application/json"} if area == "api" and method != "get" else {}
    try:
        with transaction.atomic():
            status = getattr(client, method)(path, **options).status_code
            raise _TakeBack
    except _TakeBack:
        return int(status)


class _TakeBack(Exception):
    pass


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("area", TABLES)
def test_everybody_gets_what_the_table_says(client, people, things, area, actor):
    client.raise_request_exception = False
    if people[actor] is not None:
        client.force_login(people[actor])
    wrong = []
    for address in ADDRESSES:
        row = row_of(address.name, TABLES[area]) if address.area == area else None
        if row is None:
            continue
        path = address_of(address, things, row)
        assert path is not None, f"tests/isolation/things.py has nothing for {address}"
        for method in METHODS[area]:
            status = answer(client, method, path, area)
            if people[actor] is not None:
                client.force_login(people[actor])  # one of the addresses signs out
            if not expected(row, actor, method, area).fits(status):
                wrong.append((address.name, method, status))
    assert wrong == []
