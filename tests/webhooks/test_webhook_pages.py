"""Pages of webhooks: listed, made with a secret shown once, tried, paused, changed, removed; deliveries sent again."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kcloud_site.audit.models import AuditEvent
from kcloud_site.webhooks.models import Delivery, Webhook
from kcloud_site.webhooks.services import collecting, delivering
from tests.markup import squeezed
from tests.webhooks.receivers import listening

pytestmark = pytest.mark.django_db
HOOKS = "/tenants/retail/webhooks/"
NEW = {"name": "ci", "url": "https://ci.example.com/hook", "offered": ["release."], "others": "member.\n"}


@pytest.fixture
def receiver(settings):
    settings.WEBHOOKS_INTERNAL = True
    with listening() as found:
        yield found


@pytest.fixture
def as_owner(client, tenant, join):
    client.force_login(join(tenant, "owner"))
    return client


@pytest.fixture
def hook(as_owner):
    as_owner.post(f"{HOOKS}new/", NEW)
    return Webhook.objects.get()


def html_of(response, status=200):
    assert response.status_code == status, response.content
    return response.content.decode()


def sent(hook, **values):
    return Delivery.objects.create(
        webhook=hook,
        source=f"audit:{Delivery.objects.count()}",
        event="release.publish",
        payload={},
        **values,
    )


def test_an_empty_list_names_the_next_action(as_owner):
    assert "New webhook" in html_of(as_owner.get(HOOKS))


def test_its_secret_is_shown_once(as_owner):
    made = html_of(as_owner.post(f"{HOOKS}new/", NEW))
    (secret,) = re.findall(r"whsec_[\w+/=]+", made)
    hook = Webhook.objects.get()
    assert (hook.events, hook.tenant.name) == (["release.", "member."], "retail")
    for page in ("", f"{hook.pk}/", f"{hook.pk}/edit/"):
        assert secret not in html_of(as_owner.get(HOOKS + page))
    again = html_of(as_owner.post(f"{HOOKS}{hook.pk}/secret/"))
    assert re.findall(r"whsec_[\w+/=]+", again) not in ([], [secret])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://ci.example.com/"}, "Give an address like"),
        ({"offered": [], "others": " "}, "Choose at least one"),
        ({"name": " "}, "This field is required"),
        ({"offered": ["nonsense"]}, "Select a valid choice"),
        ({"others": "x" * 61}, "Name 1 to 50 beginnings"),
    ],
)
def test_what_is_wrong_is_said_in_the_form(as_owner, change, said):
    assert said in html_of(as_owner.post(f"{HOOKS}new/", {**NEW, **change}), 422)
    assert not Webhook.objects.exists()


def test_it_is_changed_and_everything_can_be_told(as_owner, hook):
    page = html_of(as_owner.get(f"{HOOKS}{hook.pk}/edit/"))
    assert re.search(r'value="release\."[^>]*checked', page)
    assert "member." in page
    changed = {"url": "https://other.example.com/", "offered": [], "others": "*"}
    assert as_owner.post(f"{HOOKS}{hook.pk}/edit/", changed).status_code == 303
    hook.refresh_from_db()
    assert (hook.url, hook.events, hook.enabled) == ("https://other.example.com/", [""], True)


def test_it_is_paused_and_goes_on(as_owner, hook):
    as_owner.post(f"{HOOKS}{hook.pk}/pause/")
    assert "Paused" in html_of(as_owner.get(HOOKS))
    assert "Send a test</button>" not in html_of(as_owner.get(f"{HOOKS}{hook.pk}/"))
    page = html_of(as_owner.post(f"{HOOKS}{hook.pk}/test/", follow=True))
    assert "The webhook is paused" in page
    as_owner.post(f"{HOOKS}{hook.pk}/pause/")
    hook.refresh_from_db()
    assert hook.enabled
    assert AuditEvent.objects.filter(action="webhook.revise").count() == 2


def test_a_test_message_arrives_and_its_delivery_is_read(as_owner, hook, receiver):
    Webhook.objects.update(url=receiver.url)
    page = html_of(as_owner.post(f"{HOOKS}{hook.pk}/test/", follow=True))
    assert "webhook.test" in page
    assert "hx-get" in page.partition('id="rows"')[2].partition(">")[0]
    collecting.collect(now=timezone.now())
    delivering.deliver(now=timezone.now())
    assert len(receiver.came) == 1
    page = html_of(as_owner.get(f"{HOOKS}{hook.pk}/", headers={"hx-request": "true"}))
    assert "Delivered" in page
    assert "<html" not in page
    assert "hx-get" not in page
    row = Delivery.objects.get()
    message = html_of(as_owner.get(f"{HOOKS}{hook.pk}/deliveries/{row.pk}/"))
    assert "&quot;type&quot;: &quot;webhook.test&quot;" in message
    assert "thanks" in message


def test_what_does_not_arrive_is_said_with_why_and_sent_again(as_owner, hook, receiver):
    Webhook.objects.update(url=receiver.url)
    receiver.status, receiver.body = 503, b"closed for lunch"
    as_owner.post(f"{HOOKS}{hook.pk}/test/")
    delivering.deliver(now=timezone.now())
    page = html_of(as_owner.get(f"{HOOKS}{hook.pk}/"))
    assert "Does not arrive" in page
    assert "status 503" in page
    assert "closed for lunch" in page
    assert "1 attempt, again at" in squeezed(page)
    assert "Does not arrive" in html_of(as_owner.get(HOOKS))
    row = Delivery.objects.get()
    Delivery.objects.update(state="failed", attempts=8)
    receiver.status = 200
    as_owner.post(f"{HOOKS}{hook.pk}/deliveries/{row.pk}/again/")
    delivering.deliver(now=timezone.now())
    row.refresh_from_db()
    assert (row.state, len(receiver.came)) == ("delivered", 2)


def test_deliveries_are_filtered_and_paged(as_owner, hook, django_assert_max_num_queries):
    sent(hook, state="failed", attempts=8, answer="nobody there")
    for _number in range(40):
        sent(hook, state="delivered", attempts=1, status=200, milliseconds=7)
    assert "nobody there" not in html_of(as_owner.get(f"{HOOKS}{hook.pk}/"))
    with django_assert_max_num_queries(30):
        assert "nobody there" in html_of(as_owner.get(f"{HOOKS}{hook.pk}/?page=2"))
    failed = html_of(as_owner.get(f"{HOOKS}{hook.pk}/?state=failed"))
    assert failed.count("release.publish</a>") == 1
    assert "No delivery matches" in html_of(as_owner.get(f"{HOOKS}{hook.pk}/?state=pending"))


def test_a_long_list_asks_no_more_than_a_short_one(as_owner, hook, tenant):
    def asked():
        with CaptureQueriesContext(connection) as counted:
            html_of(as_owner.get(HOOKS))
        return len(counted)

    sent(hook, state="delivered")
    asked()
    few = asked()
    for number in range(20):
        sent(Webhook.objects.create(tenant=tenant, name=f"h{number}", url="https://x.example/", events=["x"]))
    assert asked() == few


def test_it_is_removed_by_its_name(as_owner, hook):
    wrong = html_of(as_owner.post(f"{HOOKS}{hook.pk}/remove/", {"name": "other"}), 422)
    assert "This is not the name" in wrong
    assert as_owner.post(f"{HOOKS}{hook.pk}/remove/", {"name": "ci"}).status_code == 303
    assert not Webhook.objects.exists()


def test_a_viewer_reads_and_changes_nothing(as_owner, hook, client, tenant, join):
    client.force_login(join(tenant, "viewer"))
    page = html_of(client.get(f"{HOOKS}{hook.pk}/"))
    assert "New secret" not in page
    assert "New webhook" not in html_of(client.get(HOOKS))
    assert client.post(f"{HOOKS}{hook.pk}/test/").status_code == 403


@pytest.mark.parametrize("address", ["environments/", "requests/", "webhooks/", "members/"])
def test_tabs_of_the_tenant_are_on_every_page_they_lead_to(as_owner, address):
    page = squeezed(html_of(as_owner.get(f"/tenants/retail/{address}")))
    tabs = page.partition('<ul class="nav nav-tabs">')[2].partition("</ul>")[0]
    assert f'active" href="/tenants/retail/{address}" aria-current="page"' in tabs
    assert tabs.count('aria-current="page"') == 1
