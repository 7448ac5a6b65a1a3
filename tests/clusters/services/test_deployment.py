"""Deployments as operations: frozen plans, hosts taken once, steps that fail and are resumed, clusters cleared."""

import json

import pytest

from clusters.adapters import ansible, ssh
from clusters.deploying import inventory
from clusters.errors import ClusterUnreachable
from clusters.manifests import coredns, verification
from clusters.models import Bundle, Cluster, Host, Membership, Node
from clusters.services import cluster_secrets, deployment, deployment_addons, plans
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import portal
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.operations.models import LogLine, Operation, State, Step, StepTarget
from tests.clusters.deployment_fakes import carry_out, deploy
from tests.clusters.deployments import plan_data

pytestmark = pytest.mark.django_db

HOST_STEPS = ["distribute", "runtime", "store", "control", "api", "scheduler", "agent", "balancer", "network"]
ORDER = ["collect", *HOST_STEPS, "dns", "logs", "verify"]


def states(operation):
    return {step.key: step.state for step in operation.steps.all()}


class TestRequest:
    def test_the_plan_and_its_hosts_are_frozen(self, cluster, operator):
        operation = deployment.deploy_cluster(cluster=cluster, by=operator, reason="first")
        frozen = inventory.load({key: operation.inputs[key] for key in ("spec", "members")})
        assert frozen.names == ["m1", "w1", "w2"]
        assert [member.pod_cidr for member in frozen.members] == ["", "10.244.1.0/24", "10.244.2.0/24"]
        assert operation.inputs["revision"] == 1
        assert operation.queue == "provisioning"

    def test_hosts_and_cluster_belong_together_from_the_request_on(self, cluster, operator):
        deployment.deploy_cluster(cluster=cluster, by=operator)
        assert set(Host.objects.filter(cluster=cluster).values_list("name", flat=True)) == {"m1", "w1", "w2"}
        rows = Membership.objects.filter(cluster=cluster).values_list(
            "host__name", "role", "pool", "pod_cidr"
        )
        assert set(rows) == {
            ("m1", "master", "", ""),
            ("w1", "worker", "general", "10.244.1.0/24"),
            ("w2", "worker", "general", "10.244.2.0/24"),
        }
        assert cluster.state == Cluster.State.DEPLOYING

    def test_the_request_is_audited_with_its_operation(self, cluster, operator):
        operation = deployment.deploy_cluster(cluster=cluster, by=operator, reason="go")
        event = AuditEvent.objects.get(action="cluster.deploy")
        assert (event.actor, event.reason, event.operation_id) == ("operator", "go", operation.pk)
        assert event.after["hosts"] == ["m1", "w1", "w2"]

    def test_the_steps_are_the_papers_nine_then_network_dns_logs_and_verification(self, cluster, operator):
        operation = deployment.deploy_cluster(cluster=cluster, by=operator)
        assert list(operation.steps.values_list("key", flat=True)) == ORDER
        targets = {step.key: [t.target for t in step.targets.all()] for step in operation.steps.all()}
        assert targets["distribute"] == targets["network"] == ["m1", "w1", "w2"]
        assert targets["store"] == targets["api"] == ["m1"]
        assert targets["agent"] == targets["logs"] == targets["verify"] == ["w1", "w2"]
        assert targets["collect"] == targets["dns"] == []

    @pytest.mark.parametrize("state", ["never", "stale", "running", "failed", "blocked", "warnings"])
    def test_a_plan_whose_preflight_does_not_say_so_is_not_deployed(self, cluster, operator, verdict, state):
        verdict["state"] = state
        with pytest.raises(deployment.PlanBlocked) as blocked:
            deployment.deploy_cluster(cluster=cluster, by=operator)
        assert blocked.value.why
        assert blocked.value.remedy
        assert not Operation.objects.exists()
        assert not Host.objects.exclude(cluster=None).exists()

    def test_a_second_request_answers_with_the_first_and_leaves_nothing(self, cluster, operator):
        first = deployment.deploy_cluster(cluster=cluster, by=operator)
        with pytest.raises(SubjectBusy) as busy:
            deployment.deploy_cluster(cluster=cluster, by=operator)
        assert busy.value.operation_id == first.pk
        assert Operation.objects.count() == 1

    def test_a_host_of_another_cluster_cannot_be_had(self, cluster, operator, hosts):
        other = Cluster.objects.create(name="other")
        Host.objects.filter(name="w2").update(cluster=other)
        with pytest.raises(deployment.DeploymentRefused, match="w2"):
            deployment.deploy_cluster(cluster=cluster, by=operator)
        assert not Membership.objects.exists()
        assert Host.objects.get(name="w2").cluster == other

    def test_counted_pools_take_spare_hosts(self, hosts, bundle, verdict, operator):
        spec = plan_data(workers=0, pools=[{"name": "general", "count": 2}])
        counted = plans.create_cluster(spec=spec, by=operator)
        operation = deployment.deploy_cluster(cluster=counted, by=operator)
        assert [member["name"] for member in operation.inputs["members"]] == ["m1", "m2", "m3"]

    def test_an_imported_cluster_is_not_ours_to_change(self, operator):
        imported = Cluster.objects.create(name="far", origin="imported", state="ready")
        for call in (
            lambda: deployment.deploy_cluster(cluster=imported, by=operator),
            lambda: deployment.reset_cluster(cluster=imported, by=operator, confirm_name="far"),
        ):
            with pytest.raises(deployment.DeploymentRefused, match="imported"):
                call()


class TestRun:
    def test_a_deployment_ends_ready(self, cluster, operator, fake, api):
        operation = deploy(cluster, operator)
        assert operation.state == State.SUCCEEDED, operation.failure
        cluster.refresh_from_db()
        assert (cluster.state, cluster.version, cluster.deployed_revision) == ("ready", "1.34.4", 1)
        assert cluster.endpoints == ["https://10.0.0.1:6443"]
        assert cluster.ready_at is not None
        assert [run["tag"] for run in fake.runs] == [*HOST_STEPS, "verify"]

    def test_each_step_is_one_run_on_its_hosts(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        assert fake.hosts_of("distribute") == [["m1", "w1", "w2"]]
        assert fake.hosts_of("store") == [["m1"]]
        assert fake.hosts_of("runtime") == [["w1", "w2"]]

    def test_every_run_carries_the_number_of_its_attempt(self, cluster, operator, fake, api):
        operation = deploy(cluster, operator)
        for run in fake.runs:
            assert run["told"]["kcloud_fence"]["operation"] == operation.pk
            assert run["told"]["kcloud_fence"]["fencing"] == operation.fencing
            assert run["environment"] == {
                "KCLOUD_PORTAL": portal.identity(),
                "KCLOUD_OPERATION": str(operation.pk),
                "KCLOUD_FENCING": str(operation.fencing),
            }

    def test_passwords_and_keys_are_told_to_the_adapter_as_secrets(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        run = next(run for run in fake.runs if run["tag"] == "api")
        assert "a-password-of-hosts" in run["secrets"]
        assert cluster_secrets.get(cluster, "apiserver.key").decode() in run["secrets"]

    def test_a_step_tells_hosts_only_the_secrets_it_needs(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        for run in fake.runs:
            told = json.dumps(run["told"])
            assert ("PRIVATE KEY" in told) == (run["tag"] in ("store", "control", "api", "agent")), run["tag"]

    def test_keys_are_kept_sealed_and_made_once(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        first = cluster_secrets.everything(cluster)
        deploy(cluster, operator)
        assert cluster_secrets.everything(cluster) == first
        assert "ca.key" in cluster_secrets.names(cluster)
        for row in cluster.secrets.all():
            assert b"PRIVATE KEY" not in bytes(row.sealed)

    def test_changes_are_counted_by_host_and_logged(self, cluster, operator, fake, api):
        operation = deploy(cluster, operator)
        row = StepTarget.objects.get(step__operation=operation, step__key="runtime", target="w1")
        assert row.outcome["changed"] == 1
        assert LogLine.objects.filter(
            operation=operation, step="runtime", target="w1", text="wrote a file"
        ).exists()
        assert Step.objects.get(operation=operation, key="verify").outcome["total_changed"] > 10

    def test_a_run_that_changes_nothing_says_so(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        fake.changes = ()
        operation = deploy(cluster, operator)
        assert Step.objects.get(operation=operation, key="verify").outcome["total_changed"] == 0
        assert LogLine.objects.filter(operation=operation, text__startswith="0 changed").exists()
        assert "nothing to change" in LogLine.objects.filter(operation=operation).values_list(
            "text", flat=True
        )

    def test_the_release_is_brought_by_role(self, cluster, operator, fake, api, bundle):
        deploy(cluster, operator)
        told = next(run["told"] for run in fake.runs if run["tag"] == "distribute")["kcloud_bundle"]
        assert told["source"] == bundle.path
        assert {file["path"] for file in told["files"]["m1"]} == {"bin/etcd", "bin/kube-apiserver"}
        by_path = {file["path"]: file["mode"] for file in told["files"]["w1"]}
        assert by_path["bin/kubelet"] == "0755"
        assert by_path["images/coredns.tar"] == "0644"

    def test_nodes_are_labelled_and_dns_is_there(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        assert api.objects["/api/v1/nodes/w1"]["metadata"]["labels"]["kcloud.local/pool"] == "general"
        container = api.objects[coredns.DEPLOYMENT_PATH]["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == "kcloud.local/coredns:1.14.7"

    def test_each_worker_is_asked_to_reach_the_others(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        told = next(run["told"] for run in fake.runs if run["tag"] == "verify")["kcloud_probes"]
        assert [target["node"] for target in told["w1"]["closed"]] == ["w2"]
        assert told["w1"]["closed"][0]["address"] == "10.244.9.9"
        assert told["w1"]["pod_uid"] == "uid-of-on-w1"
        assert [one["node"] for one in told["w1"]["probes"]] == ["w2"]
        assert verification.NAMESPACE_PATH in api.deleted


DISK = {"code": "disk-full", "subject": "/opt", "evidence": "12 MB are free"}


class TestFailure:
    def test_the_host_the_cause_and_the_remedy_are_named_and_others_go_on(self, cluster, operator, fake, api):
        fake.failing["runtime", "w1"] = DISK
        operation = deploy(cluster, operator)
        assert operation.state == State.FAILED
        assert operation.failure["step"] == "runtime"
        assert operation.failure["target"] == "w1"
        assert operation.failure["what"] == "The disk of w1 is full"
        assert operation.failure["why"] == "12 MB are free"
        assert "resume" in operation.failure["remedy"]
        rows = StepTarget.objects.filter(step__operation=operation, step__key="runtime")
        assert {row.target: row.state for row in rows} == {"w1": "failed", "w2": "succeeded"}
        assert states(operation)["store"] == State.PENDING
        cluster.refresh_from_db()
        assert cluster.state == Cluster.State.FAILED

    def test_resume_takes_the_failed_host_alone_and_goes_on(self, cluster, operator, fake, api):
        fake.failing["runtime", "w1"] = DISK
        operation = deploy(cluster, operator)
        fake.failing.clear()
        fake.before = lambda tag: seen.add(Cluster.objects.get(pk=cluster.pk).state)
        seen = set()
        operations.resume_operation(operation=operation, by=operator)
        carry_out(operation)
        assert operation.state == State.SUCCEEDED, operation.failure
        assert fake.hosts_of("distribute") == [["m1", "w1", "w2"]]
        assert fake.hosts_of("runtime") == [["w1", "w2"], ["w1"]]
        assert seen == {Cluster.State.DEPLOYING}
        cluster.refresh_from_db()
        assert cluster.state == Cluster.State.READY

    def test_a_changed_recipe_looks_at_finished_steps_again(self, cluster, operator, fake, api, monkeypatch):
        fake.failing["network", "w1"] = DISK
        operation = deploy(cluster, operator)
        fake.failing.clear()
        monkeypatch.setattr("clusters.services.deployment_steps.recipe", lambda: "mended")
        operations.resume_operation(operation=operation, by=operator)
        carry_out(operation)
        assert operation.state == State.SUCCEEDED
        assert fake.hosts_of("store") == [["m1"], ["m1"]]

    @pytest.mark.parametrize(
        ("evidence", "words"),
        [
            (
                "Failed to connect to the host via ssh: ssh: connect to host 10.0.0.11 port 22: No route to host",
                "w1",
            ),
            ("@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@ Host key verification failed.", "key"),
            ("kcloud@10.0.0.11: Permission denied (publickey).", "kcloud"),
        ],
    )
    def test_an_unreachable_host_is_explained_in_ssh_words(
        self, cluster, operator, fake, api, evidence, words
    ):
        fake.failing["distribute", "w1"] = {"code": "unreachable", "subject": "", "evidence": evidence}
        operation = deploy(cluster, operator)
        assert operation.failure["target"] == "w1"
        assert words in operation.failure["what"] + operation.failure["why"]
        assert operation.failure["remedy"]

    def test_a_host_without_a_recorded_key_fails_alone(self, cluster, operator, fake, api, monkeypatch):
        real = ssh.identity

        def identity(target):
            if target.name == "w2":
                raise ssh.HostKeyMissing("w2 has no recorded host key", "", "Gather its facts")
            return real(target)

        monkeypatch.setattr(ssh, "identity", identity)
        operation = deploy(cluster, operator)
        assert operation.failure["target"] == "w2"
        assert fake.hosts_of("distribute") == [["m1", "w1"]]

    def test_ansible_itself_broken_is_the_steps_failure(self, cluster, operator, fake, api, monkeypatch):
        def broken(*_arguments, **_options):
            raise ansible.AnsibleBroken("Ansible could not run this step.", "no module", "Look at the log.")

        monkeypatch.setattr(ansible, "run_playbook", broken)
        operation = deploy(cluster, operator)
        assert operation.failure["what"].startswith("Ansible could not run")
        assert operation.failure["why"] == "no module"

    def test_a_bundle_that_went_bad_stops_before_any_host(self, cluster, operator, fake, api, bundle):
        Bundle.objects.update(state="refused", state_reason="bin/etcd differs")
        operation = deploy(cluster, operator)
        assert operation.failure["step"] == "collect"
        assert operation.failure["why"] == "bin/etcd differs"
        assert fake.runs == []

    def test_an_api_that_does_not_answer_is_waited_for_and_then_named(
        self, cluster, operator, fake, api, monkeypatch
    ):
        monkeypatch.setattr(deployment_addons, "PATIENCE", 0.0)
        api.down = ClusterUnreachable("No API server of prod answered", "refused", "Look at it")
        operation = deploy(cluster, operator)
        assert (operation.state, operation.failure["step"]) == (State.FAILED, "network")
        assert operation.failure["remedy"]

    def test_nodes_that_do_not_come_up_are_named(self, cluster, operator, fake, api, monkeypatch):
        monkeypatch.setattr(deployment_addons, "PATIENCE", 0.0)
        api.objects["/api/v1/nodes/w2"]["status"]["conditions"][0]["status"] = "False"
        operation = deploy(cluster, operator)
        assert operation.failure["step"] == "dns"
        assert operation.failure["why"] == "w2"

    def test_verification_cleans_up_when_it_fails(self, cluster, operator, fake, api):
        fake.failing["verify", "w2"] = {
            "code": "not-reached",
            "subject": "w1",
            "evidence": "from a pod: timed out",
        }
        operation = deploy(cluster, operator)
        assert operation.failure["what"] == "The pod on w1 is not reached from w2"
        assert verification.NAMESPACE_PATH in api.deleted

    def test_cancelling_leaves_the_cluster_failed_and_resumable(self, cluster, operator, fake, api):
        operation = deployment.deploy_cluster(cluster=cluster, by=operator)

        def cancel(tag):
            if tag == "store":
                operations.cancel_operation(operation=Operation.objects.get(pk=operation.pk), by=operator)

        fake.before = cancel
        carry_out(operation)
        assert operation.state == State.CANCELLED
        cluster.refresh_from_db()
        assert cluster.state == Cluster.State.FAILED
        fake.before = lambda tag: None
        operations.resume_operation(operation=operation, by=operator)
        assert carry_out(operation).state == State.SUCCEEDED

    def test_a_finished_deployment_is_not_resumed(self, cluster, operator, fake, api):
        operation = deploy(cluster, operator)
        with pytest.raises(OperationNotResumable):
            operations.resume_operation(operation=operation, by=operator)


class TestReset:
    @pytest.fixture
    def ready(self, cluster, operator, fake, api):
        deploy(cluster, operator)
        fake.runs.clear()
        cluster.refresh_from_db()
        return cluster

    @pytest.mark.parametrize("typed", ["", "Prod", "prod ", "other"])
    def test_it_wants_the_name(self, ready, operator, typed):
        with pytest.raises(deployment.DeploymentRefused) as refused:
            deployment.reset_cluster(cluster=ready, by=operator, confirm_name=typed)
        assert "prod" in refused.value.remedy
        assert Operation.objects.filter(kind=deployment.RESET).count() == 0

    def test_hosts_become_spare_and_the_plan_a_draft(self, ready, operator, fake):
        Node.objects.create(cluster=ready, name="w1", uid="1", seen_at="2026-01-01T00:00:00Z")
        operation = carry_out(deployment.reset_cluster(cluster=ready, by=operator, confirm_name="prod"))
        assert operation.state == State.SUCCEEDED, operation.failure
        assert fake.hosts_of("reset") == [["m1", "w1", "w2"]]
        ready.refresh_from_db()
        assert (ready.state, ready.version, ready.deployed_revision, ready.endpoints) == (
            "draft",
            "",
            None,
            [],
        )
        assert not Membership.objects.exists()
        assert not Host.objects.exclude(cluster=None).exists()
        assert not Node.objects.exists()
        assert cluster_secrets.names(ready) == []
        assert AuditEvent.objects.filter(action="cluster.reset", actor="operator").exists()

    def test_a_host_that_is_gone_fails_it_and_nothing_is_released(self, ready, operator, fake):
        fake.failing["reset", "w1"] = {"code": "unreachable", "subject": "", "evidence": "No route to host"}
        operation = carry_out(deployment.reset_cluster(cluster=ready, by=operator, confirm_name="prod"))
        assert operation.failure["target"] == "w1"
        ready.refresh_from_db()
        assert ready.state == Cluster.State.FAILED
        assert Host.objects.filter(cluster=ready).count() == 3

    def test_forced_it_gives_the_host_up_and_says_so(self, ready, operator, fake):
        fake.failing["reset", "w1"] = {"code": "unreachable", "subject": "", "evidence": "No route to host"}
        operation = deployment.reset_cluster(cluster=ready, by=operator, confirm_name="prod", force=True)
        assert carry_out(operation).state == State.SUCCEEDED
        assert LogLine.objects.filter(operation=operation, target="w1", level="warning").exists()
        lost = Host.objects.get(name="w1")
        assert (lost.state, lost.cluster) == (Host.State.UNREACHABLE, None)

    def test_forced_it_still_fails_where_a_reached_host_is_not_clean(self, ready, operator, fake):
        fake.failing["reset", "w1"] = {"code": "unit-stop", "subject": "pods", "evidence": "[7]"}
        operation = deployment.reset_cluster(cluster=ready, by=operator, confirm_name="prod", force=True)
        assert carry_out(operation).state == State.FAILED

    def test_a_draft_has_nothing_to_reset(self, cluster, operator):
        with pytest.raises(deployment.DeploymentRefused) as refused:
            deployment.reset_cluster(cluster=cluster, by=operator, confirm_name="prod")
        assert refused.value.remedy

    def test_it_can_be_deployed_again(self, ready, operator, fake, api):
        carry_out(deployment.reset_cluster(cluster=ready, by=operator, confirm_name="prod"))
        ready.refresh_from_db()
        assert deploy(ready, operator).state == State.SUCCEEDED


class TestSecrets:
    def test_a_secret_comes_back_and_is_replaced(self, cluster):
        cluster_secrets.put(cluster, "ca.key", b"one")
        cluster_secrets.put(cluster, "ca.key", b"two")
        assert cluster_secrets.get(cluster, "ca.key") == b"two"
        assert cluster_secrets.names(cluster) == ["ca.key"]

    def test_a_missing_secret_is_named_with_a_remedy(self, cluster):
        with pytest.raises(cluster_secrets.SecretMissing, match=r"admin\.kubeconfig") as missing:
            cluster_secrets.get(cluster, "admin.kubeconfig")
        assert missing.value.remedy

    def test_a_secret_moved_to_another_name_does_not_open(self, cluster):
        from kcloud_site.tenants.encryption import SecretUnreadable

        cluster_secrets.put(cluster, "ca.key", b"one")
        cluster.secrets.update(name="other.key")
        with pytest.raises(SecretUnreadable):
            cluster_secrets.get(cluster, "other.key")
