"""What every test shares. Tests never see the developer's own state: home, keys and database are theirs alone."""

import os
import signal
import tempfile

os.environ["KCLOUD_HOME"] = tempfile.mkdtemp(prefix="kcloud-test-")
os.environ.setdefault(
    "DJANGO_ALLOW_ASYNC_UNSAFE", "true"
)  # Playwright's event loop runs in the test's thread

# A run started in the background may ignore Ctrl-C; the programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis
import pytest

# A slow machine is no fault of the product's: examples are counted, never timed.
hypothesis.settings.register_profile(
    "kcloud", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("kcloud")

# Real databases for tests of several processes; here, so that there is one template of each in a run.
pytest_plugins = ["tests.databases"]


@pytest.fixture(autouse=True)
def _plain_static_files(settings):
    """Templates resolve {% static %} without a collected manifest."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def _quick_passwords(settings):
    """Hashing that is slow on purpose would be most of a page test's time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _room_for_many_requests(settings):
    """Tests of throttles set their own rates."""
    settings.API_RATES = {"token": "1000000/min", "address": "1000000/min"}


@pytest.fixture
def operator(db, django_user_model):
    """A platform operator."""
    return django_user_model.objects.create_user("operator", password="a-long-password", is_staff=True)


@pytest.fixture
def person(db, django_user_model):
    """Somebody who may sign in, and nothing more."""
    return django_user_model.objects.create_user("person", password="a-long-password")


@pytest.fixture
def auditor(db, django_user_model):
    """Somebody who may look at everything and change nothing."""
    return django_user_model.objects.create_user("auditor", password="a-long-password", is_auditor=True)


@pytest.fixture
def tenant(db):
    """A tenant, "retail", without members."""
    from kcloud_site.tenants.services import tenants

    return tenants.create_tenant(name="retail", title="Retail", by=None)


@pytest.fixture
def other_tenant(db):
    """Another tenant, "logistics", whose members are outsiders to the first."""
    from kcloud_site.tenants.services import tenants

    return tenants.create_tenant(name="logistics", title="Logistics", by=None)


@pytest.fixture
def join(django_user_model):
    """join(tenant, "viewer") answers a new person with that role in the tenant."""
    from kcloud_site.tenants.services import members

    def make(tenant, role, username=""):
        name = username or f"{tenant.name}-{role}"
        user = django_user_model.objects.create_user(name, f"{name}@example.com", "a-long-password")
        members.add_member(tenant=tenant, user=user, role=role, by=None)
        return user

    return make


# Debian's Chromium as root, without calls to anybody.
_CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {**browser_type_launch_args, "executable_path": "/usr/bin/chromium", "args": _CHROMIUM_ARGUMENTS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}, "locale": "en-GB"}
