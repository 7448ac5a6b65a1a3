"""The demo's tenants and the accounts in them: an owner, a developer and a viewer each, nobody in both."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from kcloud_site.tenants.models import Membership, Tenant, User
from kcloud_site.tenants.services import members, tenants

TENANTS = {"retail": "Retail", "logistics": "Logistics"}
ROLES = ("owner", "developer", "viewer")


def make_tenants(*, by: User, passwords_file: Path) -> dict[str, str]:
    """What is not there yet; answers each person's password, which the file keeps for the next run."""
    passwords = _passwords(passwords_file)
    for name in TENANTS:
        ensure_tenant(name, by)
    for username, password in passwords.items():
        _seat(username, password, by)
    return passwords


def ensure_tenant(name: str, by: User) -> Tenant:
    """One of the demo's tenants, made if it is not there yet."""
    found = Tenant.objects.filter(name=name).first()
    return found or tenants.create_tenant(name=name, title=TENANTS[name], by=by, reason="make demo")


def as_variables(passwords: dict[str, str]) -> str:
    """KCLOUD_PASSWORD_RETAIL_OWNER=… and so on, a line each."""
    names = {username: username.upper().replace("-", "_") for username in passwords}
    return "".join(f"KCLOUD_PASSWORD_{names[username]}={word}\n" for username, word in passwords.items())


def _passwords(path: Path) -> dict[str, str]:
    if path.exists():
        kept: dict[str, str] = json.loads(path.read_text())
        return kept
    made = {username: secrets.token_urlsafe(12) for username in usernames()}
    path.touch(mode=0o600)
    path.write_text(json.dumps(made))
    return made


def usernames() -> list[str]:
    """Accounts called by what they are for: retail-owner, retail-developer and so on."""
    return [f"{tenant}-{role}" for tenant in TENANTS for role in ROLES]


def _seat(username: str, password: str, by: User) -> None:
    """The person's account, and the membership that the name says."""
    user, _made = User.objects.get_or_create(username=username, defaults={"email": f"{username}@example.com"})
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    tenant_name, _hyphen, role = username.partition("-")
    tenant = Tenant.objects.get(name=tenant_name)
    if not Membership.objects.filter(tenant=tenant, user=user).exists():
        members.add_member(tenant=tenant, user=user, role=role, by=by, reason="make demo")
