"""What the clock calls (kcloud_site/operations/management/commands/clock.py names it)."""

from django.utils import timezone

from kcloud_site.rest import idempotency
from kcloud_site.tenants.services import grants, tokens


def end_grants() -> None:
    """Every minute: exceptions whose time is up."""
    grants.end_due_grants(now=timezone.now())


def prune_api() -> None:
    """Every hour: answers kept for repeated requests, tokens that expired long ago."""
    idempotency.prune()
    tokens.prune_tokens()
