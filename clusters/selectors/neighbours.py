"""What else can break a thing: whose changes the audit panel of a page shows beside the thing's own.

Registered by clusters.apps; nearest first, for the panel looks at a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from clusters.models import Cluster, Credential, Host, Region
from kcloud_site.audit.trail import Subject


def of_cluster(cluster: Cluster) -> Iterable[Subject]:
    """Its region, the credentials its hosts are reached with, its hosts."""
    if cluster.region_id:
        yield _subject(Region, cluster.region_id)
    hosts = list(Host.objects.filter(cluster=cluster).values_list("pk", "credential_id"))
    for credential_id in sorted({credential_id for _pk, credential_id in hosts}):
        yield _subject(Credential, credential_id)
    for pk, _credential_id in hosts:
        yield _subject(Host, pk)


def of_host(host: Host) -> Iterable[Subject]:
    """Its credential and its cluster."""
    yield _subject(Credential, host.credential_id)
    if host.cluster_id:
        yield _subject(Cluster, host.cluster_id)


def _subject(model: type[Region] | type[Credential] | type[Host] | type[Cluster], pk: int) -> Subject:
    return Subject(model._meta.label_lower, str(pk), "")
