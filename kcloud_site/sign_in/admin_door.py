"""The admin has no sign-in and no change of password of its own: what holds at our door holds for it too."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def _change_password(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    return redirect("account_change_password")


def close() -> None:
    """Lead the admin's sign-in to ours, and take the library's tables out of the admin: services own them."""
    site: admin.AdminSite = admin.site
    site.login = secure_admin_login(site.login)  # type: ignore[method-assign]
    site.password_change = _change_password  # type: ignore[method-assign, assignment]
    for label in ("account", "socialaccount", "mfa", "usersessions"):
        for model in apps.get_app_config(label).get_models():
            if site.is_registered(model):
                site.unregister(model)
