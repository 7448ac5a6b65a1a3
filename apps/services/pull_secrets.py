"""Each environment may pull its tenant's images: from the platform's registry with a robot's password that ends, from
others with what the tenant keeps for them.

It is written before something is deployed there and renewed by the clock when half its life is over, always as the
environment's own account. Raises what the cluster's client raises.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.manifests.pull_secret import PULL_SECRET, holds_logins, lasts_until, pull_secret
from apps.selectors import registry_credentials
from apps.services import registry_places, registry_tokens
from clusters import access
from clusters.errors import ClusterError, ResourceNotFound
from clusters.models import Environment
from kcloud_site.tenants.encryption import SecretUnreadable

LASTS = timedelta(days=30)
_log = logging.getLogger(__name__)


def ensure_pull_secret(*, environment: Environment, now: datetime | None = None) -> bool:
    """See that the environment's Secret is there, lasts, and holds its tenant's logins; answers whether it was written
    now. Nothing to sign in with, and none there to take away: nothing is written."""
    now = now or timezone.now()
    host = settings.REGISTRY_HOST if registry_places.addresses() else ""
    logins, mark = registry_credentials.logins(environment.tenant)
    client = access.kubernetes_for(environment)
    path = f"/api/v1/namespaces/{environment.namespace}/secrets/{PULL_SECRET}"
    try:
        found = client.get(path)
    except ResourceNotFound:
        found = {}
    if not host and not logins and not holds_logins(found):
        return False
    ends_at = lasts_until(found, host, mark)
    if ends_at is not None and ends_at - now > LASTS / 2:
        return False
    ends_at = now + LASTS
    if host:
        logins = {**logins, host: registry_tokens.robot_password(environment, ends_at=ends_at, now=now)}
    client.apply(pull_secret(environment.namespace, logins, host=host, mark=mark, ends_at=ends_at))
    return True


def renew_pull_secrets(now: datetime, tenant: int | None = None) -> int:
    """By the clock, and for one tenant (its id) after its logins changed: those of every environment in which something
    may be changed; answers how many were written."""
    states = (Environment.State.READY, Environment.State.DRIFTED)
    written = 0
    rows = Environment.objects.filter(state__in=states).select_related("cluster", "tenant")
    for environment in rows if tenant is None else rows.filter(tenant_id=tenant):
        try:
            written += ensure_pull_secret(environment=environment, now=now)
        except (ClusterError, SecretUnreadable) as error:
            _log.warning("the pull secret of %s waits: %s", environment.namespace, error)
    return written
