"""The demo's tenants: made once, with people who each see only their own."""

import pytest

from kcloud_site.audit.models import AuditEvent
from kcloud_site.demo import people
from kcloud_site.tenants.models import Membership, User

pytestmark = pytest.mark.django_db


def test_a_second_demo_finds_the_same_people_with_the_same_passwords(operator, tmp_path):
    path = tmp_path / "passwords"
    first = people.make_tenants(by=operator, passwords_file=path)
    events = AuditEvent.objects.count()
    assert people.make_tenants(by=operator, passwords_file=path) == first
    assert AuditEvent.objects.count() == events
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(first) == 6
    for name, password in first.items():
        assert User.objects.get(username=name).check_password(password)


def test_a_demo_that_was_interrupted_is_completed(operator, tmp_path):
    people.make_tenants(by=operator, passwords_file=tmp_path / "passwords")
    Membership.objects.filter(role="viewer").delete()
    people.make_tenants(by=operator, passwords_file=tmp_path / "passwords")
    assert Membership.objects.count() == 6


def test_each_sees_only_the_own_tenant(client, operator, tmp_path):
    people.make_tenants(by=operator, passwords_file=tmp_path / "passwords")
    for name in people.usernames():
        own = name.partition("-")[0]
        foreign = ({*people.TENANTS} - {own}).pop()
        client.force_login(User.objects.get(username=name))
        assert client.get(f"/tenants/{own}/").status_code == 200
        assert client.get(f"/tenants/{foreign}/").status_code == 404
        assert people.TENANTS[foreign] not in client.get("/").content.decode()


def test_passwords_are_written_for_scripts():
    lines = people.as_variables({"retail-owner": "abc-_1"})
    assert lines == "KCLOUD_PASSWORD_RETAIL_OWNER=abc-_1\n"
