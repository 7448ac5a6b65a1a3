"""What the clock calls (kcloud_site/operations/management/commands/clock.py names it)."""

from django.utils import timezone

from kcloud_site.webhooks.services import collecting, delivering


def run() -> None:
    """Every two seconds: what happened is written down, what is due is sent."""
    collecting.collect(now=timezone.now())
    delivering.deliver(now=timezone.now())


def prune() -> None:
    """Daily: old deliveries."""
    delivering.prune(now=timezone.now())
