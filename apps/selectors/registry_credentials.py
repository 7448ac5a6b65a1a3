"""Reads how a tenant signs in at registries that are not the platform's."""

from __future__ import annotations

from dataclasses import dataclass

from apps.access import open_password
from apps.models import RegistryCredential
from kcloud_site.tenants.models import Tenant


@dataclass(frozen=True, repr=False)
class Login:
    """What to say at a registry: a name with its password, "" for neither; and the authority to trust (PEM) or b""."""

    username: str = ""
    password: str = ""
    authority: bytes = b""


def login_of(tenant: Tenant, host: str) -> Login:
    """How the tenant signs in at `host`; as nobody when nothing is kept. Raises SecretUnreadable."""
    found = RegistryCredential.objects.filter(tenant=tenant, host=host).first()
    if found is None:
        return Login()
    return Login(found.username, open_password(found), found.authority.encode())


def logins(tenant: Tenant) -> tuple[dict[str, tuple[str, str]], str]:
    """{host: (name, password)} of all that have a name, and a mark that is another one after each change."""
    rows = list(RegistryCredential.objects.filter(tenant=tenant).exclude(username="").order_by("host"))
    mark = " ".join(f"{row.host}={row.pk}.{row.edition}" for row in rows)
    return {row.host: (row.username, open_password(row)) for row in rows}, mark
