"""Credentials: their secrets go in, are used, and are never told to anybody."""

import logging

import pytest
from django.urls import reverse

from clusters.access import reveal_for_use, ssh_for
from clusters.errors import StillInUse, ValueRefused
from clusters.models import Credential, Host
from clusters.services import credentials, regions
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.encryption import SecretUnreadable
from tests.clusters.loopback_sshd import make_key

MARKER = "hunter2-secret-marker"


@pytest.fixture
def private_key(tmp_path):
    make_key(tmp_path / "key")
    return (tmp_path / "key").read_text()


@pytest.fixture
def password(operator):
    return credentials.create_credential(
        name="by-word", username="kcloud", kind="password", secret=MARKER, by=operator
    )


@pytest.fixture
def host(password, operator):
    region = regions.create_region(name="r", by=operator)
    return Host.objects.create(name="w01", region=region, address="10.0.0.1", credential=password)


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


class TestService:
    def test_a_key_is_kept_sealed_with_its_fingerprint_in_the_open(self, operator, private_key):
        made = credentials.create_credential(
            name="key", username="root", kind="ssh-key", secret=private_key, by=operator
        )
        made.refresh_from_db()
        assert made.fingerprint.startswith("SHA256:")
        assert b"PRIVATE" not in bytes(made.sealed_secret)
        assert reveal_for_use(made).decode().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")

    def test_a_password_is_kept_sealed_and_has_no_fingerprint(self, password):
        password.refresh_from_db()
        assert password.fingerprint == ""
        assert MARKER.encode() not in bytes(password.sealed_secret)
        assert reveal_for_use(password) == MARKER.encode()

    def test_a_secret_moved_to_another_row_does_not_open(self, password, operator):
        other = credentials.create_credential(
            name="other", username="x", kind="password", secret="y", by=operator
        )
        other.sealed_secret = password.sealed_secret
        with pytest.raises(SecretUnreadable):
            reveal_for_use(other)

    def test_the_audit_tells_what_changed_and_no_secret(self, password, operator, private_key):
        credentials.replace_secret(credential=password, kind="ssh-key", secret=private_key, by=operator)
        told = str(list(AuditEvent.objects.values()))
        assert AuditEvent.objects.get(action="credential.replace").before["kind"] == "password"
        assert MARKER not in told
        assert private_key.splitlines()[2] not in told

    def test_hosts_are_signed_in_to_with_the_replaced_secret(self, host, password, operator):
        credentials.replace_secret(credential=password, kind="password", secret="newer", by=operator)
        target = ssh_for(Host.objects.get())
        assert (target.username, target.password, target.private_key) == ("kcloud", "newer", "")

    def test_one_in_use_stays_and_names_the_hosts(self, host, password, operator):
        with pytest.raises(StillInUse, match="w01"):
            credentials.delete_credential(credential=password, by=operator)
        assert Credential.objects.exists()

    def test_one_nobody_uses_goes(self, password, operator):
        credentials.delete_credential(credential=password, by=operator)
        assert not Credential.objects.exists()
        assert AuditEvent.objects.filter(action="credential.delete").exists()

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": "by-word"}, "name"),
            ({"name": "Bad Name"}, "name"),
            ({"name": "new"}, "name"),
            ({"name": ""}, "name"),
            ({"username": "-oProxyCommand=x"}, "username"),
            ({"username": "a b"}, "username"),
            ({"username": "root;id"}, "username"),
            ({"username": "x" * 33}, "username"),
            ({"kind": "token"}, "kind"),
            ({"secret": ""}, "secret"),
            ({"secret": "a\nb"}, "secret"),
            ({"secret": "a\x00b"}, "secret"),
            ({"secret": "x" * 1025}, "secret"),
            ({"kind": "ssh-key", "secret": MARKER}, "secret"),
        ],
    )
    def test_a_bad_value_is_refused_by_its_field_and_nothing_is_saved(
        self, password, operator, change, field
    ):
        values = {"name": "other", "username": "kcloud", "kind": "password", "secret": MARKER}
        with pytest.raises(ValueRefused) as refused:
            credentials.create_credential(**{**values, **change}, by=operator)
        assert refused.value.field == field
        assert refused.value.remedy
        assert MARKER not in str(refused.value)
        assert Credential.objects.count() == 1

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "missing"),
            ("PuTTY-User-Key-File-3: x", "PuTTYgen"),
            ("ssh-ed25519 AAAA me", "without .pub"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx", "ssh-keygen -p"),
            ("x" * 20_000, "nothing else"),
            ("junk", "ssh-keygen -t ed25519"),
        ],
    )
    def test_each_thing_that_is_no_key_has_its_own_remedy(self, operator, text, said):
        with pytest.raises(ValueRefused, match=said):
            credentials.create_credential(name="k", username="u", kind="ssh-key", secret=text, by=operator)


class TestPages:
    def test_a_key_is_created_from_its_text(self, console, private_key):
        values = {"name": "site-key", "username": "kcloud", "kind": "ssh-key", "private_key": private_key}
        answer = console.post("/credentials/new/", values)
        assert (answer.status_code, answer["Location"]) == (303, "/credentials/site-key/")
        assert Credential.objects.get().fingerprint in console.get("/credentials/").content.decode()

    def test_what_was_typed_wrong_does_not_come_back(self, console):
        for kind, field in (("ssh-key", "private_key"), ("password", "password")):
            values = {"name": "Bad", "username": "kcloud", "kind": kind, field: MARKER}
            answer = console.post("/credentials/new/", values)
            assert answer.status_code == 422
            assert MARKER not in answer.content.decode()
        assert not Credential.objects.exists()

    def test_the_field_of_the_chosen_kind_is_marked(self, console):
        values = {"name": "ok", "username": "kcloud", "kind": "ssh-key", "private_key": "junk"}
        assert "private_key" in console.post("/credentials/new/", values).context["form"].errors

    def test_the_secret_can_be_replaced(self, console, password):
        answer = console.post("/credentials/by-word/", {"kind": "password", "password": "newer"})
        assert answer.status_code == 303
        assert reveal_for_use(Credential.objects.get()) == b"newer"

    def test_a_refused_replacement_changes_nothing(self, console, password):
        answer = console.post("/credentials/by-word/", {"kind": "ssh-key", "private_key": "junk"})
        assert answer.status_code == 422
        assert reveal_for_use(Credential.objects.get()) == MARKER.encode()

    def test_deleting_asks_for_the_name_and_refuses_one_in_use(self, console, host):
        assert console.post("/credentials/by-word/delete/", {"name": "x"}).status_code == 422
        answer = console.post("/credentials/by-word/delete/", {"name": "by-word"})
        assert answer.status_code == 422
        assert "w01" in answer.content.decode()
        host.delete()
        assert console.post("/credentials/by-word/delete/", {"name": "by-word"}).status_code == 303

    @pytest.mark.parametrize("address", ["/credentials/", "/credentials/by-word/", "/hosts/w01/", "/audit/"])
    def test_no_page_shows_the_secret(self, console, host, address):
        assert MARKER not in console.get(address).content.decode()

    def test_an_error_report_hides_what_was_posted(self, console, monkeypatch, caplog):
        def break_down(**_values):
            raise RuntimeError("broken")

        monkeypatch.setattr(credentials, "create_credential", break_down)
        console.raise_request_exception = False
        values = {"name": "a", "username": "b", "kind": "password", "password": MARKER}
        with caplog.at_level(logging.DEBUG):
            answer = console.post("/credentials/new/", values)
        assert answer.status_code == 500
        assert MARKER not in answer.content.decode()
        assert MARKER not in caplog.text

    def test_the_empty_list_names_the_next_action(self, console):
        assert reverse("clusters:credential_create") in console.get("/credentials/").content.decode()


class TestAdmin:
    @pytest.fixture
    def admin(self, client, django_user_model):
        client.force_login(django_user_model.objects.create_superuser("root", password="a-long-password"))
        return client

    @pytest.mark.parametrize("model", ["region", "credential", "host"])
    def test_lists_and_rows_are_shown_without_secrets(self, admin, host, model):
        pk = {"region": host.region_id, "credential": host.credential_id, "host": host.pk}[model]
        for address in (f"/admin/clusters/{model}/", f"/admin/clusters/{model}/{pk}/change/"):
            page = admin.get(address)
            assert page.status_code == 200
            assert MARKER not in page.content.decode()
            assert "sealed" not in page.content.decode()

    @pytest.mark.parametrize("model", ["region", "credential", "host"])
    def test_nothing_is_added_changed_or_deleted_past_the_services(self, admin, host, model):
        pk = {"region": host.region_id, "credential": host.credential_id, "host": host.pk}[model]
        assert admin.get(f"/admin/clusters/{model}/add/").status_code == 403
        assert admin.post(f"/admin/clusters/{model}/{pk}/change/", {"name": "x"}).status_code == 403
        assert admin.post(f"/admin/clusters/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
        assert Host.objects.get().name == "w01"
