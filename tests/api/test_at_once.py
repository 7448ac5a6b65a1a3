"""Two requests that arrive at the same moment, in real processes on a real database."""

import datetime

import pytest
from django.utils import timezone

from clusters.models import Region
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.models import Tenant, User
from kcloud_site.tenants.services import tenants, tokens
from tests.api.conftest import Program
from tests.operations.test_races import all_at_once

ROUNDS = 5


def program():
    operator = User.objects.create_user("operator", is_staff=True)
    ends = timezone.now() + datetime.timedelta(days=1)
    _made, secret = tokens.create_token(
        user=operator, name="t", tenant=None, role="platform_operator", expires_at=ends, by=None
    )
    return Program(secret)


def test_one_key_sent_twice_at_once_does_the_work_once(real_database):
    api = program()

    def send(number):
        code = api.post("regions", {"name": f"r{number}"}, Idempotency_Key=f"k{number}").status_code
        assert code in (201, 409)

    for number in range(ROUNDS):
        statuses = all_at_once([lambda number=number: send(number)] * 3)
        assert statuses == [0, 0, 0]
        assert AuditEvent.objects.filter(action="region.create").count() == number + 1
    assert Region.objects.count() == ROUNDS


@pytest.mark.parametrize("titles", [("One", "Two")])
def test_of_two_changes_of_one_version_one_is_refused(real_database, titles):
    api = program()

    def change(path, version, title):
        assert api.patch(path, {"spec": {"title": title}}, If_Match=version).status_code in (200, 412)

    for number in range(ROUNDS):
        tenants.create_tenant(name=f"t{number}", title="T", by=None)
        path = f"tenants/t{number}"
        version = api.get(path)["ETag"]
        works = [
            lambda title=title, path=path, version=version: change(path, version, title) for title in titles
        ]
        assert all_at_once(works) == [0, 0]
        assert AuditEvent.objects.filter(action="tenant.describe").count() == number + 1
    assert set(Tenant.objects.values_list("title", flat=True)) <= set(titles)
