"""Publishing a configuration by stages: the plan before it begins, then what a person may order at each stage."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.models import App
from apps.rollouts import stages
from apps.rollouts.stages import Stage
from apps.services import config_stages
from apps.views.config_frame import done, frame_of, number_in, opened_to_publish, revision_of
from clusters.errors import ClusterError

ROWS = 4


@require_safe
@login_required
def plan(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """How many pods each stage would have, and what happens at each. Changes nothing."""
    place = opened_to_publish(request, tenant, app, environment)
    revision = revision_of(place, number)
    wanted = _wanted(request.GET) or list(stages.DEFAULT)
    patience = number_in(request.GET, "patience", stages.DEFAULT_PATIENCE)
    planned: tuple[Stage, ...] = ()
    refused = ""
    try:
        config_stages.check_patience(patience)
        planned = config_stages.plan_of(revision=revision, wanted=wanted)
    except ClusterError as error:
        refused = str(error)
    blank: list[tuple[Any, Any]] = [("", "")] * max(0, ROWS - len(wanted))
    workload = place.workload
    context = {
        **frame_of(request, place),
        "revision": revision,
        "planned": planned,
        "refused": refused,
        "rows": [*wanted, *blank],
        "patience": patience,
        "replaces": bool(
            workload and workload.release and workload.release.spec.get("kind") == "StatefulSet"
        ),
        "reloads": place.app.reload == App.Reload.HOT,
        "replicas": workload.wanted_replicas if workload else 0,
    }
    return render(request, "apps/config_plan.html", context, status=422 if refused else 200)


@require_POST
@login_required
def stage(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """Begin with the first stage."""
    place = opened_to_publish(request, tenant, app, environment)
    revision = revision_of(place, number)

    def begin() -> None:
        config_stages.stage(
            revision=revision,
            by=request.user,
            wanted=_wanted(request.POST) or stages.DEFAULT,
            patience=number_in(request.POST, "patience", stages.DEFAULT_PATIENCE),
        )

    return done(request, place, begin, _("r%(number)s is on trial.") % {"number": number})


@require_POST
@login_required
def order(
    request: HttpRequest, tenant: str, app: str, environment: str, number: int, order: str
) -> HttpResponse:
    """Stop at the stage it is at, continue, or return."""
    place = opened_to_publish(request, tenant, app, environment)
    revision = revision_of(place, number)
    at = number_in(request.POST, "stage", 0)
    does: dict[str, tuple[Callable[[], Any], str]] = {
        "hold": (
            lambda: config_stages.hold(revision=revision, by=request.user),
            _("r%(number)s stays at this stage until somebody lets it go on."),
        ),
        "proceed": (
            lambda: config_stages.proceed(revision=revision, by=request.user, stage=at),
            _("r%(number)s goes on as soon as the pods of this stage are ready."),
        ),
        "return": (
            lambda: config_stages.give_back(revision=revision, by=request.user),
            _("r%(number)s is taken off all pods."),
        ),
    }
    if order not in does:
        raise Http404
    act, said = does[order]
    return done(request, place, act, said % {"number": number})


def _wanted(data: QueryDict) -> list[tuple[int, int]]:
    """The stages of a form; rows without a share are left out."""
    pairs = zip_longest(data.getlist("share"), data.getlist("seconds"), fillvalue="")
    return [
        (number_in({"": share}, "", -1), number_in({"": seconds}, "", stages.DEFAULT_SECONDS))
        for share, seconds in pairs
        if share.strip()
    ]
