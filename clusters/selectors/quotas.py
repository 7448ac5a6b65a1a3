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
from django.utils.translation import gettext as _

from clusters.models import Environment
from clusters.selectors.resource_texts import WORDS, amount
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


@dataclass(frozen=True)
class Row:
    """One resource on the quota page: amounts as text, shares of the limit in percent for the bar, and its state
    ("" when all is well, "is-warn" when nearly all is carved out, "is-bad" when more is carved out than there is)."""

    part: str
    word: str
    used: str
    carved: str
    limit: str
    free: str
    borrowed: str
    used_width: str
    planned_width: str
    css: str
    said: str


def rows(found: Standing, used: Resources | None) -> list[Row]:
    """Used, carved out (planned beyond what is used) and limit of every resource."""
    return [_row(part, found, used) for part in PARTS]


def _row(part: str, found: Standing, used: Resources | None) -> Row:
    limit, carved = getattr(found.limit, part), getattr(found.carved, part)
    uses = getattr(used, part) if used is not None else None
    # The bar's whole length is the limit, or what is carved out where that is more.
    whole = max(limit, carved, uses or 0)
    used_share = 100 * (uses or 0) // whole if whole else 0
    planned = max(0, 100 * carved // whole - used_share) if whole else 0
    used_text = "–" if uses is None else amount(part, uses)
    said = _("%(word)s: %(used)s used, %(carved)s carved out, limit %(limit)s.") % {
        "word": WORDS[part],
        "used": used_text,
        "carved": amount(part, carved),
        "limit": amount(part, limit),
    }
    borrowed = getattr(found.borrowed, part)
    return Row(
        part=part,
        word=str(WORDS[part]),
        used=used_text,
        carved=amount(part, carved),
        limit=amount(part, limit),
        free=amount(part, limit - carved),
        borrowed=amount(part, borrowed) if borrowed else "–",
        used_width=f"{used_share}%",
        planned_width=f"{planned}%",
        css="is-bad" if carved > limit else "is-warn" if limit and carved * 10 >= limit * 9 else "",
        said=said,
    )


def over_quota() -> list[tuple[Tenant, Standing]]:
    """Tenants that have carved out more than they may use, by name. Four queries, whatever their number."""
    holding = Tenant.objects.filter(pk__in=carved_rows().values("tenant")).order_by("name")
    tenants = list(holding)
    found = standings(tenant.pk for tenant in tenants)
    return [(tenant, found[tenant.pk]) for tenant in tenants if found[tenant.pk].over]


def environments_of(tenant: Tenant) -> QuerySet[Environment]:
    """The tenant's environments, the largest first."""
    return Environment.objects.filter(tenant=tenant).defer("sealed_token").order_by("-cpu", "name")


def open_loans(tenant: Tenant) -> QuerySet[Loan]:
    """What the tenant has borrowed now, what returns first on top."""
    return Loan.objects.filter(tenant=tenant, ended_at__isnull=True).order_by("ends_at")
