"""Lists of hosts through the console: seen first, saved whole, looked at by a worker, failures named."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clusters.errors import ValueRefused
from clusters.hosts import files as host_files
from clusters.models import Credential, Host
from clusters.services import credentials, host_facts, host_imports, regions
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner, services
from kcloud_site.operations.models import Operation, StepTarget
from tests.clusters.loopback_sshd import free_port

ADDRESS = "/hosts/import/"


@pytest.fixture
def region(operator):
    return regions.create_region(name="beijing", by=operator)


@pytest.fixture
def credential(operator, region, loopback_sshd):
    return credentials.create_credential(
        name="site-key", username="root", kind="ssh-key", secret=loopback_sshd.private_key, by=operator
    )


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def listed(credential, loopback_sshd):
    """Two rows: the loopback host, and a port nobody listens on."""
    return f"name,address,ssh_port\nw01,127.0.0.1,{loopback_sshd.port}\nghost,127.0.0.1,{free_port()}\n"


def defaults(text="", **more):
    return {"text": text, "region": "beijing", "credential": "site-key", **more}


class TestPages:
    def test_the_first_step_shows_the_rows_and_saves_nothing(self, console, listed):
        answer = console.post(ADDRESS, defaults(listed))
        assert answer.status_code == 200
        assert [row.name for row in answer.context["rows"]] == ["w01", "ghost"]
        assert "nothing is saved yet" in answer.content.decode()
        assert not Host.objects.exists()

    def test_the_second_step_enrols_what_was_shown(self, console, listed):
        shown = console.post(ADDRESS, defaults(listed)).context["text"]
        answer = console.post(ADDRESS, {"text": shown, "confirmed": "1"})
        operation = Operation.objects.get()
        assert (answer.status_code, answer["Location"]) == (303, f"/operations/{operation.pk}/")
        assert set(Host.objects.values_list("name", "state")) == {("w01", "new"), ("ghost", "new")}

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("hosts.csv", b"\xef\xbb\xbfname;address\r\nw01;10.0.0.1\r\n"),
            ("hosts.yaml", b"hosts:\n- name: w01\n  address: 10.0.0.1\n"),
        ],
    )
    def test_a_file_is_read_by_its_name(self, console, credential, name, content):
        answer = console.post(ADDRESS, defaults(file=SimpleUploadedFile(name, content)))
        assert [row.name for row in answer.context["rows"]] == ["w01"]

    def test_every_bad_row_is_named_by_line_and_field(self, console, credential):
        answer = console.post(ADDRESS, defaults("name,address\nW1,10.0.0.1\nw2,bad\n"))
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "Line 2, name:" in page
        assert "Line 3, address:" in page
        assert "2 things in the file must be corrected" in page

    def test_hostile_cells_are_only_text(self, console, credential):
        page = console.post(ADDRESS, defaults("name,address\n<script>alert(1)</script>,x\n")).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"text": "   "},
            {
                "text": "name,address\nw,10.0.0.1",
                "file": SimpleUploadedFile("a.csv", b"name,address\nw,10.0.0.1"),
            },
            {"file": SimpleUploadedFile("empty.csv", b"")},
            {"file": SimpleUploadedFile("big.csv", b"x" * (host_files.MAX_BYTES + 1))},
            {"file": SimpleUploadedFile("image.csv", b"\x89PNG\x00")},
        ],
    )
    def test_no_file_two_files_or_no_text_is_marked(self, console, credential, values):
        answer = console.post(ADDRESS, {**defaults(), **values})
        assert answer.status_code == 422
        assert answer.context["form"].errors["file"]

    def test_a_list_that_went_stale_before_the_second_step_is_refused(
        self, console, listed, region, credential
    ):
        shown = console.post(ADDRESS, defaults(listed)).context["text"]
        Host.objects.create(name="w01", region=region, credential=credential, address="10.0.0.1")
        answer = console.post(ADDRESS, {"text": shown, "confirmed": "1"})
        assert answer.status_code == 422
        assert "w01 is enrolled already" in answer.content.decode()
        assert Host.objects.count() == 1

    def test_a_thousand_hosts_pass_both_steps(self, console, credential):
        rows = "".join(f"h{n:04},10.2.{n // 250}.{n % 250 + 1}\n" for n in range(1000))
        shown = console.post(ADDRESS, defaults(f"name,address\n{rows}"))
        assert shown.status_code == 200
        assert console.post(ADDRESS, {"text": shown.context["text"], "confirmed": "1"}).status_code == 303
        assert Host.objects.count() == 1000


class TestOperation:
    def test_each_host_is_looked_at_and_the_failed_row_says_why(self, listed, region, credential, operator):
        made = host_imports.import_hosts(
            data=listed.encode(), format="csv", region=region, credential=credential, by=operator
        )
        runner.run(made.operation.pk)
        assert dict(StepTarget.objects.values_list("target", "state")) == {
            "w01": "succeeded",
            "ghost": "failed",
        }
        assert "refused" in StepTarget.objects.get(target="ghost").outcome["why"]
        assert Host.objects.get(name="w01").state == Host.State.READY
        ghost = Host.objects.get(name="ghost")
        assert ghost.state == Host.State.UNREACHABLE
        assert "refused" in ghost.state_reason

    def test_the_key_seen_first_is_recorded_and_audited(
        self, listed, region, credential, operator, loopback_sshd
    ):
        made = host_imports.import_hosts(
            data=listed.encode(), format="csv", region=region, credential=credential, by=operator
        )
        runner.run(made.operation.pk)
        assert Host.objects.get(name="w01").host_key == loopback_sshd.host_key
        event = AuditEvent.objects.get(action="host.record_key")
        assert (event.actor, event.object_name) == ("operator", "w01")

    def test_resume_looks_only_at_what_failed(self, listed, region, credential, operator, loopback_sshd):
        made = host_imports.import_hosts(
            data=listed.encode(), format="csv", region=region, credential=credential, by=operator
        )
        runner.run(made.operation.pk)
        seen_at = Host.objects.get(name="w01").facts_at
        Host.objects.filter(name="ghost").update(address="127.0.0.2")
        services.resume_operation(operation=made.operation, by=operator)
        runner.run(made.operation.pk)
        assert Host.objects.get(name="w01").facts_at == seen_at

    def test_one_machine_under_two_names_is_said_so(self, region, credential, operator, loopback_sshd):
        first = Host.objects.create(
            name="first",
            region=region,
            credential=credential,
            address="127.0.0.1",
            ssh_port=loopback_sshd.port,
        )
        host_facts.gather_facts(host=first, by=operator)
        Host.objects.filter(pk=first.pk).update(ssh_port=1)
        twin = Host.objects.create(
            name="twin",
            region=region,
            credential=credential,
            address="127.0.0.1",
            ssh_port=loopback_sshd.port,
        )
        with pytest.raises(ValueRefused, match="machine-id of host first"):
            host_facts.gather_facts(host=twin, by=operator)
        twin.refresh_from_db()
        assert twin.state == Host.State.NEW
        assert "machine-id" in twin.state_reason
        assert twin.facts == {}

    def test_a_host_deleted_meanwhile_is_a_named_failure(self, listed, region, credential, operator):
        made = host_imports.import_hosts(
            data=listed.encode(), format="csv", region=region, credential=credential, by=operator
        )
        Host.objects.all().delete()
        runner.run(made.operation.pk)
        assert {target.outcome["what"] for target in StepTarget.objects.all()} == {
            "The host is not enrolled any more."
        }

    def test_a_lying_host_is_a_named_failure(self, region, credential, operator, loopback_sshd):
        text = f"name,address,ssh_port\nliar,127.0.0.1,{loopback_sshd.port}\n"
        made = host_imports.import_hosts(
            data=text.encode(), format="csv", region=region, credential=credential, by=operator
        )
        with loopback_sshd.answering(b'KCLOUD-FACTS 1 {"hostname": "x", "cpus": -1}'):
            runner.run(made.operation.pk)
        liar = Host.objects.get()
        assert liar.state == Host.State.UNREACHABLE
        assert "cannot be understood" in liar.state_reason
        assert liar.facts == {}

    def test_more_hosts_than_are_asked_at_once_are_all_asked(self, region, credential, operator, monkeypatch):
        asked = []

        def look_at(target):
            asked.append(target.name)
            raise host_facts.HostError("silent", "nobody home", "go there")

        monkeypatch.setattr(host_facts, "look_at", look_at)
        text = "name,address\n" + "".join(f"h{n},10.3.0.{n + 1}\n" for n in range(50))
        made = host_imports.import_hosts(
            data=text.encode(), format="csv", region=region, credential=credential, by=operator
        )
        runner.run(made.operation.pk)
        assert sorted(asked) == sorted(f"h{n}" for n in range(50))
        assert Host.objects.filter(state=Host.State.UNREACHABLE).count() == 50

    def test_cancelling_stops_before_the_next_hosts(self, region, credential, operator, monkeypatch):
        asked = []

        def look_at(target):
            asked.append(target.name)
            raise host_facts.HostError("silent")

        def cancel(*, host, error):
            Operation.objects.update(cancel_requested_at="2026-01-01T00:00:00Z")

        monkeypatch.setattr(host_facts, "look_at", look_at)
        monkeypatch.setattr(host_facts, "record_failure", cancel)
        text = "name,address\n" + "".join(f"h{n},10.3.0.{n + 1}\n" for n in range(50))
        made = host_imports.import_hosts(
            data=text.encode(), format="csv", region=region, credential=credential, by=operator
        )
        runner.run(made.operation.pk)
        made.operation.refresh_from_db()
        assert made.operation.state == "cancelled"
        assert len(asked) < 50


class TestWhole:
    def test_a_name_taken_between_check_and_save_saves_nothing(
        self, listed, region, credential, operator, monkeypatch
    ):
        rows = host_imports.check_hosts(
            data=listed.encode(), format="csv", region=region, credential=credential
        )
        Host.objects.create(name="ghost", region=region, credential=credential, address="10.0.0.9")
        monkeypatch.setattr(host_imports, "check_hosts", lambda **_: rows)
        with pytest.raises(ValueRefused, match="a moment ago"):
            host_imports.import_hosts(data=b"", format="csv", by=operator)
        assert list(Host.objects.values_list("name", flat=True)) == ["ghost"]
        assert not Operation.objects.exists()
        assert not AuditEvent.objects.filter(action="host.import").exists()

    def test_each_host_has_its_audit_row_without_secret(
        self, listed, region, credential, operator, loopback_sshd
    ):
        host_imports.import_hosts(
            data=listed.encode(), format="csv", region=region, credential=credential, by=operator
        )
        told = AuditEvent.objects.filter(action="host.import")
        assert {event.object_name for event in told} == {"w01", "ghost"}
        assert {event.after["credential"] for event in told} == {"site-key"}
        assert Credential.objects.get().name == "site-key"
