"""The master key exchanged: every sealed row of every app, killed anywhere, while others seal; the old key refused."""

import base64
import os
import re
import signal
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as product_settings
from django.core.management import CommandError, call_command
from django.db import models

from kcloud_site import keyfiles
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants import encryption, sealed_columns
from kcloud_site.tenants.encryption import Keyring, SecretUnreadable
from kcloud_site.tenants.services import master_keys
from tests.operations import processes

ROW = "clusters.Credential:lab:secret"


@pytest.fixture
def key_file(settings, tmp_path):
    """A master key in a file of its own, as the portal keeps it without KCLOUD_MASTER_KEY."""
    settings.MASTER_KEY = ""
    settings.MASTER_KEY_FILE = tmp_path / "master.key"
    keyfiles.read_or_make_key(settings.MASTER_KEY_FILE)
    return settings.MASTER_KEY_FILE


# How many rows the fixture below seals.
ROWS = 14


@pytest.fixture
def rows(db, key_file, operator, tenant):
    """Something in every sealed column, by its column's name: the row and its secret."""
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.models import Authenticator

    from apps.access import seal_password, seal_secrets
    from apps.models import App, ConfigRevision, RegistryCredential, RegistrySecret
    from clusters.models import Cluster, ClusterSecret, Credential, Environment, FencingMethod, Region
    from clusters.services import cluster_secrets, credentials
    from kcloud_site.webhooks.services import webhooks

    for n in range(3):
        credentials.create_credential(
            name=f"c{n}", kind="password", username="root", secret=f"pass-{n}", by=operator
        )
    cluster = Cluster.objects.create(name="east")
    cluster_secrets.put_all(cluster, {f"{n}.key": f"key-{n}".encode() for n in range(3)})
    environment = Environment.objects.create(
        tenant=tenant, cluster=cluster, name="dev", namespace="retail-dev"
    )
    environment.sealed_token = encryption.seal(
        b"token", identity=f"clusters.Environment:{environment.pk}:token"
    )
    environment.save()
    power = FencingMethod(region=Region.objects.create(name="north"), program="/usr/bin/ipmitool")
    power.sealed_secret = encryption.seal(b"bmc", identity="clusters.FencingMethod:region north")
    power.save()
    app = Authenticator.objects.create(
        user=operator, type="totp", data={"secret": get_adapter().encrypt("TOTP")}
    )
    codes = Authenticator.objects.create(
        user=operator, type="recovery_codes", data={"seed": get_adapter().encrypt("SEED"), "used_mask": 5}
    )
    hook, secret = webhooks.create_webhook(
        tenant=tenant, name="ci", url="https://ci.example.com/", events=["x"], by=operator
    )
    document = RegistrySecret(name="identity")
    document.sealed = encryption.seal(b"{}", identity=document.identity)
    document.save()
    pulling = RegistryCredential.objects.create(tenant=tenant, host="registry.example.com", username="ci")
    seal_password(pulling, "pull")
    revision = ConfigRevision.objects.create(
        tenant=tenant,
        app=App.objects.create(tenant=tenant, name="web"),
        environment=environment,
        number=1,
    )
    seal_secrets(revision, {"PASSWORD": "config"})
    return {
        "apps.ConfigRevision.sealed": [(revision, b'{"PASSWORD": "config"}')],
        "apps.RegistryCredential.sealed": [(pulling, b"pull")],
        "apps.RegistrySecret.sealed": [(document, b"{}")],
        "clusters.Credential.sealed_secret": [
            (row, b"pass-%d" % n) for n, row in enumerate(Credential.objects.order_by("pk"))
        ],
        "clusters.ClusterSecret.sealed": [
            (row, b"key-%d" % n) for n, row in enumerate(ClusterSecret.objects.order_by("pk"))
        ],
        "clusters.Environment.sealed_token": [(environment, b"token")],
        "clusters.FencingMethod.sealed_secret": [(power, b"bmc")],
        "mfa.Authenticator.data.secret": [(app, b"TOTP")],
        "mfa.Authenticator.data.seed": [(codes, b"SEED")],
        "webhooks.Webhook.sealed_secret": [(hook, secret.encode())],
    }


def opened(column, row):
    row = column.rows().get(pk=row.pk)
    return encryption.unseal(column.sealed(row), identity=column.identity(row))


def assert_all_open(rows):
    for column in sealed_columns.known():
        for row, secret in rows.get(column.name, ()):
            assert opened(column, row) == secret, column.name


# ---- nothing is forgotten ------------------------------------------------------------------------------------------


def test_every_sealed_column_of_every_model_is_known():
    binary = {
        f"{model._meta.app_label}.{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.BinaryField) and field.name.startswith("sealed")
    }
    assert binary <= {column.name for column in sealed_columns.known()}, "tell of it: sealed_columns.know"


def test_every_module_that_seals_belongs_to_an_app_that_tells_of_its_columns():
    root = Path(product_settings.BASE_DIR)
    sources = [
        path
        for name in ("kcloud_site", "clusters", "apps", "scaling", "stacks")
        for path in (root / name).rglob("*.py")
    ]
    sealing = {
        path.relative_to(root).parts[:2]
        if path.is_relative_to(root / "kcloud_site")
        else path.relative_to(root).parts[:1]
        for path in sources
        if re.search(r"(encryption\.seal|[^.\w]seal)\(", path.read_text())
        and path.name not in ("encryption.py", "chain.py")
    }
    telling = {
        path.relative_to(root).parts[:2]
        if path.is_relative_to(root / "kcloud_site")
        else path.relative_to(root).parts[:1]
        for path in sources
        if re.search(r"know\(\s*SealedColumn\(", path.read_text())
    }
    assert sealing <= telling
    assert len(sealing) >= 2


def test_a_row_stands_in_every_known_column(rows):
    """What the tests below try is everything there is."""
    assert set(rows) == {column.name for column in sealed_columns.known()}


# ---- the exchange --------------------------------------------------------------------------------------------------


def test_every_row_opens_afterwards_and_the_old_key_is_refused(rows, key_file):
    old = Keyring(tuple(base64.b64decode(key) for key in keyfiles.read_keys(key_file)))
    by_old = old.seal(b"x", identity=ROW)
    assert master_keys.exchange_master_key(by=None) == ROWS
    assert_all_open(rows)
    [new] = keyfiles.read_keys(key_file)
    assert base64.b64decode(new) not in old.keys
    assert oct(key_file.stat().st_mode & 0o777) == "0o600"
    with pytest.raises(SecretUnreadable, match="another master key"):
        encryption.unseal(by_old, identity=ROW)
    for column in sealed_columns.known():
        for row, _secret in rows.get(column.name, ()):
            with pytest.raises(SecretUnreadable):
                old.unseal(column.sealed(column.rows().get(pk=row.pk)), identity=column.identity(row))


def test_what_stands_beside_a_secret_in_the_row_is_kept(rows):
    [(codes, _secret)] = rows["mfa.Authenticator.data.seed"]
    master_keys.exchange_master_key(by=None)
    codes.refresh_from_db()
    assert codes.data["used_mask"] == 5


@pytest.mark.parametrize("killed_after", range(ROWS))
def test_killed_in_the_middle_it_goes_on_and_meanwhile_everything_opens(
    rows, key_file, monkeypatch, killed_after
):
    class Killed(BaseException):
        """Nothing may catch it, as nothing catches SIGKILL."""

    replace, left = sealed_columns.SealedColumn.replace, [killed_after]

    def until_killed(column, row, sealed):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return replace(column, row, sealed)

    old = keyfiles.read_keys(key_file)
    with monkeypatch.context() as patch:
        patch.setattr(sealed_columns.SealedColumn, "replace", until_killed)
        patch.setattr(master_keys, "_end", lambda ring: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            master_keys.exchange_master_key(by=None)
    begun = keyfiles.read_keys(key_file)
    assert begun[1:] == old
    assert_all_open(rows)
    assert master_keys.exchange_master_key(by=None) == ROWS - killed_after
    assert_all_open(rows)
    assert keyfiles.read_keys(key_file) == begun[:1]


def test_an_exchange_whose_process_is_killed_is_gone_on_with(real_database, key_file, monkeypatch):
    """The real thing: SIGKILL to a process of its own, on a database of its own."""
    from clusters.models import Cluster
    from clusters.services import cluster_secrets

    cluster = Cluster.objects.create(name="east")
    cluster_secrets.put_all(cluster, {f"{n}.key": f"key-{n}".encode() for n in range(5)})
    replace, calls = sealed_columns.SealedColumn.replace, []

    def die_at_the_third(column, row, sealed):
        calls.append(row)
        if len(calls) == 3:
            processes.die()
        return replace(column, row, sealed)

    def exchange():
        monkeypatch.setattr(sealed_columns.SealedColumn, "replace", die_at_the_third)
        master_keys.exchange_master_key(by=None)

    assert processes.wait(processes.fork(exchange)) == -signal.SIGKILL
    assert len(keyfiles.read_keys(key_file)) == 2
    assert [count.current for count in master_keys.check_rows() if count.rows] == [2]
    assert master_keys.exchange_master_key(by=None) == 3
    assert len(keyfiles.read_keys(key_file)) == 1
    assert cluster_secrets.everything(cluster) == {f"{n}.key": f"key-{n}".encode() for n in range(5)}


def test_the_file_of_keys_is_replaced_at_one_stroke(key_file, monkeypatch):
    """A reader never finds half of it, whenever the writer dies."""

    def die(_draft, _target):
        raise KeyboardInterrupt

    before = keyfiles.read_keys(key_file)
    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        keyfiles.write_keys(key_file, [keyfiles.new_key()])
    assert keyfiles.read_keys(key_file) == before


def test_rows_changed_by_others_meanwhile_are_never_overwritten(rows, monkeypatch, operator):
    """The portal replaces a credential between our reading the row and our writing it."""
    from clusters.models import Credential
    from clusters.services import credentials

    seal_row, once = master_keys._seal_row, []

    def while_somebody_writes(column, row, ring):
        if column.model == "clusters.Credential" and not once:
            once.append(row)
            credentials.replace_secret(
                credential=Credential.objects.get(pk=row.pk), kind="password", secret="newest", by=operator
            )
        return seal_row(column, row, ring)

    monkeypatch.setattr(master_keys, "_seal_row", while_somebody_writes)
    master_keys.exchange_master_key(by=None)
    column = next(c for c in sealed_columns.known() if c.model == "clusters.Credential")
    assert opened(column, once[0]) == b"newest"
    assert all(count.rows == count.current for count in master_keys.check_rows())


def test_a_row_sealed_with_the_old_key_and_saved_late_is_sealed_anew(rows, monkeypatch):
    from clusters.models import Credential

    end = master_keys._end

    def while_somebody_saves(ring):
        end(ring)
        late = Keyring(ring.keys[1:]).seal(b"late", identity="clusters.Credential:late:secret")
        Credential.objects.create(name="late", username="root", sealed_secret=late)

    monkeypatch.setattr(master_keys, "_end", while_somebody_saves)
    master_keys.exchange_master_key(by=None)
    column = next(c for c in sealed_columns.known() if c.model == "clusters.Credential")
    assert opened(column, Credential.objects.get(name="late")) == b"late"


def test_a_portal_at_work_follows_the_exchange_at_once(rows, key_file):
    """No process keeps the key: it is looked up at each use."""
    before = encryption.seal(b"x", identity=ROW)
    keyfiles.write_keys(key_file, [keyfiles.new_key(), *keyfiles.read_keys(key_file)])
    assert encryption.unseal(before, identity=ROW) == b"x"
    assert not encryption.keyring().is_current(before)
    assert encryption.keyring().is_current(encryption.seal(b"x", identity=ROW))


def test_rows_of_earlier_portals_without_the_name_of_their_key_are_sealed_anew(key_file):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    [key], nonce = encryption.keyring().keys, os.urandom(12)
    early = b"\x01" + nonce + AESGCM(key).encrypt(nonce, b"secret", ROW.encode())
    assert encryption.unseal(early, identity=ROW) == b"secret"
    assert not encryption.keyring().is_current(early)


def test_the_name_of_the_key_cannot_be_changed_in_a_row(key_file):
    other = keyfiles.new_key()
    keyfiles.write_keys(key_file, [*keyfiles.read_keys(key_file), other])
    sealed = encryption.seal(b"secret", identity=ROW)
    forged = sealed[:1] + encryption.name_of(base64.b64decode(other)) + sealed[5:]
    with pytest.raises(SecretUnreadable):
        encryption.unseal(forged, identity=ROW)


def test_a_row_that_does_not_open_keeps_the_old_key_and_is_named(rows, key_file):
    from clusters.models import Credential

    Credential.objects.filter(name="c1").update(sealed_secret=b"\x02" + os.urandom(60))
    pk = Credential.objects.get(name="c1").pk
    with pytest.raises(master_keys.RowsUnreadable, match=f"clusters.Credential.sealed_secret {pk}"):
        master_keys.exchange_master_key(by=None)
    assert len(keyfiles.read_keys(key_file)) == 2
    assert not AuditEvent.objects.filter(action="master_key.exchange").exists()


def test_keys_of_the_environment_are_exchanged_once_both_are_set(rows, key_file, settings):
    [old] = keyfiles.read_keys(key_file)
    settings.MASTER_KEY = old
    with pytest.raises(master_keys.NoNewKey, match="KCLOUD_MASTER_KEY_OLD"):
        master_keys.exchange_master_key(by=None)
    settings.MASTER_KEY, settings.OLD_MASTER_KEYS = keyfiles.new_key(), [old]
    assert master_keys.exchange_master_key(by=None) == ROWS
    settings.OLD_MASTER_KEYS = []
    assert_all_open(rows)


def test_the_exchange_is_recorded_without_any_key(rows, key_file):
    [old] = keyfiles.read_keys(key_file)
    master_keys.exchange_master_key(by=None, reason="somebody left")
    event = AuditEvent.objects.get(action="master_key.exchange")
    assert (event.reason, event.after["rows sealed anew"]) == ("somebody left", ROWS)
    told = f"{event.before}{event.after}{event.object_name}{event.object_id}"
    assert old not in told
    assert keyfiles.read_keys(key_file)[0] not in told


# ---- the command ---------------------------------------------------------------------------------------------------


def test_the_command_exchanges_and_says_that_every_row_opens(rows, capsys):
    call_command("secrets", "rotate", reason="yearly")
    said = capsys.readouterr().out
    assert f"{ROWS} rows sealed anew" in said
    assert "clusters.Credential.sealed_secret: 3 sealed, 3 by the newest key" in said
    assert said.endswith("Every sealed row opens.\n")


def test_the_command_fails_and_names_what_does_not_open(rows):
    from clusters.models import ClusterSecret

    ClusterSecret.objects.filter(name="1.key").update(sealed=b"nonsense")
    with pytest.raises(CommandError, match="1 sealed rows do not open"):
        call_command("secrets", "verify")
