"""schemathesis sends whatever the API's own description allows, and what it forbids: no 500, answers as described."""

import contextlib
import datetime
import itertools

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clusters.errors import HostUnreachable
from clusters.models import Cluster, Credential, Environment, Host, Region, TenantRequest
from clusters.services import plans
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.models import Loan
from kcloud_site.tenants.services import tokens
from kcloud_site.wsgi import application
from tests.clusters.deployments import plan_data

CHECKED = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
# Of rows that have no name: far from those the database gives.
NUMBER = 10**9
# Things that are there, by the address that names them: made-up names would meet 404 only.
KNOWN = {
    "/regions/{name}": {"name": "east"},
    "/credentials/{name}": {"name": "key"},
    "/hosts/{name}": {"name": "h1"},
    "/clusters/{name}": {"name": "c1"},
    "/tenants/{name}": {"name": "retail"},
    "/tenants/{tenant}/environments/{name}": {"tenant": "retail", "name": "dev"},
    "/tenants/{tenant}/quota/loans/{id}": {"tenant": "retail", "id": str(NUMBER)},
    "/tenants/{tenant}/requests/{id}": {"tenant": "retail", "id": str(NUMBER)},
    "/tenants/{tenant}": {"tenant": "retail"},
    "/requests/{id}": {"id": str(NUMBER)},
}
BOUNDED = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _one_connection():
    """The application runs in the test's transaction: it may not close the connection between two requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def bearers(operator, tenant, join, monkeypatch, settings):
    """Authorization headers by role, and one thing of each sort under the name "x"."""

    def unreachable(*_args, **_kwargs):
        raise HostUnreachable("No answer.", "This is a test.", "None.")

    # Nobody is called, whatever address is made up; of the registry itself tests/apps/registry knows more.
    settings.REGISTRY_ADDRESSES = []
    monkeypatch.setattr("clusters.adapters.ssh.scan_host_key", unreachable)
    monkeypatch.setattr("clusters.services.imports._look", unreachable)
    region = Region.objects.create(name="east")
    key = Credential.objects.create(name="key", username="root", sealed_secret=b"x")
    for number, name in enumerate(("h1", "m1", "w1", "w2"), 1):
        Host.objects.create(name=name, region=region, address=f"10.0.0.{number}", credential=key)
    plans.create_cluster(spec=plan_data(name="c1"), by=operator)
    Operation.objects.create(
        kind="x", subject_type="t", subject_id="1", subject_name="n", state="failed", tenant=tenant
    )
    _of_a_tenant(tenant)
    people = {"platform_operator": operator, "owner": join(tenant, "owner")}
    ends = timezone.now() + datetime.timedelta(days=1)
    made = {
        role: tokens.create_token(
            user=user, name="t", tenant=None, role="platform_operator", expires_at=ends, by=user
        )[1]
        for role, user in people.items()
    }
    return {role: {"Authorization": f"Token {secret}"} for role, secret in made.items()}


def _of_a_tenant(tenant):
    """An environment, a loan and a request."""
    cluster, now = Cluster.objects.create(name="runs", state="ready"), timezone.now()
    Environment.objects.create(
        tenant=tenant, cluster=cluster, name="dev", namespace="retail-dev", state="ready", ready_at=now
    )
    ends = now + datetime.timedelta(days=1)
    Loan.objects.create(pk=NUMBER, tenant=tenant, cpu=1000, reason="x", lent_by="x", ends_at=ends)
    wanted = {"amount": {"cpu": "1"}}
    TenantRequest.objects.create(pk=NUMBER, tenant=tenant, kind="quota", wanted=wanted, reason="x")


def known(path):
    """Parameters of something that is there, for half of the requests."""
    return next(
        (names for start, names in KNOWN.items() if path.removeprefix("/api/v1").startswith(start)), {}
    )


@pytest.mark.parametrize(
    ("role", "mode"),
    [
        ("platform_operator", GenerationMode.POSITIVE),
        ("platform_operator", GenerationMode.NEGATIVE),
        ("owner", GenerationMode.POSITIVE),
    ],
)
def test_no_request_breaks_the_api(bearers, role, mode):
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application)
    attacked, broken = 0, []
    for found in schema.get_all_operations():
        operation, attacked = found.ok(), attacked + 1
        try:
            attack(operation, mode, bearers[role])
        except (FailureGroup, Failure) as failure:
            broken.append(f"{operation.label}: {failure}")
    assert broken == []
    assert attacked > 50


def attack(operation, mode, headers):
    """Each request changes nothing that lasts: what it did is taken back."""
    strategy = operation.as_strategy(generation_mode=mode)
    turn = itertools.count()

    @BOUNDED
    @given(case=strategy)
    def send(case):
        if next(turn) % 2 == 0:
            case.path_parameters = {**(case.path_parameters or {}), **known(operation.path)}
        with contextlib.suppress(_TakeBack), transaction.atomic():
            case.validate_response(case.call(headers=headers), checks=CHECKED)
            raise _TakeBack

    with contextlib.suppress(Unsatisfiable):
        send()


class _TakeBack(Exception):
    pass
