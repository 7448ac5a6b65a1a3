"""An API server that gives one answer, and the adapter that asks it."""

import json

from clusters.adapters import kubernetes
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.hostile_api import HostileServer
from tests.clusters.kube_certificates import authority, client


def status(code, reason="", message="", **details):
    return json.dumps(
        {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    ).encode()


def answering(code, body=b"{}", **headers):
    return HostileServer(lambda handler: handler.reply(code, body, **headers))


def client_at(*urls, timeout=5.0):
    sign_in = kubernetes.SignIn(authority().certificate, client().certificate, client().key)
    return kubernetes.KubernetesClient(urls, sign_in, AddressRule(allow_internal=True), timeout=timeout)
