"""What the pages and buttons of a configuration share: the place they are about, its revisions, the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from apps.models import App, ConfigRevision, Workload
from apps.selectors import configurations as reading
from apps.selectors.workloads import right_to_change
from apps.views.frame import app_frame, opened_app, workload_frame
from clusters.errors import ClusterError
from clusters.models import Environment
from clusters.views import answers
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants import permissions

# How a revision's state is shown: its word in the status vocabulary.
STATES = {
    "draft": "pending",
    "proposed": "approval",
    "trial": "updating",
    "published": "healthy",
    "superseded": "stopped",
    "withdrawn": "cancelled",
}


@dataclass(frozen=True)
class Place:
    """What every page here is about. `workload` is None before anything was deployed or published."""

    app: App
    environment: Environment
    workload: Workload | None

    @property
    def names(self) -> tuple[str, str, str]:
        return self.app.tenant.name, self.app.name, self.environment.name


@dataclass(frozen=True)
class Shown:
    """A revision with its state in the status vocabulary."""

    row: ConfigRevision

    @property
    def key(self) -> str:
        return "failed" if self.row.reason else STATES[self.row.state]

    @property
    def may_return(self) -> bool:
        """Whether it was in force once, and is not now."""
        return self.row.published_at is not None and self.row.state != self.row.State.PUBLISHED


def opened_place(request: HttpRequest, tenant: str, app: str, environment: str, right: str) -> Place:
    found = opened_app(request, tenant, app, right)
    rows = Environment.objects.select_related("cluster", "tenant")
    where = get_object_or_404(rows, tenant=found.tenant, name=environment)
    return Place(found, where, reading.workload_in(found, where))


def opened_to_publish(request: HttpRequest, tenant: str, app: str, environment: str) -> Place:
    """Publishing changes what runs: in protected environments that takes the right for it, too."""
    place = opened_place(request, tenant, app, environment, "config.publish")
    permissions.check(request.user, right_to_change(place.environment), place.app)
    return place


def revision_of(place: Place, number: int) -> ConfigRevision:
    return get_object_or_404(reading.revisions(place.app, place.environment), number=number)


def base_of(place: Place) -> ConfigRevision | None:
    """What the editor begins with."""
    return reading.open_revision(place.app, place.environment) or reading.published(
        place.app, place.environment
    )


def frame_of(request: HttpRequest, place: Place) -> dict[str, Any]:
    if place.workload is not None:
        frame = workload_frame(request, place.workload, "config")
    else:
        frame = {**app_frame(request, place.app, "config"), "environment": place.environment}
    publishes = permissions.may(request.user, "config.publish", place.app) and permissions.may(
        request.user, right_to_change(place.environment), place.app
    )
    edits = permissions.may(request.user, "config.edit", place.app)
    return {**frame, "may_edit_config": edits, "may_publish_config": publishes}


def done(request: HttpRequest, place: Place, act_on_it: Callable[[], Any], said: str) -> HttpResponse:
    """Do it, say so, and back to the page; what was refused is said there."""
    try:
        act_on_it()
    except (ClusterError, SubjectBusy) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return answers.see("apps:config", *place.names)


def other_environments(place: Place) -> list[Environment]:
    rows = Environment.objects.filter(tenant=place.app.tenant).exclude(pk=place.environment.pk)
    return list(rows.filter(config_revisions__app=place.app).distinct().order_by("name"))


def number_in(data: Mapping[str, Any], name: str, default: int) -> int:
    """A number of a form; `default` when the field is empty, -1 for what is none."""
    text = str(data.get(name, "")).strip()
    if not text:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
