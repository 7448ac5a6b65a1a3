"""Regions, hosts, release bundles, clusters and what they are planned to be.

A Cluster's plan is data: PlanRevision.spec, in the shape of `clusters.planning.plan.PlanSpec`; the newest is the plan.
Secrets (credentials, cluster keys, kubeconfigs) are ciphertext; services seal and open them.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Region(models.Model):
    """Where machines stand: a site, a machine room."""

    name = models.SlugField(_("name"), max_length=40, unique=True)
    title = models.CharField(_("title"), max_length=100, blank=True)
    description = models.TextField(_("description"), blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title or self.name


class Credential(models.Model):
    """How to sign in to hosts over SSH: a user name with a private key or a password. The secret is write-only."""

    class Kind(models.TextChoices):
        SSH_KEY = "ssh-key", _("SSH key")
        PASSWORD = "password", _("Password")

    name = models.CharField(_("name"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.SSH_KEY)
    username = models.CharField(_("user name"), max_length=32)
    sealed_secret = models.BinaryField()
    # What may be shown: the public key's fingerprint (SHA256:…), empty for a password.
    fingerprint = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Host(models.Model):
    """A machine reachable over SSH. `facts` is what was gathered (clusters.hosts.facts.HostFacts); {} before that."""

    class State(models.TextChoices):
        NEW = "new", _("New")
        READY = "ready", _("Ready")
        UNREACHABLE = "unreachable", _("Unreachable")

    name = models.CharField(_("name"), max_length=63, unique=True)
    region = models.ForeignKey(
        Region, on_delete=models.PROTECT, related_name="hosts", verbose_name=_("region")
    )
    address = models.GenericIPAddressField(_("address"), protocol="IPv4")
    ssh_port = models.PositiveIntegerField(_("SSH port"), default=22)
    credential = models.ForeignKey(
        Credential, on_delete=models.PROTECT, related_name="hosts", verbose_name=_("credential")
    )
    # "ssh-ed25519 AAAA…" as seen at enrolment. A changed key stops every run.
    host_key = models.TextField(blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    state_reason = models.TextField(blank=True)
    facts = models.JSONField(default=dict, blank=True)
    facts_at = models.DateTimeField(null=True)
    # The cluster the host belongs to; NULL: spare.
    cluster = models.ForeignKey("Cluster", null=True, on_delete=models.PROTECT, related_name="hosts")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["address", "ssh_port"], name="host_address_once")]

    def __str__(self) -> str:
        return self.name


class Bundle(models.Model):
    """A release bundle the portal has looked at: one Kubernetes version with everything a node needs."""

    class State(models.TextChoices):
        VERIFIED = "verified", _("Verified")
        REFUSED = "refused", _("Refused")

    version = models.CharField(max_length=20, unique=True)
    path = models.TextField()
    manifest_sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(default=0)
    components = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices)
    state_reason = models.TextField(blank=True)
    verified_at = models.DateTimeField()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return self.version


class Cluster(models.Model):
    """A Kubernetes cluster: planned and deployed by us, or imported by kubeconfig."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        DEPLOYING = "deploying", _("Deploying")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Deployment failed")
        RESETTING = "resetting", _("Resetting")

    class Health(models.TextChoices):
        UNKNOWN = "unknown", _("Unknown")
        HEALTHY = "healthy", _("Healthy")
        DEGRADED = "degraded", _("Degraded")
        DOWN = "down", _("Down")

    class Origin(models.TextChoices):
        DEPLOYED = "deployed", _("Deployed here")
        IMPORTED = "imported", _("Imported")

    name = models.CharField(_("name"), max_length=40, unique=True)
    region = models.ForeignKey(Region, null=True, on_delete=models.PROTECT, related_name="clusters")
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.DEPLOYED)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    health = models.CharField(max_length=10, choices=Health.choices, default=Health.UNKNOWN)
    health_reason = models.TextField(blank=True)
    health_since = models.DateTimeField(null=True)
    # What runs (empty before the first deployment); what is wanted is the newest PlanRevision.
    version = models.CharField(max_length=20, blank=True)
    deployed_revision = models.PositiveIntegerField(null=True)
    # API server addresses as URLs, each tried in turn.
    endpoints = models.JSONField(default=list)
    # Addresses inside loopback, link-local or the portal's own networks are refused unless an operator allowed them.
    allow_internal = models.BooleanField(default=False)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PlanRevision(models.Model):
    """One version of a cluster's plan. Never changed; the next edit is the next number."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    spec = models.JSONField()
    note = models.CharField(max_length=200, blank=True)
    by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["cluster", "number"], name="revision_number_once")]


class ClusterSecret(models.Model):
    """A key, certificate or kubeconfig of a cluster by name ("ca.key"), sealed for this row's identity."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=80)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "name"], name="cluster_secret_once")]


class Membership(models.Model):
    """A host's place in a cluster: role, pool, and its share of the pod network."""

    class Role(models.TextChoices):
        MASTER = "master", _("Master")
        WORKER = "worker", _("Worker")

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="memberships")
    host = models.OneToOneField(Host, on_delete=models.PROTECT, related_name="membership")
    role = models.CharField(max_length=6, choices=Role.choices)
    pool = models.CharField(max_length=40, blank=True)
    pod_cidr = models.CharField(max_length=18, blank=True)

    class Meta:
        ordering = ["role", "host__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "pod_cidr"], name="pod_cidr_once", condition=~models.Q(pod_cidr="")
            )
        ]


class PreflightCheck(models.Model):
    """One check of a plan revision on one host (or on the plan as a whole: host is empty)."""

    class Verdict(models.TextChoices):
        PASS = "pass", _("Passed")
        WARN = "warn", _("Warning")
        BLOCK = "block", _("Blocks")

    revision = models.ForeignKey(PlanRevision, on_delete=models.CASCADE, related_name="checks")
    operation_id = models.BigIntegerField()
    key = models.CharField(max_length=40)
    host = models.CharField(max_length=63, blank=True)
    verdict = models.CharField(max_length=5, choices=Verdict.choices)
    # Rendered by clusters.preflight.checks.describe(key, verdict, facts) in the reader's language.
    facts = models.JSONField(default=dict)
    # Who let a warning pass, and why; empty: nobody.
    overridden_by = models.CharField(max_length=150, blank=True)
    override_reason = models.TextField(blank=True)
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["revision", "key", "host"], name="check_once_per_host")
        ]


class Node(models.Model):
    """A node as the API server reports it, mirrored by the watch process (clusters.watching)."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    roles = models.JSONField(default=list)
    ready = models.CharField(max_length=7, default="Unknown")
    ready_reason = models.TextField(blank=True)
    ready_since = models.DateTimeField(null=True)
    schedulable = models.BooleanField(default=True)
    version = models.CharField(max_length=40, blank=True)
    # Capacity, allocatable, addresses, conditions, taints, labels, system: clusters.observing.nodes.NodeStatus.
    status = models.JSONField(default=dict)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["cluster", "name"], name="node_name_once")]
