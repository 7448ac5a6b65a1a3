"""What an API token narrows its bearer to. Pure.

A token never gives more than its person has: it may be bound to one tenant, and capped by a role.
"""

from dataclasses import dataclass

from kcloud_site.tenants.roles import ROLES


@dataclass(frozen=True)
class Scope:
    """A token at work: its name, the one tenant it is for (None: all of its person's), the role it is capped by."""

    token: str
    tenant_id: int | None
    role: str

    def lets(self, permission: str, tenant_id: int | None) -> bool:
        """Whether the token lets its person use the right on something of that tenant (None: the platform's)."""
        inside = self.tenant_id is None or self.tenant_id == tenant_id
        return inside and permission in ROLES[self.role].permissions
