"""Programs that talk to the API: each a client with a token of its own."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from kcloud_site.tenants.services import tokens


class Program:
    """Sends JSON with a token; answers Django's responses."""

    def __init__(self, secret):
        self.secret = secret
        self.client = Client(headers={"Authorization": f"Token {secret}"})
        self.client.raise_request_exception = False

    def __getattr__(self, method):
        def send(path, data=None, **headers):
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            call = getattr(self.client, method)
            if method == "get":
                return call(f"/api/v1/{path}", data, headers=sent)
            return call(f"/api/v1/{path}", data if data is not None else {}, "application/json", headers=sent)

        return send


@pytest.fixture
def program():
    """program(user, tenant=None, role="platform_operator") has a new token of that person."""

    def make(user, *, tenant=None, role="platform_operator", days=1, name=""):
        _made, secret = tokens.create_token(
            user=user,
            name=name or f"{user.username} {tenant} {role} {days}",
            tenant=tenant,
            role=role,
            expires_at=timezone.now() + datetime.timedelta(days=days),
            by=user,
        )
        return Program(secret)

    return make


@pytest.fixture
def api(program, operator):
    """A platform operator's program."""
    return program(operator, name="api")
