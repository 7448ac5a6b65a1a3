"""What can be wrong about webhooks, named by condition; each says what to do."""

from kcloud_site.tenants.errors import TenantError


class WebhookRefused(TenantError):
    """A webhook cannot be as asked; `field` names the input at fault."""


class NotDelivered(Exception):
    """No answer came: why."""
