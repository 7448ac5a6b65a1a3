"""Hostile text through every form, and back out of every page: nothing breaks, nothing is taken for markup."""

from __future__ import annotations

import re

import pytest
from django.db import transaction
from django.urls import reverse

from kcloud_site.audit import trail
from kcloud_site.operations.models import LogLine, Operation, State
from tests.isolation.addresses import walk
from tests.isolation.expectations import CONSOLE, row_of
from tests.isolation.forms import forms_of
from tests.isolation.test_matrix import address_of
from tests.isolation.things import make_things

pytestmark = pytest.mark.django_db

MARKUP = "\"'><script>alert(4711)</script><img src=x onerror=alert(4711)>"
TEMPLATE = "{{ 4711|add:1 }}{% debug %}${4711+1}<%= 4711 %>"
HOSTILE = {
    "markup": MARKUP,
    "template": TEMPLATE,
    "right-to-left": "\u202eevil\u202c\u2066x",
    "ten kilobytes": "x" * 10_240,
    "NUL": "a\x00b",
    "lone surrogate": "\ud800",
    "path": "../../../etc/passwd",
    "SQL": "'; DROP TABLE tenants_user; --",
}
# Signing out and languages are forms too, but nothing is typed there.
ADDRESSES = [a for a in sorted(set(walk()), key=str) if a.area == "console" and a.name != "logout"]


def pages(client, tenant, operator):
    """(path, response) of every page that opens for a platform operator."""
    things = make_things(tenant, operator)
    for address in ADDRESSES:
        row = row_of(address.name, CONSOLE)
        path = address_of(address, things, row) if row else None
        if path is None:
            continue
        response = client.get(path)
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            yield path, response


def unescaped(html: str) -> list[str]:
    """Where the markup came through as markup, or a template ran."""
    return re.findall(r"<script>alert\(4711\)|<img src=x onerror|\b4712\b", html)


class _TakeBack(Exception):
    pass


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_in_a_form_is_refused_or_kept_but_breaks_nothing(client, tenant, operator, what):
    client.force_login(operator)
    client.raise_request_exception = True
    text, tried = HOSTILE[what].encode("utf-8", "replace").decode(), 0
    for path, response in pages(client, tenant, operator):
        for form in forms_of(response.content.decode()):
            if not form.texts:
                continue
            tried += 1
            try:
                with transaction.atomic():
                    answer = getattr(client, form.method)(form.action or path, form.filled(text))
                    assert answer.status_code < 500, (path, form)
                    told = b"".join(answer) if answer.streaming else answer.content
                    assert unescaped(told.decode(errors="replace")) == [], (path, form)
                    raise _TakeBack
            except _TakeBack:
                client.force_login(operator)
    assert tried > 20


def test_hostile_names_come_out_of_every_page_as_text(client, tenant, operator):
    """Names and logs that no form let in: from clusters, from files, from an older version."""
    tenant.title = MARKUP
    tenant.description = MARKUP + TEMPLATE
    tenant.save()
    type(operator).objects.filter(pk=operator.pk).update(first_name=MARKUP[:150], last_name=TEMPLATE[:150])
    operation = Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.cluster",
        subject_id="1",
        subject_name=MARKUP,
        requested_by_name=MARKUP,
        reason=MARKUP + TEMPLATE,
        state=State.FAILED,
        failure={"what": MARKUP, "why": TEMPLATE, "remedy": MARKUP, "step": "x", "target": MARKUP, "line": 1},
        last_line=1,
        tenant=tenant,
    )
    LogLine.objects.create(
        operation=operation, number=1, at=operation.created_at, target=MARKUP, text=MARKUP + TEMPLATE
    )
    trail.record(
        by=trail.Actor("rule", MARKUP, TEMPLATE),
        action="x.y",
        subject=trail.Subject("clusters.cluster", "1", MARKUP, tenant.pk),
        before={MARKUP: TEMPLATE},
        after={MARKUP: MARKUP},
        reason=MARKUP,
    )
    client.force_login(type(operator).objects.get(pk=operator.pk))
    opened = list(pages(client, tenant, operator))
    opened.append(("operation", client.get(reverse("operations:detail", args=[operation.pk]))))
    assert len(opened) > 10
    assert {path: found for path, page in opened if (found := unescaped(page.content.decode()))} == {}
    assert sum("alert(4711)" in page.content.decode() for _path, page in opened) > 3
