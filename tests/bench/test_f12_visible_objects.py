"""F12: the first page of 10 thousand visible objects among a million; F8 in first form: a whole list page of them.

Peer: guardian's `get_objects_for_user`, with one row per person and object, as its documentation shows it. Ours:
`permissions.visible`, a tenant's column and a role. Both answer the same 25 rows. On the database of the run:
SQLite, or PostgreSQL with `python -m tests.postgres pytest tests/bench`.
"""

import statistics
import time

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Paginator
from django.db import connection
from django.shortcuts import render
from django.test import RequestFactory
from django.utils import timezone
from guardian.models import UserObjectPermission
from guardian.shortcuts import get_objects_for_user

from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants import permissions
from tests.bench.paired import paired, report

PAGE = 25
DOUBLINGS = 20  # 2^20 rows, about a million
EVERY = 105  # one row in 105 belongs to the person's tenant: about ten thousand


@pytest.fixture
def million(db, tenant, other_tenant, join):
    """A million operations, some ten thousand of them the person's; answers the person."""
    Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.cluster",
        subject_id="1",
        subject_name="gz-prod-01",
        requested_by_name="operator",
        state=State.SUCCEEDED,
        finished_at=timezone.now(),
        tenant=other_tenant,
    )
    columns = ", ".join(f.column for f in Operation._meta.concrete_fields if not f.primary_key)
    table = Operation._meta.db_table
    with connection.cursor() as cursor:
        for _doubling in range(DOUBLINGS):
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}")
        cursor.execute(f"UPDATE {table} SET tenant_id = %s WHERE id %% {EVERY} = 0", [tenant.pk])
        cursor.execute("ANALYZE")
    user = join(tenant, "developer")
    kind = ContentType.objects.get_for_model(Operation)
    right = Permission.objects.get(content_type=kind, codename="view_operation")
    UserObjectPermission.objects.bulk_create(
        [
            UserObjectPermission(user=user, permission=right, content_type=kind, object_pk=str(pk))
            for pk in Operation.objects.filter(tenant=tenant).values_list("pk", flat=True)
        ],
        batch_size=5000,
    )
    return user


def by_guardian(user):
    return list(get_objects_for_user(user, "operations.view_operation").order_by("-id")[:PAGE])


def by_tenant(user):
    user.__dict__.pop("_roles_by_tenant", None)  # asked anew, as in every request
    return list(permissions.visible(Operation.objects.order_by("-id"), user, "operation.view")[:PAGE])


def guardian_page(user):
    """The same list the plain way: guardian's queryset, a counting paginator, the same template."""
    request = RequestFactory().get("/operations/")
    request.user, request.htmx = user, False
    rows = get_objects_for_user(user, "operations.view_operation").order_by("-id")
    page = Paginator(rows, PAGE).get_page(1)
    for operation in page:
        operation.title = operation.kind
    return render(request, "operations/list.html", {"page": page, "now": timezone.now()})


def test_f12_and_f8(million, client):
    assert [row.pk for row in by_guardian(million)] == [row.pk for row in by_tenant(million)]
    ratio = paired(lambda: by_guardian(million), lambda: by_tenant(million))
    ours = statistics.median(ratio.ours) * 1000
    report(
        "F12",
        f"first {PAGE} of 10 k visible among 1 M, {connection.vendor}",
        f"{statistics.median(ratio.peer) * 1000:.0f} ms",
        f"{ours:.1f} ms",
        f"{ratio.median:.0f}× (worst {ratio.worst:.0f}×)",
    )
    client.force_login(million)
    assert client.get("/operations/").status_code == guardian_page(million).status_code == 200
    ratio = paired(lambda: guardian_page(million), lambda: client.get("/operations/"))
    seconds = sorted(_timed(lambda: client.get("/operations/")) for _call in range(200))
    report(
        "F8",
        f"list page of 10 k visible among 1 M, one process, {connection.vendor}",
        f"{statistics.median(ratio.peer) * 1000:.0f} ms",
        f"{statistics.median(seconds) * 1000:.0f} ms, p99 {seconds[-2] * 1000:.0f} ms",
        f"{ratio.median:.1f}× (worst {ratio.worst:.1f}×)",
    )


def _timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
