"""What an API token narrows its bearer to. Pure.

A token never gives more than its person has: it may be bound to one tenant, and capped by a role.
"""

from dataclasses import dataclass
from datetime import datetime

from kcloud_site.tenants.roles import ROLES


@dataclass(frozen=True)
class Scope:
    """A token at work: its name, the one tenant it is for (None: all of its person's), the role it is capped by, and
    when it ends (None: never)."""

    token: str
    tenant_id: int | None
    role: str
    expires_at: datetime | None = None

    def lets(self, permission: str, tenant_id: int | None) -> bool:
        """Whether the token lets its person use the right on something of that tenant (None: the platform's)."""
        inside = self.tenant_id is None or self.tenant_id == tenant_id
        return inside and permission in ROLES[self.role].permissions

    def contains(self, tenant_id: int | None, role: str) -> bool:
        """Whether a token for that tenant, capped by that role, could do nothing that this one cannot."""
        inside = self.tenant_id is None or self.tenant_id == tenant_id
        return inside and ROLES[role].permissions <= ROLES[self.role].permissions
