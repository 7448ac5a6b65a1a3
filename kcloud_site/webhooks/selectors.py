"""Reads webhooks and their deliveries for pages: a bounded number of questions, whatever the number of messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.functional import cached_property

from kcloud_site.tenants.models import Tenant
from kcloud_site.webhooks.models import Delivery, Webhook

# Deliveries are kept for 30 days; counting them ends here.
MOST = 1000


@dataclass(frozen=True)
class Line:
    """One webhook of the list: `last` is its newest delivery, `state` a key of the status vocabulary."""

    hook: Webhook
    last: Delivery | None
    state: str


def lines(tenant: Tenant) -> list[Line]:
    """The tenant's webhooks by name, each with its newest delivery: two questions."""
    newest = Delivery.objects.filter(webhook=OuterRef("pk")).order_by("-id").values("pk")[:1]
    hooks = list(Webhook.objects.filter(tenant=tenant).annotate(newest=Subquery(newest)))
    last = Delivery.objects.defer("payload").in_bulk(
        [hook.newest for hook in hooks if hook.newest is not None]
    )
    return [_line(hook, last.get(hook.newest)) for hook in hooks]


def _line(hook: Webhook, last: Delivery | None) -> Line:
    if not hook.enabled:
        return Line(hook, last, "paused")
    failing = last is not None and last.state != Delivery.State.DELIVERED and last.attempts > 0
    return Line(hook, last, "degraded" if failing else "healthy")


def line(hook: Webhook) -> Line:
    """The same of one."""
    return _line(hook, Delivery.objects.filter(webhook=hook).first())


def deliveries(hook: Webhook, state: str = "") -> QuerySet[Delivery]:
    """Newest first."""
    rows = Delivery.objects.filter(webhook=hook).defer("payload").order_by("-id")
    return rows.filter(state=state) if state else rows


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable when the program runs
    """Pages of at most the newest MOST rows, counted no further."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Delivery] = self.object_list  # type: ignore[assignment]
        return rows[:MOST].count()


def is_waiting(rows: Iterable[Delivery]) -> bool:
    """Whether one of them is still to be sent: the page looks again soon."""
    return any(row.state == Delivery.State.PENDING for row in rows)
