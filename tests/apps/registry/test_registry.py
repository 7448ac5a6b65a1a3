"""The platform's registry, the real program: signing in, pushing, pulling and deleting follow the tenant's rights."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.adapters.registry import Credential, Registry
from apps.errors import ImageForbidden, ImageNameRefused, ImageNotFound, RegistryUnreachable
from apps.services import images, registry_keys, registry_tokens
from apps.specs.images import parse_reference
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.models import ApiToken, FailedSignIn
from tests.apps.registry.clients import pull, push, site, token_of

pytestmark = pytest.mark.django_db(transaction=True)


def ask(host, path, name="", secret=""):
    """One plain request over TLS: status, headers, and the JSON."""
    authority = registry_keys.authority_certificate(timezone.now()).decode()
    request = urllib.request.Request(f"https://{host}{path}")
    if name:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode())
    context = ssl.create_default_context(cadata=authority)
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)


def test_a_developer_logs_in_pushes_and_pulls_and_the_digest_is_the_files(registry, tenant, join, tmp_path):
    developer = join(tenant, "developer")
    secret = token_of(developer)
    status, _headers, answer = ask(
        registry, "/registry/token?service=kcloud-registry", developer.username, secret
    )
    assert status == 200
    assert answer["token"] == answer["access_token"]

    digest = push(tmp_path, f"{registry}/retail/shop:1", developer, secret)
    found = pull(f"{registry}/retail/shop:1", developer, secret)

    assert found.entrypoint == ("/shop",)
    assert (found.user, found.ports) == ("10001:10001", ("8080/tcp",))
    reference, resolved = images.resolve_image(f"{registry}/retail/shop:1", tenant=tenant, by=developer)
    assert (reference, resolved) == (f"{registry}/retail/shop@{digest}", digest)


def test_who_is_told_to_fetch_a_token_goes_to_the_address_it_came_by(registry):
    status, headers, _answer = ask(registry, "/v2/")
    assert status == 401
    assert headers["WWW-Authenticate"].startswith(f'Bearer realm="https://{registry}/registry/token"')


def test_without_a_sign_in_there_is_no_token_and_no_image(registry, tenant, join, tmp_path):
    developer = join(tenant, "developer")
    push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    status, headers, _answer = ask(registry, "/registry/token?service=kcloud-registry")
    assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic")
    with pytest.raises(ImageForbidden):
        pull(f"{registry}/retail/shop:1")


def test_a_viewer_pulls_and_does_not_push(registry, tenant, join, tmp_path):
    developer, viewer = join(tenant, "developer"), join(tenant, "viewer")
    push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    secret = token_of(viewer)
    assert pull(f"{registry}/retail/shop:1", viewer, secret).entrypoint == ("/shop",)
    with pytest.raises(ImageForbidden):
        push(tmp_path, f"{registry}/retail/shop:2", viewer, secret, content=b"other")


def test_a_token_capped_by_a_role_or_bound_to_another_tenant_gives_no_more(
    registry, tenant, other_tenant, join, tmp_path
):
    owner = join(tenant, "owner")
    capped = token_of(owner, tenant, "viewer", "capped")
    with pytest.raises(ImageForbidden):
        push(tmp_path, f"{registry}/retail/shop:1", owner, capped)
    bound = token_of(owner, other_tenant, "owner", "bound")
    with pytest.raises(ImageForbidden):
        pull(f"{registry}/retail/shop:1", owner, bound)


def test_another_tenants_members_neither_pull_nor_push(registry, tenant, other_tenant, join, tmp_path):
    developer, stranger = join(tenant, "developer"), join(other_tenant, "owner")
    push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    secret = token_of(stranger)
    with pytest.raises(ImageForbidden):
        pull(f"{registry}/retail/shop:1", stranger, secret)
    with pytest.raises(ImageForbidden):
        push(tmp_path, f"{registry}/retail/shop:1", stranger, secret, content=b"planted")
    with pytest.raises(ImageForbidden) as told:
        images.resolve_image(f"{registry}/retail/shop:1", tenant=other_tenant, by=stranger)
    assert f"{registry}/logistics/shop" in told.value.remedy


def test_an_ended_and_a_revoked_token_are_refused(registry, tenant, join, tmp_path):
    developer = join(tenant, "developer")
    secret = token_of(developer)
    push(tmp_path, f"{registry}/retail/shop:1", developer, secret)
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ImageForbidden):
        pull(f"{registry}/retail/shop:1", developer, secret)
    ApiToken.objects.all().delete()
    with pytest.raises(ImageForbidden):
        pull(f"{registry}/retail/shop:1", developer, secret)


def test_a_registry_token_ends_by_itself_and_a_forged_one_opens_nothing(registry, tenant, join, tmp_path):
    developer = join(tenant, "developer")
    push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    reference = parse_reference(f"{registry}/retail/shop:1")
    own = images.own_site()
    long_ago = timezone.now() - timedelta(minutes=30)
    for signer in (
        lambda scopes: registry_tokens.portal_token(scopes, long_ago),
        lambda scopes: registry_tokens.portal_token(scopes, timezone.now())[:-8] + "AAAAAAAA",
    ):
        forged = type(own)(own.name, own.address, own.authority, own.rule, signer=signer)
        with pytest.raises(ImageForbidden):
            Registry(forged).resolve(reference)


def test_what_is_deleted_is_gone_and_the_name_is_told_as_not_found(registry, tenant, join, tmp_path):
    developer = join(tenant, "developer")
    secret = token_of(developer)
    digest = push(tmp_path, f"{registry}/retail/shop:1", developer, secret)
    Registry(site(registry, developer, secret)).delete("retail/shop", digest)
    with pytest.raises(ImageNotFound):
        images.resolve_image(f"{registry}/retail/shop:1", tenant=tenant, by=developer)
    assert Registry(images.own_site()).tags("retail/shop") == []


def test_a_password_opens_it_until_a_second_factor_is_on(registry, tenant, join):
    from allauth.mfa.models import Authenticator

    viewer = join(tenant, "viewer")
    viewer.set_password("a-long-password")
    viewer.save()
    path = "/registry/token?service=kcloud-registry"
    assert ask(registry, path, viewer.username, "a-long-password")[0] == 200
    Authenticator.objects.create(user=viewer, type=Authenticator.Type.TOTP, data={"secret": "x"})
    status, _headers, answer = ask(registry, path, viewer.username, "a-long-password")
    assert status == 401
    assert "second factor" in answer["errors"][0]["message"]


def test_guessing_passwords_is_slowed_down_by_the_clients_own_address(registry, tenant, join):
    viewer = join(tenant, "viewer")
    path = "/registry/token?service=kcloud-registry"
    found = [ask(registry, path, viewer.username, "a-wrong-one")[0] for _try in range(6)]
    assert found == [401] * 5 + [429]
    assert set(FailedSignIn.objects.values_list("address", flat=True)) == {"127.0.0.1"}


def test_tokens_that_let_somebody_push_are_in_the_audit_trail(registry, tenant, join, tmp_path):
    developer = join(tenant, "developer")
    push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    event = AuditEvent.objects.filter(action="image.push_token").first()
    assert (event.actor, event.object_name, event.tenant_id) == (
        developer.username,
        "retail/shop",
        tenant.pk,
    )


def test_an_environments_robot_pulls_its_tenants_images_only_and_only_until_its_end(
    registry, tenant, other_tenant, join, tmp_path, environment_of
):
    developer, stranger = join(tenant, "developer"), join(other_tenant, "developer")
    push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    push(tmp_path, f"{registry}/logistics/shop:1", stranger, token_of(stranger))
    environment = environment_of(tenant)
    now = timezone.now()
    name, password = registry_tokens.robot_password(environment, ends_at=now + timedelta(days=1), now=now)
    robot = site(registry)
    robot = type(robot)(
        registry, authority=robot.authority, rule=robot.rule, credential=Credential(name, password)
    )
    assert Registry(robot).resolve(parse_reference(f"{registry}/retail/shop:1"))
    with pytest.raises(ImageForbidden):
        Registry(robot).resolve(parse_reference(f"{registry}/logistics/shop:1"))
    status, *_rest = ask(registry, "/registry/token", name, password[:-8] + "AAAAAAAA")
    assert status == 401
    ended = registry_tokens.robot_password(environment, ends_at=now - timedelta(seconds=1), now=now)
    assert ask(registry, "/registry/token", *ended)[0] == 401
    environment.delete()
    assert ask(registry, "/registry/token", name, password)[0] == 401


def test_names_that_are_none_and_registries_that_are_none_are_told_apart(tenant, join, settings):
    viewer = join(tenant, "viewer")
    settings.REGISTRIES_INTERNAL = True
    with pytest.raises(ImageNameRefused):
        images.resolve_image("Shop:1", tenant=tenant, by=viewer)
    with pytest.raises(RegistryUnreachable):
        images.resolve_image("127.0.0.1:1/shop:1", tenant=tenant, by=viewer)
    settings.REGISTRIES_INTERNAL = False
    with pytest.raises(ImageForbidden):
        images.resolve_image("127.0.0.1:1/shop:1", tenant=tenant, by=viewer)


def test_images_of_the_bundle_are_asked_for_nowhere(tenant, join):
    viewer = join(tenant, "viewer")
    found = images.resolve_image("kcloud.local/hello:1", tenant=tenant, by=viewer)
    assert found == ("kcloud.local/hello:1", "")
