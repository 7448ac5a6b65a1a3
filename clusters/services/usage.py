"""What tenants used, hour by hour: one row a tenant and hour, kept for 90 days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from clusters.models import Environment
from clusters.selectors import quotas
from kcloud_site.tenants.models import Tenant, UsageSample
from kcloud_site.tenants.resources import Resources, total

KEEP = timedelta(days=90)
# What an environment was last seen to use says nothing of now after so long.
STALE = timedelta(minutes=15)


@transaction.atomic
def sample(now: datetime) -> int:
    """Write this hour's rows that are not there yet, and forget the old ones; answers how many were written."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    UsageSample.objects.filter(hour__lt=now - KEEP).delete()
    there = UsageSample.objects.filter(hour=hour).values("tenant")
    ids = list(
        Tenant.objects.filter(closed_at__isnull=True).exclude(pk__in=there).values_list("pk", flat=True)
    )
    standings, used = quotas.standings(ids), used_by(ids, now)
    rows = [
        UsageSample(
            tenant_id=pk,
            hour=hour,
            limit=standings[pk].limit.parts(),
            carved=standings[pk].carved.parts(),
            used=found.parts() if (found := used[pk]) is not None else None,
        )
        for pk in ids
    ]
    UsageSample.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def used_by(tenant_ids: Iterable[int], now: datetime) -> dict[int, Resources | None]:
    """What each tenant's environments use together; None when one of them has not been seen of late."""
    seen: dict[int, list[Resources | None]] = {pk: [] for pk in tenant_ids}
    rows = Environment.objects.filter(tenant__in=list(seen))
    for tenant_id, used, seen_at in rows.values_list("tenant_id", "used", "seen_at"):
        fresh = seen_at is not None and seen_at >= now - STALE
        seen[tenant_id].append(Resources(**used) if used is not None and fresh else None)
    return {pk: _sum(found) for pk, found in seen.items()}


def _sum(found: list[Resources | None]) -> Resources | None:
    known = [each for each in found if each is not None]
    return total(known) if len(known) == len(found) else None
