"""What the clock calls (kcloud_site/operations/management/commands/clock.py names it)."""

from django.utils import timezone

from kcloud_site.tenants.services import grants


def end_grants() -> None:
    """Every minute: exceptions whose time is up."""
    grants.end_due_grants(now=timezone.now())
