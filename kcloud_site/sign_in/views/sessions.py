"""Where a person is signed in, and signing out there."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from kcloud_site.sign_in import selectors, services
from kcloud_site.sign_in.clients import describe
from kcloud_site.tenants.models import User


@require_safe
@login_required
def sessions(request: HttpRequest) -> HttpResponse:
    """The living sessions, this one marked."""
    rows = [
        {
            "session": row,
            "client": describe(row.user_agent),
            "here": row.session_key == request.session.session_key,
        }
        for row in selectors.sessions_of(cast(User, request.user))
    ]
    return render(
        request, "usersessions/list.html", {"rows": rows, "others": any(not row["here"] for row in rows)}
    )


@require_POST
@login_required
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign out one of the person's own sessions; with this one the person is signed out."""
    user = cast(User, request.user)
    row = selectors.sessions_of(user).filter(pk=pk).first()
    if row is None:
        raise Http404(_("This session has ended already, or is not yours."))
    services.end_sessions(user=user, by=user, session=pk)
    if row.session_key == request.session.session_key:
        request.session.flush()
    else:
        messages.success(request, _("The session is signed out."))
    return _see_sessions()


@require_POST
@login_required
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    ended = services.end_sessions(user=user, by=user, keep=request.session.session_key)
    text = ngettext("%(count)d session is signed out.", "%(count)d sessions are signed out.", ended)
    messages.success(request, text % {"count": ended})
    return _see_sessions()


def _see_sessions() -> HttpResponse:
    response = redirect("usersessions_list")
    response.status_code = 303
    return response
