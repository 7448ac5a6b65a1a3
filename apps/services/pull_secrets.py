"""Each environment may pull its tenant's images from the platform's registry: with a robot's password that ends.

It is written before something is deployed there and renewed by the clock when half its life is over, always as the
environment's own account. Raises what the cluster's client raises.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.manifests.pull_secret import PULL_SECRET, lasts_until, pull_secret
from apps.services import registry_places, registry_tokens
from clusters import access
from clusters.errors import ClusterError, ResourceNotFound
from clusters.models import Environment

LASTS = timedelta(days=30)
_log = logging.getLogger(__name__)


def ensure_pull_secret(*, environment: Environment, now: datetime | None = None) -> bool:
    """See that the environment's Secret is there and lasts; answers whether it was written now."""
    if not registry_places.addresses():
        return False
    now = now or timezone.now()
    client = access.kubernetes_for(environment)
    path = f"/api/v1/namespaces/{environment.namespace}/secrets/{PULL_SECRET}"
    try:
        ends_at = lasts_until(client.get(path), settings.REGISTRY_HOST)
    except ResourceNotFound:
        ends_at = None
    if ends_at is not None and ends_at - now > LASTS / 2:
        return False
    ends_at = now + LASTS
    name, password = registry_tokens.robot_password(environment, ends_at=ends_at, now=now)
    client.apply(pull_secret(environment.namespace, settings.REGISTRY_HOST, name, password, ends_at))
    return True


def renew_pull_secrets(now: datetime) -> int:
    """By the clock: those of every environment in which something may be changed; answers how many were written."""
    states = (Environment.State.READY, Environment.State.DRIFTED)
    written = 0
    for environment in Environment.objects.filter(state__in=states).select_related("cluster"):
        try:
            written += ensure_pull_secret(environment=environment, now=now)
        except ClusterError as error:
            _log.warning("the pull secret of %s waits: %s", environment.namespace, error)
    return written
