"""Words of API servers, nodes and programs that no lab cluster says on demand, each named right."""

import pytest

from apps.diagnosing import doctor
from apps.diagnosing.facts import Facts
from apps.diagnosing.images import registry_of

NOW = "2026-11-28T02:10:00+00:00"


def pod(name="web-1", status=None, spec=None, **metadata):
    main = {"name": "main", "image": "registry.example/team/web:1", **(spec or {})}
    state = {"name": "main", "ready": False, "restartCount": 0, **(status or {})}
    return {
        "metadata": {"name": name, "uid": name, **metadata},
        "spec": {"nodeName": "w1", "containers": [main]},
        "status": {"containerStatuses": [state]},
    }


def codes(**facts):
    return [each.code for each in doctor.diagnose(Facts(now=NOW, **facts)).diagnoses]


def waiting(reason, message=""):
    return pod(status={"state": {"waiting": {"reason": reason, "message": message}}})


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("failed to resolve reference: unexpected status from HEAD request: 403 Forbidden", "image_denied"),
        (
            "pull access denied, repository does not exist or may require authorization: insufficient_scope",
            "image_denied",
        ),
        ("dial tcp: lookup registry.example on 10.0.0.2:53: no such host", "registry_down"),
        ('Head "https://registry.example/v2/": dial tcp 10.0.0.9:443: i/o timeout', "registry_down"),
        ("unexpected status from HEAD request: 503 Service Unavailable", "registry_down"),
        ("tls: failed to verify certificate: x509: certificate has expired", "image_certificate"),
        ("registry.example/team/web:1: not found", "image_not_found"),
        ("manifest unknown", "image_not_found"),
        ("no match for platform in manifest", "image_not_found"),
    ],
)
def test_each_way_a_pull_fails(message, code):
    assert codes(pods=[waiting("ErrImagePull", message)]) == [code]


def test_between_two_tries_the_events_keep_the_cause():
    event = {
        "involvedObject": {"name": "web-1", "uid": "web-1"},
        "reason": "Failed",
        "message": 'Failed to pull image "registry.example/team/web:1": rpc error: 401 Unauthorized',
    }
    back_off = waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/team/web:1"')
    assert codes(pods=[back_off], events=[event]) == ["image_denied"]
    older = {**event, "involvedObject": {"name": "web-1", "uid": "one before"}}
    assert codes(pods=[back_off], events=[older]) == ["image_not_found"]


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("web", "docker.io"),
        ("team/web:1", "docker.io"),
        ("localhost/web", "localhost"),
        ("registry.example:5000/team/web@sha256:0", "registry.example:5000"),
    ],
)
def test_the_registry_is_in_the_name(image, registry):
    assert registry_of(image) == registry


def unschedulable(message, nodes=(), **spec):
    found = pod()
    del found["spec"]["nodeName"]
    found["spec"] |= spec
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    found["status"]["conditions"] = [condition]
    found["status"]["containerStatuses"] = []
    return codes(pods=[found], nodes=list(nodes))


MASTER = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
KEPT = {"key": "dedicated", "value": "billing", "effect": "NoSchedule"}
GONE = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
            "2 Insufficient memory. preemption: 0/3 nodes are available: 2 No preemption victims found.",
            ["pending_resource"],
        ),
        ("0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.", ["pending_resource"] * 2),
        ("0/2 nodes are available: 2 Too many pods.", ["pending_pods"]),
        ("0/2 nodes are available: 2 node(s) were unschedulable.", ["pending_cordoned"]),
        ("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.", ["pending_spread"]),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            ["pending_volume"],
        ),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.", ["pending_taint"]),
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.",
            ["pending_nodes_down"],
        ),
        ("something else", ["pending_other"]),
    ],
)
def test_each_reason_of_the_scheduler(message, found):
    assert unschedulable(message) == found


def test_taints_the_scheduler_does_not_name_are_read_off_the_nodes():
    message = "0/2 nodes are available: 2 node(s) had untolerated taint(s)."
    kept = {"name": "w1", "ready": "True", "taints": [KEPT], "labels": {"disk": "ssd"}}
    master = {"name": "m1", "ready": "True", "taints": [MASTER], "labels": {}}
    gone = {"name": "w2", "ready": "Unknown", "taints": [GONE], "labels": {}}
    assert unschedulable(message, [kept, master]) == ["pending_taint"]
    assert unschedulable(message, [gone]) == ["pending_nodes_down"]
    tolerates = [{"key": "dedicated", "operator": "Equal", "value": "billing", "effect": "NoSchedule"}]
    assert unschedulable(message, [kept, gone], tolerations=tolerates) == ["pending_nodes_down"]


def test_a_kind_of_node_that_is_nowhere_is_the_cause_though_others_are_kept_for_others():
    message = (
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had untolerated taint(s)."
    )
    kept = {"name": "w1", "ready": "True", "taints": [KEPT], "labels": {"disk": "ssd"}}
    assert unschedulable(message, [kept], nodeSelector={"disk": "tape"}) == ["pending_selector"]
    assert unschedulable(message, [kept], nodeSelector={"disk": "ssd"}) == ["pending_taint"]
    assert set(unschedulable(message, [kept])) == {"pending_selector", "pending_taint"}


def refused(message):
    owner = {"metadata": {"name": "web-5d"}, "spec": {"replicas": 2}, "status": {"replicas": 0}}
    event = {"involvedObject": {"name": "web-5d"}, "reason": "FailedCreate", "message": message}
    return codes(replicasets=[owner], events=[event])


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            'pods "web" is forbidden: exceeded quota: share, requested: pods=1, used: pods=10, limited: pods=10',
            "quota_exceeded",
        ),
        (
            'pods "web" is forbidden: failed quota: share: must specify limits.memory for: main',
            "quota_needs_limits",
        ),
        (
            'pods "web" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
            "limits_refused",
        ),
        ('admission webhook "rules.example" denied the request: no', "admission_refused"),
        ('pods "web" is forbidden: error looking up service account retail-dev/builder', "create_refused"),
    ],
)
def test_each_way_pods_are_refused(message, code):
    assert refused(message) == [code]


def test_what_was_refused_once_and_is_there_now_is_no_trouble():
    owner = {"metadata": {"name": "web-5d"}, "spec": {"replicas": 2}, "status": {"replicas": 2}}
    event = {"involvedObject": {"name": "web-5d"}, "reason": "FailedCreate", "message": "exceeded quota"}
    assert codes(replicasets=[owner], events=[event]) == []


def crashed(*lines, **ended):
    last = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-11-28T02:09:00Z", **ended}
    status = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": last}}
    return codes(pods=[pod(status={**status, "restartCount": 3})], logs={"web-1/main": "\n".join(lines)})


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('psycopg.OperationalError: could not translate host name "db" to address', "dns"),
        ("Error: getaddrinfo ENOTFOUND db", "dns"),
        ("java.net.UnknownHostException: db", "dns"),
        ("socket.gaierror: [Errno -2] Name or service not known", "dns"),
        ("Error: getaddrinfo EAI_AGAIN db", "dns_silent"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "dns_silent"),
        ("dial tcp: lookup db on 10.96.0.10:53: read udp: i/o timeout", "dns_silent"),
        ("ssl.SSLCertVerificationError: certificate verify failed: unable to get issuer", "certificate"),
        ("Error: self signed certificate in certificate chain", "certificate"),
        ("PKIX path building failed", "certificate"),
        ("OSError: [Errno 30] Read-only file system: '/app/cache'", "read_only_files"),
        ("PermissionError: [Errno 13] Permission denied: '/data'", "permission_denied"),
        ("ValueError: no", "crash_loop"),
    ],
)
def test_each_way_the_last_lines_tell_the_cause(line, code):
    assert crashed("starting", line, "bye") == [code]


def test_a_program_that_ends_well_has_to_stay():
    assert crashed(exitCode=0, reason="Completed") == ["program_ended"]


def test_a_crash_of_long_ago_is_no_trouble_now():
    last = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-11-28T01:09:00Z"}
    status = {"ready": True, "state": {"running": {}}, "lastState": {"terminated": last}, "restartCount": 1}
    assert codes(pods=[pod(status=status)]) == []


def test_an_evicted_pod_says_why():
    found = pod()
    found["status"] |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
    assert "evicted" in codes(pods=[found])


def test_a_rollout_that_is_held_is_told_and_is_no_trouble():
    report = doctor.diagnose(Facts(workload={"metadata": {"name": "web"}, "spec": {"paused": True}}))
    assert [each.code for each in report.diagnoses] == ["rollout_paused"]
    assert report.is_well


def leaving(seconds, **metadata):
    moment = f"2026-11-28T02:{9 - seconds // 60:02d}:{(60 - seconds % 60) % 60:02d}Z"
    return codes(pods=[pod(deletionTimestamp=moment, **metadata)])


def test_a_pod_may_take_its_time_to_go():
    assert leaving(20) == []
    assert leaving(100) == ["termination_slow"]
    assert leaving(100, finalizers=["example.com/hold"]) == ["termination_finalizers"]
