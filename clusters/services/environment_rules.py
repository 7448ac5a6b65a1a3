"""What an environment may be called, how large it may be, and when it may be changed. Each rule refuses with the field
or the remedy: ValueRefused, EnvironmentRefused.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from clusters.errors import EnvironmentRefused, ValueRefused
from clusters.models import Cluster, Environment
from clusters.planning.names import is_label, shown
from kcloud_site.tenants.errors import TenantClosed
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services.tenants import refuse_closed

LONGEST_NAME = 30
LEAST = Resources(cpu=10, memory=32 * 2**20, pods=1)
# Addresses of pages; and namespaces of Kubernetes and of the portal itself.
_NO_NAMES = frozenset({"new", "panel"})
_NO_NAMESPACES = ("kube-", "kcloud-", "openshift-")
State = Environment.State


def check_new(tenant: Tenant, cluster: Cluster, name: str, stage: str) -> None:
    """What can be said of a new one without the database's constraints."""
    try:
        refuse_closed(tenant)
    except TenantClosed as closed:
        raise EnvironmentRefused(str(closed)) from closed
    if not is_label(name, LONGEST_NAME) or name in _NO_NAMES:
        raise ValueRefused(
            "name",
            _("“%(name)s” cannot be the name of an environment.") % {"name": shown(name)},
            "",
            _("Use 1 to 30 lower case letters, digits and hyphens, but not “new” or “panel”."),
        )
    if f"{tenant.name}-{name}".startswith(_NO_NAMESPACES):
        raise ValueRefused(
            "name",
            _("The namespace would be %(name)s.") % {"name": f"{tenant.name}-{name}"},
            _("Names that begin so belong to Kubernetes or to the portal."),
            _("Choose another name."),
        )
    if stage not in Environment.Stage.values:
        known = ", ".join(Environment.Stage.values)
        raise ValueRefused(
            "stage", _("This stage is not known."), "", _("Choose one of: %(known)s.") % {"known": known}
        )
    if cluster.state != Cluster.State.READY:
        raise ValueRefused(
            "cluster",
            _("Cluster %(name)s does not run.") % {"name": cluster.name},
            "",
            _("Choose one that is ready, or deploy it first."),
        )


def name_taken(tenant: Tenant, cluster: Cluster, name: str) -> ValueRefused:
    """Why the database would not have it."""
    if Environment.objects.filter(tenant=tenant, name=name).exists():
        return ValueRefused(
            "name",
            _("The tenant has an environment called %(name)s already.") % {"name": name},
            "",
            _("Choose another name."),
        )
    return ValueRefused(
        "name",
        _("Another tenant's environment on %(cluster)s has the namespace %(name)s.")
        % {"cluster": cluster.name, "name": f"{tenant.name}-{name}"},
        "",
        _("Choose another name."),
    )


def refuse_unless(environment: Environment, *states: str) -> None:
    """One that an operation works on is refused by the operation itself, with a link to it."""
    busy = (State.CREATING, State.UPDATING)
    if environment.state == State.FAILED and environment.ready_at is None:
        raise EnvironmentRefused(
            _("%(name)s was not made completely.") % {"name": environment.namespace},
            _("Its creation failed."),
            _("Resume the creation, or remove the environment."),
        )
    if environment.state in busy:
        return
    frozen = environment.frozen and State.FROZEN not in states
    if frozen or environment.state not in states:
        raise EnvironmentRefused(
            _("%(name)s is in state “%(state)s”.")
            % {
                "name": environment.namespace,
                "state": State(State.FROZEN).label if frozen else environment.get_state_display(),
            },
            _("It cannot be changed in this way now."),
            _("Thaw it first.") if frozen else _("Wait until that has ended."),
        )


def refuse_below_use(environment: Environment, share: Resources) -> None:
    """By the last look: a resource does not shrink below what runs uses of it."""
    used = Resources(**(environment.used or {}))
    shrinking = environment.resources.exceeds(share)
    for part in [each for each in used.exceeds(share) if each in shrinking]:
        using, asked = used.to_json()[part], share.to_json()[part]
        raise ValueRefused(
            part,
            _("What runs there uses more than that."),
            _("In use: %(used)s; asked for: %(asked)s.") % {"used": using, "asked": asked},
            _("Stop something first, or ask for at least what is in use."),
        )


def check_share(share: Resources) -> None:
    """Raise ValueRefused, naming the resource, for a share nothing could run in."""
    for part, least in LEAST.parts().items():
        if getattr(share, part) < least:
            needed = LEAST.to_json()[part]
            raise ValueRefused(
                part,
                _("That is too little for anything to run."),
                "",
                _("Give it at least %(least)s.") % {"least": needed},
            )
