"""The token of an environment's account: asked for, kept sealed, and asked for anew long before it ends.

The server signs it for WANTED (or less, if it is set so), and it dies with the account; nothing that lasts for ever is
kept (docs/decisions). Raises what the adapter raises.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters import access
from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterRefused
from clusters.manifests.environment import ACCOUNT
from clusters.models import Environment
from clusters.observing.nodes import moment
from clusters.selectors.environments import subject_of
from kcloud_site.audit import trail
from kcloud_site.tenants import encryption

WANTED = timedelta(days=7)


def renew_token(environment: Environment, client: KubernetesClient) -> None:
    """A new token from the cluster (`client` is the cluster's own), instead of the one that is kept."""
    path = f"/api/v1/namespaces/{environment.namespace}/serviceaccounts/{ACCOUNT}/token"
    wanted = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": int(WANTED.total_seconds())},
    }
    status = client.create(path, wanted).get("status") or {}
    token, ends_at = str(status.get("token") or ""), moment(str(status.get("expirationTimestamp", "")))
    if not token or ends_at is None:
        raise ClusterRefused(
            _("The cluster gave no token for the account of %(name)s.") % {"name": environment.namespace},
            "",
            _("Look at the API server's log, then resume."),
        )
    sealed = encryption.seal(token.encode(), identity=access.token_identity(environment))
    with transaction.atomic():
        Environment.objects.filter(pk=environment.pk).update(sealed_token=sealed, token_ends_at=ends_at)
        after = {"ends_at": ends_at.isoformat(timespec="minutes")}
        trail.record(by=None, action="environment.token", subject=subject_of(environment), after=after)
    environment.sealed_token, environment.token_ends_at = sealed, ends_at


def is_due(environment: Environment, now: datetime | None = None) -> bool:
    """Whether more than half of the token's life is over, or there is none."""
    ends_at = environment.token_ends_at
    return ends_at is None or ends_at - (now or timezone.now()) < WANTED / 2
