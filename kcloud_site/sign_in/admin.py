"""People in the platform operators' admin: who they are, whether they may sign in, and ending their sessions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from kcloud_site.sign_in import services
from kcloud_site.tenants.admin_site import Action, LookOnly, column
from kcloud_site.tenants.models import User


def _end_sessions(person: User, by: Any, _reason: str) -> None:
    services.end_sessions(user=person, by=by)


@admin.register(User)
class UserAdmin(LookOnly):
    title = _("People")
    columns = (
        column("username", _("User name")),
        column("email", _("E-mail address")),
        column("display_name", _("Name"), order=False),
        column("is_active", _("May sign in")),
        column("is_staff", _("Platform operator")),
        column("is_auditor", _("Auditor")),
        column("last_login", _("Last sign-in")),
    )
    facts = (
        column("date_joined", _("Created")),
        column("language", _("Language")),
        column("time_zone", _("Time zone")),
        column("must_change_password", _("Must choose a new password")),
    )
    list_filter = ("is_active", "is_staff", "is_auditor")
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    acts = (
        Action(
            "end_sessions",
            _("End all sessions"),
            _end_sessions,
            _("They are signed out everywhere and sign in again with their password and second factor."),
        ),
    )
