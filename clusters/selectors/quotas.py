"""How a tenant stands: what it may use, what is carved out of that, what is free.

limit = total + what is borrowed at the moment; carved = the sum of its environments' shares; free = limit - carved.
A part of `free` is negative after a loan ended (or a limit was never there): the tenant is over its quota, nothing
of it is stopped, and nothing more can be carved out until it fits again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from clusters.models import Environment
from kcloud_site.tenants.models import Loan, Quota, Tenant
from kcloud_site.tenants.resources import PARTS, Resources

_SUMS = {f"sum_{part}": Sum(part) for part in PARTS}


@dataclass(frozen=True)
class Standing:
    """A tenant's quota at this moment. `total` is None when nothing was given yet."""

    total: Resources | None
    borrowed: Resources
    carved: Resources

    @property
    def limit(self) -> Resources:
        return (self.total or Resources()) + self.borrowed

    @property
    def free(self) -> Resources:
        return self.limit - self.carved

    @property
    def over(self) -> dict[str, int]:
        """The parts of which more is carved out than there is, and by how much."""
        return self.carved.exceeds(self.limit)


def standing(tenant: Tenant) -> Standing:
    """Three queries."""
    return standings([tenant.pk])[tenant.pk]


def standings(tenant_ids: Iterable[int]) -> dict[int, Standing]:
    """Of many tenants, in the same three queries."""
    ids = list(tenant_ids)
    totals = {row.tenant_id: row.resources for row in Quota.objects.filter(tenant__in=ids)}
    borrowed = _sums(Loan.objects.filter(ended_at__isnull=True, tenant__in=ids))
    carved = _sums(carved_rows().filter(tenant__in=ids))
    return {
        pk: Standing(totals.get(pk), borrowed.get(pk, Resources()), carved.get(pk, Resources())) for pk in ids
    }


def carved_rows() -> QuerySet[Environment]:
    """The rows whose sum is what a tenant has carved out: its environments, also those
    that are being made or removed, for what they hold is not free yet."""
    return Environment.objects.all()


def _sums(rows: QuerySet[Any]) -> dict[int, Resources]:
    found = rows.order_by().values("tenant_id").annotate(**_SUMS)
    return {
        row["tenant_id"]: Resources(**{part: int(row[f"sum_{part}"] or 0) for part in PARTS}) for row in found
    }
