"""Secrets are planted wherever the portal keeps some; then everything is run, opened, refused and broken. Afterwards no
page, API answer, download, log line, audit row, operation or error page holds one, in any of the usual spellings."""

import base64
import datetime
import json
import logging
from urllib.parse import quote

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as product_settings
from django.contrib import admin
from django.core import serializers
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from clusters.models import Cluster, Environment, FencingMethod, Host, Node, Region
from clusters.services import cluster_secrets, credentials, host_facts
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations.models import LogLine, Operation, Step, StepTarget
from kcloud_site.tenants import encryption
from kcloud_site.tenants.models import User
from kcloud_site.tenants.services import members, tenants, tokens
from kcloud_site.webhooks.services.webhooks import create_webhook
from tests.isolation.addresses import walk
from tests.isolation.things import OWN

pytestmark = pytest.mark.django_db

PASSWORD = "planted-host-password-5a1e"
PERSONAL = "planted-personal-password-77"
TOKEN = "planted-kubeconfig-token-90c4"
POWER = "planted-power-password-5c0e"
ENVIRONMENT = "planted-environment-token-31bd"
CLUSTER_KEY = "planted-cluster-key-e2f0"
TOTP = "PLANTEDTOTPSECRET234567"
TYPED = "planted-typed-into-a-form-1f"
KUBECONFIG = f"""apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:1", certificate-authority-data: ""}}}}]
users: [{{name: u, user: {{token: {TOKEN}}}}}]
"""


def private_key():
    """The text of a new key, and the part of it that tells it from others."""
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return key.decode(), key.decode().splitlines()[3]


@pytest.fixture
def planted(operator, tenant):
    """One of everything, all called "planted", with secrets inside. Answers the secrets and what addresses need."""
    pem, telling = private_key()
    credentials.create_credential(name="planted", kind="ssh-key", username="root", secret=pem, by=operator)
    by_password = credentials.create_credential(
        name="by-password", kind="password", username="root", secret=PASSWORD, by=operator
    )
    region = Region.objects.create(name="planted")
    cluster = Cluster.objects.create(
        name="planted", region=region, state="ready", origin="imported", endpoints=["https://127.0.0.1:1"]
    )
    cluster_secrets.put_all(
        cluster, {"admin.kubeconfig": KUBECONFIG.encode(), "ca.key": CLUSTER_KEY.encode()}
    )
    Node.objects.create(cluster=cluster, name="planted", uid="1", seen_at=timezone.now())
    Host.objects.create(
        name="planted",
        region=region,
        address="127.0.0.1",
        ssh_port=1,
        credential=by_password,
        host_key="ssh-ed25519 AAAA",
    )
    power = FencingMethod(host=Host.objects.get(name="planted"), program="/usr/bin/ipmitool")
    power.sealed_secret = encryption.seal(POWER.encode(), identity="clusters.FencingMethod:host planted")
    power.save()
    theirs = tenants.create_tenant(name="planted", title="Planted", by=operator)
    environment = Environment.objects.create(
        tenant=theirs, cluster=cluster, name="planted", namespace="planted-planted", state="ready"
    )
    environment.sealed_token = encryption.seal(
        ENVIRONMENT.encode(), identity=f"clusters.Environment:{environment.pk}:token"
    )
    environment.save()
    person = User.objects.create_user("planted", "planted@example.com", PERSONAL)
    members.add_member(tenant=theirs, user=person, role="owner", by=operator)
    Authenticator.objects.create(user=operator, type="totp", data={"secret": get_adapter().encrypt(TOTP)})
    _hook, signing = create_webhook(
        tenant=theirs,
        name="planted",
        url="https://planted.example.com/",
        events=["environment."],
        by=operator,
    )
    ends = timezone.now() + datetime.timedelta(days=1)
    _token, bearer = tokens.create_token(
        user=operator, name="planted", tenant=None, role="platform_operator", expires_at=ends, by=operator
    )
    keys = [base64.b64encode(key).decode() for key in encryption.keyring().keys]
    return {
        "secrets": [
            telling,
            PASSWORD,
            PERSONAL,
            TOKEN,
            ENVIRONMENT,
            POWER,
            CLUSTER_KEY,
            TOTP,
            TYPED,
            signing,
            bearer,
            *keys,
            product_settings.SECRET_KEY,
            operator.password,
            person.password,
        ],
        "parameters": {
            **OWN,
            **dict.fromkeys(("name", "node", "tenant", "username"), "planted"),
            "label": "clusters.cluster",
            "identity": cluster.pk,
        },
    }


def spellings(secret):
    """The secret as it may stand in a page, an address, JSON, or packed."""
    plain = secret.encode()
    packed = base64.b64encode(plain).decode().rstrip("=")
    # The last letters of base64 depend on what follows.
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], packed[:-2], plain.hex()}


class Everything:
    """What came out of the portal, by where."""

    def __init__(self):
        self.texts, self.opened = {}, []

    def take(self, where, response):
        body = b"".join(response.streaming_content) if response.streaming else response.content
        head = "".join(f"{key}: {value}\n" for key, value in response.headers.items())
        self.texts[where] = head + body.decode("utf-8", "replace")
        if response.status_code == 200:
            self.opened.append(where)

    def leaks(self, secrets):
        return sorted(
            (where, secret[:24])
            for where, text in self.texts.items()
            for secret in secrets
            if any(spelling in text for spelling in spellings(secret))
        )


def open_everything(client, out, parameters, pk):
    """Every address of the console and the API."""
    for address in sorted(walk(), key=lambda each: each.name):
        if address.area == "admin" or "logout" in address.name or address.name.startswith("end_"):
            continue
        try:
            known = {**parameters, "pk": pk}
            path = reverse(address.name, kwargs={name: known[name] for name in address.parameters})
        except (KeyError, NoReverseMatch):
            continue
        out.take(f"GET {path}", client.get(path))


def open_the_admin(client, out):
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        out.take(name, client.get(reverse(f"{name}_changelist")))
        for row in model._default_manager.all()[:3]:
            out.take(f"{name} {row.pk}", client.get(reverse(f"{name}_change", args=[row.pk])))


def be_refused(client, out):
    """Forms that answer with what was typed, where secrets were typed."""
    typed = {
        "name": "Not A Name",
        "kind": "password",
        "username": "root",
        "password": TYPED,
        "private_key": TYPED,
    }
    out.take("credential refused", client.post("/credentials/new/", typed))
    out.take("key refused", client.post("/credentials/planted/", {**typed, "kind": "ssh-key"}))
    refused = KUBECONFIG.replace("token:", "exec: {command: x}, token:")
    out.take("kubeconfig refused", client.post("/clusters/import/", {"name": "x", "kubeconfig": refused}))
    out.take(
        "kubeconfig unreachable", client.post("/clusters/import/", {"name": "x", "kubeconfig": KUBECONFIG})
    )
    data = {"old_password": TYPED, "new_password1": TYPED, "new_password2": PERSONAL}
    out.take("password refused", client.post("/preferences/password/", data))


def take_rows(out):
    """What was written down on the way."""
    for model in (AuditEvent, Operation, Step, StepTarget, LogLine):
        out.texts[model.__name__] = serializers.serialize("json", model.objects.all())


def test_no_secret_comes_out_of_a_full_run(client, operator, planted, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    out = Everything()
    out.take("wrong password", client.post("/sign-in/", {"username": "operator", "password": TYPED}))
    client.force_login(operator)
    operation = host_facts.start_gathering(host=Host.objects.get(), by=operator)
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "failed"  # nobody listens there: the reason is written down and shown
    be_refused(client, out)
    open_everything(client, out, planted["parameters"], operation.pk)
    open_the_admin(client, out)
    out.take("export", client.post("/audit/export/"))
    # The portal itself breaks, with secrets in the hands of the function that breaks.
    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("clusters.services.credentials.create_credential", _break)
        typed = {"name": "fine", "kind": "password", "username": "root", "password": TYPED}
        broken = client.post("/credentials/new/", typed)
        assert broken.status_code == 500
        out.take("error page", broken)
    take_rows(out)
    out.texts["logs"] = caplog.text
    assert out.leaks(planted["secrets"]) == []
    assert len(out.opened) > 60
    assert {"GET /credentials/planted/", "GET /hosts/planted/", "GET /clusters/planted/"} <= set(out.opened)
    assert "RuntimeError" in out.texts["logs"]


def _break(**given):
    held = given["secret"]
    raise RuntimeError(f"the store is full, {len(held)} letters")


@pytest.mark.parametrize(
    "spell", [str, lambda s: quote(s, safe=""), lambda s: base64.b64encode(s.encode()).decode()]
)
def test_the_search_finds_what_leaks(spell):
    out = Everything()
    out.texts["page"] = f"<p>{spell('a secret/with, signs')}</p>"
    assert out.leaks(["a secret/with, signs", "another"]) == [("page", "a secret/with, signs")]
