"""What the clock calls (kcloud_site/operations/management/commands/clock.py names it)."""

from django.utils import timezone

from kcloud_site.webhooks import services


def run() -> None:
    """Every two seconds: what happened is written down, what is due is sent."""
    services.collect(now=timezone.now())
    services.deliver(now=timezone.now())


def prune() -> None:
    """Daily: old deliveries."""
    services.prune(now=timezone.now())
