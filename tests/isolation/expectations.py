"""The table of who may open what: one row an address of the console and the API. A new address needs a row here.

`tenants("operation", "operation.view")` means: the address is about one tenant's thing; whoever is outside that tenant
gets 404, a member whose role lacks the right gets 403, everybody else gets in. `platform()` is for whoever has
"platform.view" to look and "platform.operate" to change; others get 403. Which role has which right is on the page of
roles (kcloud_site/tenants/roles.py); the matrix combines both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`kind`: anybody, basic, signed_in, anywhere (the right in some tenant), tenant, platform. `thing`: whose it is.
    `delete`: the right to delete, where it is not the one to change."""

    kind: str
    read: str = ""
    change: str = ""
    thing: str = ""
    delete: str = ""


def anybody() -> Row:
    return Row("anybody")


def basic() -> Row:
    """Knows no session: asks everybody for a name and a secret."""
    return Row("basic")


def signed_in() -> Row:
    return Row("signed_in")


def anywhere(read: str, change: str = "") -> Row:
    return Row("anywhere", read, change or read)


def tenants(thing: str, read: str, change: str = "", delete: str = "") -> Row:
    return Row("tenant", read, change or read, thing, delete)


def platform(read: str = "platform.view", change: str = "platform.operate") -> Row:
    return Row("platform", read, change)


# What anybody meets at the door, and what whoever has signed in does with their own account.
DOOR = (
    *("login", "account_login", "account_inactive", "mfa_login_webauthn"),
    *("company_sign_in", "openid_connect_callback"),
    *("account_reset_password", "account_reset_password_done", "account_reset_password_from_key"),
)
OWN_ACCOUNT = (
    *("logout", "account_logout", "password_change", "account_change_password"),
    *("mfa_authenticate", "account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
    *("mfa_index", "mfa_activate_totp", "mfa_deactivate_totp"),
    *("mfa_add_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn"),
    *("mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes"),
    *("usersessions_list", "end_session", "end_other_sessions"),
)

CONSOLE: dict[str, Row] = {
    **{name: anybody() for name in DOOR},
    **{name: signed_in() for name in OWN_ACCOUNT},
    "overview": signed_in(),
    "search": platform(),
    "language": anybody(),
    "registry:token": basic(),
    "registry:authority": anybody(),
    "preferences": signed_in(),
    "tokens": anywhere("token.create"),
    "token_revoke": anywhere("token.create"),
    "appearance": signed_in(),
    "operations:list": anywhere("operation.view"),
    "operations:detail": tenants("operation", "operation.view"),
    "operations:panel": tenants("operation", "operation.view"),
    "operations:log": tenants("operation", "operation.view"),
    "operations:cancel": tenants("operation", "operation.control"),
    "operations:resume": tenants("operation", "operation.control"),
    "operations:audit": anywhere("audit.view"),
    "operations:audit_export": anywhere("audit.view"),
    "operations:audit_check": platform("platform.view", "platform.view"),
    "operations:audit_panel": tenants("audited", "audit.view"),
    "clusters:cluster_environments": platform(),
    "clusters:quota": tenants("environments", "quota.view"),
    "clusters:quota_panel": tenants("environments", "quota.view"),
    "clusters:quota_edit": tenants("environments", "platform.operate"),
    "clusters:loan_create": tenants("environments", "platform.operate"),
    "clusters:loan_end": tenants("loan", "platform.operate"),
    "clusters:request_queue": platform("platform.view", "platform.view"),
    "clusters:any_request": platform("platform.view", "platform.view"),
    "clusters:requests": tenants("environments", "request.view"),
    "clusters:requests_panel": tenants("environments", "request.view"),
    "clusters:request_create": tenants("environments", "request.create"),
    "clusters:request_new": tenants("request_kind", "request.create"),
    "clusters:request": tenants("request", "request.view"),
    "clusters:request_approve": tenants("request", "request.decide"),
    "clusters:request_decline": tenants("request", "request.decide"),
    "clusters:request_apply": tenants("request", "request.decide"),
    "clusters:request_comment": tenants("request", "request.create"),
    "clusters:request_withdraw": tenants("request", "tenant.edit"),
    "clusters:all_environments": anywhere("environment.view"),
    "clusters:environment_by_namespace": tenants("namespace", "environment.view"),
    "clusters:environments": tenants("environments", "environment.view"),
    "clusters:environments_panel": tenants("environments", "environment.view"),
    "clusters:environment_create": tenants("environments", "platform.operate"),
    "clusters:environment": tenants("environment", "environment.view"),
    "clusters:environment_resize": tenants("environment", "environment.resize"),
    "clusters:environment_freeze": tenants("environment", "environment.freeze"),
    "clusters:environment_thaw": tenants("environment", "environment.freeze"),
    "clusters:environment_repair": tenants("environment", "environment.resize"),
    "clusters:environment_repair_mode": tenants("environment", "environment.resize"),
    "clusters:environment_protect": tenants("environment", "environment.remove"),
    "clusters:environment_remove": tenants("environment", "environment.remove"),
    "apps:healing": tenants("workload", "app.view"),
    "apps:healing_consent": tenants("workload", "healing.manage"),
    "apps:healing_decide": tenants("healing", "healing.manage"),
    "clusters:node_fence": platform(),
    "apps:logs": tenants("workload", "log.view"),
    "apps:log_download": tenants("workload", "log.view"),
    "apps:command": tenants("workload", "command.run"),
    "apps:health": tenants("workload", "app.view"),
    "apps:health_panel": tenants("workload", "app.view"),
    "apps:all": anywhere("app.view"),
    "apps:images": tenants("apps", "image.view"),
    "apps:image": tenants("image", "image.view"),
    "apps:image_remove": tenants("image_content", "image.push"),
    "apps:registries": tenants("apps", "image.view"),
    "apps:registry_add": tenants("apps", "registry.manage"),
    "apps:registry_replace": tenants("registry", "registry.manage"),
    "apps:registry_remove": tenants("registry", "registry.manage"),
    "apps:list": tenants("apps", "app.view"),
    "apps:adopt": tenants("environment_apps", "app.edit"),
    "apps:import": tenants("apps", "app.edit"),
    "apps:create": tenants("apps", "app.edit"),
    "apps:detail": tenants("app", "app.view"),
    "apps:edit": tenants("app", "app.edit"),
    "apps:remove": tenants("app", "app.remove"),
    "apps:releases": tenants("app", "app.view"),
    "apps:publish": tenants("app", "release.publish"),
    "apps:release": tenants("release", "app.view"),
    "apps:workload": tenants("workload", "app.view"),
    "apps:deploy": tenants("workload", "deployment.run"),
    "apps:preview": tenants("workload", "deployment.run"),
    "apps:deployments": tenants("workload", "app.view"),
    "apps:deployment": tenants("deployment", "app.view"),
    "apps:approvals": tenants("apps", "app.view"),
    "apps:approval_ask": tenants("workload", "deployment.run"),
    "apps:approval": tenants("approval", "app.view"),
    "apps:approval_decide": tenants("approval_action", "deployment.run"),
    "apps:scale": tenants("workload", "deployment.run"),
    "apps:stop": tenants("workload", "deployment.run"),
    "apps:start": tenants("workload", "deployment.run"),
    "apps:restart": tenants("workload", "deployment.run"),
    "apps:undo": tenants("workload", "deployment.run"),
    "apps:workload_remove": tenants("workload", "app.remove"),
    "apps:pin_lift": tenants("pin", "deployment.run"),
    "apps:pods": tenants("workload", "app.view"),
    "apps:pod": tenants("pod", "app.view"),
    "apps:events": tenants("workload", "app.view"),
    "apps:bin": tenants("apps", "app.view"),
    "apps:bin_restore": tenants("binned", "app.remove"),
    "apps:bin_empty": tenants("binned", "app.remove"),
    "apps:configurations": tenants("app", "config.view"),
    "apps:config": tenants("workload", "config.view", "config.edit"),
    "apps:config_compare": tenants("workload", "config.view"),
    "apps:config_import": tenants("workload", "config.edit"),
    "apps:config_export": tenants("config_revision", "config.view"),
    "apps:config_copy": tenants("workload", "config.edit"),
    "apps:config_publish": tenants("config_revision", "config.publish"),
    "apps:config_plan": tenants("config_revision", "config.publish"),
    "apps:config_order": tenants("config_order", "config.publish"),
    "apps:config_stage": tenants("config_revision", "config.publish"),
    "apps:config_act": tenants("config_action", "config.edit"),
    "operations:tenant_panel": tenants("tenant", "operation.view"),
    "tenants:accept": anybody(),
    "tenants:list": signed_in(),
    "tenants:roles": signed_in(),
    "tenants:create": platform("platform.operate"),
    "tenants:detail": tenants("tenant", "tenant.view"),
    "tenants:settings": tenants("tenant", "tenant.edit"),
    "tenants:close": tenants("tenant", "platform.operate"),
    "tenants:reopen": tenants("tenant", "platform.operate"),
    "tenants:members": tenants("tenant", "tenant.view"),
    "tenants:member_add": tenants("tenant", "platform.operate"),
    "tenants:member": tenants("membership", "member.manage"),
    "tenants:member_remove": tenants("membership", "member.manage"),
    "webhooks:list": tenants("tenant", "webhook.view"),
    "webhooks:create": tenants("tenant", "webhook.manage"),
    "webhooks:detail": tenants("webhook", "webhook.view"),
    "webhooks:edit": tenants("webhook", "webhook.manage"),
    "webhooks:pause": tenants("webhook", "webhook.manage"),
    "webhooks:secret": tenants("webhook", "webhook.manage"),
    "webhooks:test": tenants("webhook", "webhook.manage"),
    "webhooks:remove": tenants("webhook", "webhook.manage"),
    "webhooks:delivery": tenants("webhook", "webhook.view"),
    "webhooks:again": tenants("webhook", "webhook.manage"),
    "tenants:invitations": tenants("tenant", "member.manage"),
    "tenants:invite": tenants("tenant", "member.manage"),
    "tenants:invitation_resend": tenants("invitation", "member.manage"),
    "tenants:invitation_revoke": tenants("invitation", "member.manage"),
    "tenants:grants": tenants("tenant", "tenant.view"),
    "tenants:grant_create": tenants("tenant", "member.manage"),
    "tenants:grant_end": tenants("grant", "member.manage"),
}

# Areas of the platform: every address whose name begins so.
PLATFORM_AREAS: tuple[str, ...] = (
    "clusters:host",
    "clusters:region",
    "clusters:credential",
    "clusters:bundle",
    "clusters:list",
    "clusters:import",
    "clusters:plan",
    "clusters:preflight",
    "clusters:deploy",
    "clusters:reset",
    "clusters:detail",
    "clusters:node",
    "clusters:compare",
    "clusters:kubeconfig",
    "api-region",
    "api-credential",
    "api-bundle",
    "api-host",
    "api-cluster",
)

API: dict[str, Row] = {
    "api-registry-list": tenants("apps", "image.view", "registry.manage"),
    "api-registry-detail": tenants("registry", "image.view", "registry.manage"),
    "api-image-list": tenants("apps", "image.view"),
    "api-image-detail": tenants("image", "image.view"),
    "api-image-content": tenants("image_content", "image.push"),
    "api-image-tag": tenants("image_tag", "image.push"),
    "api-healing-list": tenants("workload", "app.view"),
    "api-healing-approve": tenants("healing", "app.view", "healing.manage"),
    "api-healing-decline": tenants("healing", "app.view", "healing.manage"),
    "api-healing-consent": tenants("workload", "app.view", "healing.manage"),
    "api-schema": anybody(),
    "api-docs": anybody(),
    "api-me-list": signed_in(),
    "api-role-list": signed_in(),
    "api-token-list": anywhere("token.create"),
    "api-token-detail": anywhere("token.create"),
    "api-tenant-list": anywhere("tenant.view", "platform.operate"),
    "api-tenant-detail": tenants("tenant", "tenant.view", "tenant.edit"),
    "api-tenant-close": tenants("tenant", "tenant.view", "platform.operate"),
    "api-tenant-reopen": tenants("tenant", "tenant.view", "platform.operate"),
    "api-member-list": tenants("membership", "tenant.view", "platform.operate"),
    "api-member-detail": tenants("membership", "tenant.view", "member.manage"),
    "api-grant-list": tenants("grant", "member.manage"),
    "api-grant-detail": tenants("grant", "member.manage"),
    "api-invitation-list": tenants("invitation", "member.manage"),
    "api-invitation-detail": tenants("invitation", "member.manage"),
    "api-invitation-resend": tenants("invitation", "member.manage"),
    "api-environment-list": tenants("environments", "environment.view", "platform.operate"),
    "api-environment-detail": tenants(
        "environment", "environment.view", "environment.resize", delete="environment.remove"
    ),
    "api-environment-freeze": tenants("environment", "environment.view", "environment.freeze"),
    "api-environment-thaw": tenants("environment", "environment.view", "environment.freeze"),
    "api-environment-repair": tenants("environment", "environment.view", "environment.resize"),
    "api-configuration": tenants("workload", "config.view", "config.edit"),
    "api-configuration-import": tenants("workload", "config.view", "config.edit"),
    "api-configuration-import-preview": tenants("workload", "config.view", "config.edit"),
    "api-configuration-export": tenants("config_revision", "config.view"),
    "api-configuration-readers": tenants("workload", "config.view"),
    "api-configuration-copy": tenants("workload", "config.view", "config.edit"),
    "api-configuration-revisions": tenants("workload", "config.view"),
    "api-configuration-revision": tenants("config_revision", "config.view"),
    "api-configuration-diff": tenants("config_revision", "config.view"),
    "api-configuration-propose": tenants("config_revision", "config.edit"),
    "api-configuration-withdraw": tenants("config_revision", "config.edit"),
    "api-configuration-rollback": tenants("config_revision", "config.edit"),
    "api-configuration-publish": tenants("config_revision", "config.publish"),
    "api-configuration-plan": tenants("config_revision", "config.view", "config.publish"),
    "api-configuration-stage": tenants("config_revision", "config.publish"),
    "api-configuration-trial": tenants("config_revision", "config.view"),
    "api-configuration-hold": tenants("config_revision", "config.publish"),
    "api-configuration-proceed": tenants("config_revision", "config.publish"),
    "api-configuration-give-back": tenants("config_revision", "config.publish"),
    "api-logs": tenants("workload", "log.view"),
    "api-commands": tenants("workload", "command.run"),
    "api-healing-detail": tenants("healing", "app.view"),
    "api-app-list": tenants("apps", "app.view", "app.edit"),
    "api-app-detail": tenants("app_by_name", "app.view", "app.edit", delete="app.remove"),
    "api-app-deploy": tenants("app_by_name", "app.view", "release.publish"),
    "api-release-list": tenants("app", "app.view", "release.publish"),
    "api-release-detail": tenants("release", "app.view"),
    "api-release-diff": tenants("release", "app.view"),
    "api-workload": tenants("workload", "app.view", "deployment.run", delete="app.remove"),
    "api-workload-act": tenants("workload", "app.view", "deployment.run"),
    "api-workload-pods": tenants("workload", "app.view"),
    "api-workload-preview": tenants("workload", "app.view", "deployment.run"),
    "api-deployment-list": tenants("workload", "app.view", "deployment.run"),
    "api-deployment-request-list": tenants("workload", "app.view", "deployment.run"),
    "api-deployment-request-detail": tenants("approval", "app.view"),
    "api-deployment-request-approve": tenants("approval", "deployment.run"),
    "api-deployment-request-decline": tenants("approval", "deployment.run"),
    "api-deployment-request-withdraw": tenants("approval", "deployment.run"),
    "api-deployment-detail": tenants("deployment", "app.view"),
    "api-diagnosis": tenants("workload", "app.view"),
    "api-quota": tenants("environments", "quota.view", "platform.operate"),
    "api-loan-list": tenants("environments", "quota.view", "platform.operate"),
    "api-loan-detail": tenants("loan", "quota.view", "platform.operate"),
    "api-request-list": tenants("environments", "request.view", "request.create"),
    "api-request-detail": tenants("request", "request.view"),
    "api-request-comment": tenants("request", "request.view", "request.create"),
    "api-request-withdraw": tenants("request", "request.view", "tenant.edit"),
    "api-queue-list": platform("platform.view"),
    "api-queue-detail": tenants("request", "request.view"),
    "api-queue-approve": tenants("request", "request.view", "request.decide"),
    "api-queue-decline": tenants("request", "request.view", "request.decide"),
    "api-queue-apply": tenants("request", "request.view", "request.decide"),
    "api-webhook-list": anywhere("webhook.view", "webhook.manage"),
    "api-webhook-detail": tenants("webhook", "webhook.view", "webhook.manage"),
    "api-webhook-secret": tenants("webhook", "webhook.view", "webhook.manage"),
    "api-webhook-test": tenants("webhook", "webhook.view", "webhook.manage"),
    "api-webhook-deliveries": tenants("webhook", "webhook.view"),
    "api-webhook-redeliver": tenants("webhook", "webhook.view", "webhook.manage"),
    "api-operation-list": anywhere("operation.view"),
    "api-operation-detail": tenants("operation", "operation.view"),
    "api-operation-log": tenants("operation", "operation.view"),
    "api-operation-cancel": tenants("operation", "operation.view", "operation.control"),
    "api-operation-resume": tenants("operation", "operation.view", "operation.control"),
    "api-audit-event-list": anywhere("audit.view"),
    "api-audit-event-detail": tenants("audit_event", "audit.view"),
}


def row_of(name: str, table: dict[str, Row]) -> Row | None:
    """The row of an address by its name; None when nobody wrote one."""
    if name in table:
        return table[name]
    return platform() if name.startswith(PLATFORM_AREAS) else None
