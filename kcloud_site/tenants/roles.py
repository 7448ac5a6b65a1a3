"""Who may do what, on one page: each role one class with the list of its rights. Pure but for gettext.

A right is "noun.verb". A role names every right it has and inherits none, so this page is the whole truth. Beside
roles there are only exceptions for one person on one object (Grant); GRANTABLE lists the rights they can carry.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

RIGHTS: dict[str, Any] = {
    "tenant.view": _("See the tenant, its members and its settings"),
    "tenant.edit": _("Change the tenant's title, description and contact"),
    "member.manage": _("Invite, change and remove members; grant exceptions"),
    "environment.view": _("See environments and what they use"),
    "environment.freeze": _("Freeze and thaw an environment"),
    "environment.resize": _("Change an environment's share of the quota"),
    "environment.remove": _("Remove an environment"),
    "quota.view": _("See the quota and its use"),
    "request.view": _("See requests and what became of them"),
    "request.create": _("Ask for an environment or quota, and comment on requests"),
    "request.decide": _("Approve and decline requests"),
    "operation.view": _("Follow operations and their logs"),
    "operation.control": _("Cancel and resume operations"),
    "app.view": _("See applications, their releases and what runs"),
    "app.edit": _("Register, import and change applications"),
    "app.remove": _("Remove applications and empty the bin"),
    "release.publish": _("Publish releases"),
    "deployment.run": _("Deploy, scale, stop, start and restart in environments that are not protected"),
    "deployment.protected": _("The same in protected environments"),
    "config.view": _("See configuration, without secrets"),
    "config.edit": _("Draft configuration"),
    "config.publish": _("Publish configuration"),
    "log.view": _("Read the logs of applications"),
    "command.run": _("Run single commands in containers"),
    "image.view": _("See and pull images of the tenant"),
    "image.push": _("Push and delete images of the tenant"),
    "registry.manage": _("Keep the credentials of other registries"),
    "healing.manage": _("Decide how far self-healing may go, and on its suggestions"),
    "audit.view": _("Read the audit trail"),
    "webhook.view": _("See webhooks and their deliveries"),
    "webhook.manage": _("Make, change and remove webhooks"),
    "token.create": _("Make API tokens of one's own"),
    "platform.view": _("See regions, hosts, bundles, clusters and all tenants"),
    "platform.operate": _("Change regions, hosts, bundles, clusters; make tenants and set quotas"),
}


class Role:
    """A named list of rights."""

    key: ClassVar[str]
    title: ClassVar[Any]
    summary: ClassVar[Any]
    permissions: ClassVar[frozenset[str]]


class Viewer(Role):
    key = "viewer"
    title = _("Viewer")
    summary = _("Sees everything of the tenant, changes nothing.")
    permissions = frozenset(
        {
            "tenant.view",
            "app.view",
            "config.view",
            "log.view",
            "image.view",
            "environment.view",
            "quota.view",
            "request.view",
            "operation.view",
            "webhook.view",
            "token.create",
        }
    )


class Developer(Role):
    key = "developer"
    title = _("Developer")
    summary = _(
        "Releases, deploys and configures applications where nothing is protected; asks for environments."
    )
    permissions = frozenset(
        {
            "tenant.view",
            "app.view",
            "config.view",
            "log.view",
            "image.view",
            "app.edit",
            "release.publish",
            "deployment.run",
            "config.edit",
            "config.publish",
            "command.run",
            "image.push",
            "environment.view",
            "quota.view",
            "request.view",
            "request.create",
            "operation.view",
            "webhook.view",
            "token.create",
        }
    )


class Operator(Role):
    key = "operator"
    title = _("Operator")
    summary = _(
        "Runs the tenant's environments and applications, also protected ones; reads the audit trail."
    )
    permissions = frozenset(
        {
            "tenant.view",
            "app.view",
            "config.view",
            "log.view",
            "image.view",
            "app.edit",
            "release.publish",
            "deployment.run",
            "config.edit",
            "config.publish",
            "command.run",
            "image.push",
            "app.remove",
            "deployment.protected",
            "registry.manage",
            "healing.manage",
            "environment.view",
            "environment.freeze",
            "environment.resize",
            "quota.view",
            "request.view",
            "request.create",
            "operation.view",
            "operation.control",
            "audit.view",
            "webhook.view",
            "webhook.manage",
            "token.create",
        }
    )


class Owner(Role):
    key = "owner"
    title = _("Owner")
    summary = _("Answers for the tenant: members, exceptions, settings, and all an operator may.")
    permissions = frozenset(
        {
            "tenant.view",
            "tenant.edit",
            "member.manage",
            "app.view",
            "config.view",
            "log.view",
            "image.view",
            "app.edit",
            "release.publish",
            "deployment.run",
            "config.edit",
            "config.publish",
            "command.run",
            "image.push",
            "app.remove",
            "deployment.protected",
            "registry.manage",
            "healing.manage",
            "environment.view",
            "environment.freeze",
            "environment.resize",
            "environment.remove",
            "quota.view",
            "request.view",
            "request.create",
            "operation.view",
            "operation.control",
            "audit.view",
            "webhook.view",
            "webhook.manage",
            "token.create",
        }
    )


class PlatformOperator(Role):
    """In every tenant, and on the platform itself."""

    key = "platform_operator"
    title = _("Platform operator")
    summary = _("Runs the platform and decides on requests; may act in every tenant.")
    permissions = frozenset(RIGHTS)


class Auditor(Role):
    """In every tenant, and on the platform itself."""

    key = "auditor"
    title = _("Auditor")
    summary = _("Sees everything of every tenant and of the platform, changes nothing.")
    permissions = frozenset(
        {
            "tenant.view",
            "app.view",
            "config.view",
            "log.view",
            "image.view",
            "environment.view",
            "quota.view",
            "request.view",
            "operation.view",
            "audit.view",
            "webhook.view",
            "token.create",
            "platform.view",
        }
    )


TENANT_ROLES: tuple[type[Role], ...] = (Viewer, Developer, Operator, Owner)
PLATFORM_ROLES: tuple[type[Role], ...] = (PlatformOperator, Auditor)
ROLES: dict[str, type[Role]] = {role.key: role for role in TENANT_ROLES + PLATFORM_ROLES}

# Rights an exception can carry, by the kind of object: label -> rights.
GRANTABLE: dict[str, tuple[str, ...]] = {
    "clusters.environment": ("environment.freeze", "environment.resize", "environment.remove"),
}
