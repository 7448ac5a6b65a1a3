"""How tenants sign in at other registries: what is taken, who is told, and that nothing comes out again."""

import base64
import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from apps import jobs
from apps.access import open_password
from apps.errors import ValueRefused
from apps.manifests.pull_secret import PULL_SECRET
from apps.models import RegistryCredential
from apps.selectors.registry_credentials import login_of
from apps.services import pull_secrets
from apps.services import registry_credentials as services
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.services import tenants
from tests.clusters.carving import carve
from tests.clusters.environments import fake_cluster, give_quota

pytestmark = pytest.mark.django_db
PASSWORD = "a-token-nobody-sees"


def authority(name="Harbor CA", days=30):
    """A certificate authority as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def owner(tenant, join):
    return join(tenant, "owner")


@pytest.fixture
def kept(tenant, owner):
    return services.add_credential(
        tenant=tenant, host="ghcr.io", username="robot", password=PASSWORD, by=owner
    )


def test_a_password_is_sealed_and_opens_for_its_own_row_only(kept, tenant):
    row = RegistryCredential.objects.get()
    assert PASSWORD.encode() not in bytes(row.sealed)
    assert open_password(row) == PASSWORD
    assert login_of(tenant, "ghcr.io").password == PASSWORD
    assert login_of(tenant, "quay.io").username == ""


def test_a_neighbour_signs_in_as_nobody(kept):
    neighbour = tenants.create_tenant(name="retail-b", title="B", by=None)
    assert login_of(neighbour, "ghcr.io").username == ""


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("GHCR.io", "ghcr.io"),
        ("https://harbor.example.com:8443/", "harbor.example.com:8443"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("10.0.0.8:5000", "10.0.0.8:5000"),
    ],
)
def test_a_registry_is_kept_as_images_name_it(tenant, owner, given, host):
    made = services.add_credential(tenant=tenant, host=given, username="a", password="b", by=owner)
    assert made.host == host


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"host": "ghcr"}, "host"),
        ({"host": "ghcr.io/retail"}, "host"),
        ({"host": ""}, "host"),
        ({"host": "kcloud.local"}, "host"),
        ({"host": "registry.kcloud.local:5000"}, "host"),
        ({"username": "a:b"}, "username"),
        ({"username": ""}, "username"),
        ({"password": ""}, "password"),
        ({"password": "a\nb"}, "password"),
        ({"username": "", "password": ""}, "username"),
        ({"authority": "not one"}, "authority"),
        ({"authority": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "authority"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(tenant, owner, changed, field):
    given = {"host": "ghcr.io", "username": "robot", "password": PASSWORD, **changed}
    with pytest.raises(ValueRefused) as refused:
        services.add_credential(tenant=tenant, by=owner, **given)
    assert refused.value.field == field
    assert not RegistryCredential.objects.exists()


def test_one_registry_has_one(tenant, owner, kept):
    with pytest.raises(ValueRefused) as refused:
        services.add_credential(tenant=tenant, host="ghcr.io", username="b", password="c", by=owner)
    assert refused.value.field == "host"


def test_an_authority_alone_is_enough_and_text_around_it_stays_behind(tenant, owner):
    pem = authority()
    made = services.add_credential(tenant=tenant, host="harbor.example", authority=f"# ours\n{pem}", by=owner)
    assert made.authority == pem
    assert login_of(tenant, "harbor.example").authority == pem.encode()


def test_replacing_keeps_the_password_of_the_same_name_only(kept, owner):
    services.replace_credential(credential=kept, username="robot", authority=authority(), by=owner)
    assert open_password(RegistryCredential.objects.get()) == PASSWORD
    with pytest.raises(ValueRefused) as refused:
        services.replace_credential(credential=kept, username="other", by=owner)
    assert refused.value.field == "password"
    services.replace_credential(credential=kept, username="robot", password="new", by=owner)
    assert open_password(RegistryCredential.objects.get()) == "new"


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_who_may_not_is_refused(tenant, kept, join, role):
    person = join(tenant, role)
    with pytest.raises(PermissionDenied):
        services.add_credential(tenant=tenant, host="quay.io", username="a", password="b", by=person)
    with pytest.raises(PermissionDenied):
        services.replace_credential(credential=kept, username="a", password="b", by=person)
    with pytest.raises(PermissionDenied):
        services.remove_credential(credential=kept, by=person)


def test_the_trail_tells_of_each_change_and_of_no_password(kept, owner):
    services.replace_credential(credential=kept, username="robot", password="second-one", by=owner)
    services.remove_credential(credential=kept, by=owner)
    rows = list(AuditEvent.objects.filter(action__startswith="registry_credential.").order_by("pk"))
    assert [row.action.partition(".")[2] for row in rows] == ["add", "replace", "remove"]
    told = json.dumps([[row.before, row.after] for row in rows])
    assert "ghcr.io" in told
    assert PASSWORD not in told
    assert "second-one" not in told


# ---- environments


@pytest.fixture
def cluster(monkeypatch):
    return fake_cluster(monkeypatch)[1]


def _auths(cluster, environment):
    secret = cluster.objects[f"/api/v1/namespaces/{environment.namespace}/secrets/{PULL_SECRET}"]
    return json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]


def test_environments_pull_with_it_and_no_longer_once_it_is_removed(tenant, kept, owner, cluster, settings):
    give_quota(tenant)
    environment = carve(tenant)
    services.add_credential(tenant=tenant, host="docker.io", username="hub", password="h", by=owner)
    assert pull_secrets.ensure_pull_secret(environment=environment)
    found = _auths(cluster, environment)
    assert set(found) == {settings.REGISTRY_HOST, "ghcr.io", "https://index.docker.io/v1/"}
    assert base64.b64decode(found["ghcr.io"]["auth"]).decode() == f"robot:{PASSWORD}"
    assert not pull_secrets.ensure_pull_secret(environment=environment)
    services.replace_credential(credential=kept, username="robot", password="second", by=owner)
    assert pull_secrets.ensure_pull_secret(environment=environment)
    assert _auths(cluster, environment)["ghcr.io"]["password"] == "second"
    services.remove_credential(credential=kept, by=owner)
    assert pull_secrets.ensure_pull_secret(environment=environment)
    assert "ghcr.io" not in _auths(cluster, environment)


def test_without_a_registry_of_its_own_the_portal_writes_what_tenants_keep(
    tenant, kept, owner, cluster, settings
):
    settings.REGISTRY_ADDRESSES = []
    give_quota(tenant)
    environment = carve(tenant)
    assert pull_secrets.ensure_pull_secret(environment=environment)
    assert set(_auths(cluster, environment)) == {"ghcr.io"}
    services.remove_credential(credential=kept, by=owner)
    assert pull_secrets.ensure_pull_secret(environment=environment)
    assert _auths(cluster, environment) == {}


def test_a_change_has_a_worker_write_the_secrets_of_that_tenant(
    tenant, owner, cluster, monkeypatch, django_capture_on_commit_callbacks
):
    asked = []
    monkeypatch.setattr(
        services.queue, "wake_job", lambda name, job, arguments: asked.append((job, arguments))
    )
    give_quota(tenant)
    environment = carve(tenant)
    with django_capture_on_commit_callbacks(execute=True):
        services.add_credential(tenant=tenant, host="ghcr.io", username="a", password="b", by=owner)
    assert asked == [("apps.jobs.renew_pull_secrets", {"tenant": tenant.pk})]
    jobs.renew_pull_secrets(tenant=tenant.pk + 1)
    assert cluster.objects == {}
    jobs.renew_pull_secrets(**asked[0][1])
    assert "ghcr.io" in _auths(cluster, environment)
