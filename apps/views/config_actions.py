"""The buttons of a configuration: propose, withdraw, roll back, publish, copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.services import configurations as services
from apps.views.config_frame import done, opened_place, opened_to_publish, revision_of
from clusters.models import Environment
from clusters.views import answers


@require_POST
@login_required
def act(
    request: HttpRequest, tenant: str, app: str, environment: str, number: int, action: str
) -> HttpResponse:
    """Propose or withdraw the open revision, or begin a draft equal to an old one."""
    place = opened_place(request, tenant, app, environment, "config.edit")
    revision = revision_of(place, number)
    does: dict[str, tuple[Callable[..., Any], str]] = {
        "propose": (services.propose, _("r%(number)s waits for approval.")),
        "withdraw": (services.withdraw, _("r%(number)s was withdrawn.")),
        "rollback": (
            services.roll_back,
            _("A draft equal to r%(number)s was made. Look at it, then publish it."),
        ),
    }
    if action not in does:
        raise Http404
    service, said = does[action]
    return done(
        request, place, lambda: service(revision=revision, by=request.user), said % {"number": number}
    )


@require_POST
@login_required
def publish(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """All pods get it."""
    place = opened_to_publish(request, tenant, app, environment)
    revision = revision_of(place, number)
    expected = request.POST.get("expected", "")
    return done(
        request,
        place,
        lambda: services.publish(revision=revision, by=request.user, expected=expected),
        _("r%(number)s is published.") % {"number": number},
    )


@require_POST
@login_required
def copy(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """A draft equal to what is published in another environment, without its secrets."""
    place = opened_place(request, tenant, app, environment, "config.edit")
    source = Environment.objects.filter(tenant=place.app.tenant, name=request.POST.get("source", "")).first()
    if source is None:
        messages.error(request, _("There is no such environment."))
        return answers.see("apps:config", *place.names)
    return done(
        request,
        place,
        lambda: services.copy_from(
            app=place.app, environment=place.environment, source=source, by=request.user
        ),
        _("A draft equal to %(name)s was made, without secrets.") % {"name": source.name},
    )
