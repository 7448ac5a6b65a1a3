"""The admin has no sign-in of its own: a second factor and the counting of wrong passwords hold for it too."""

from allauth.account.decorators import secure_admin_login
from django.apps import apps
from django.contrib import admin


def close() -> None:
    """Lead the admin's sign-in to ours, and take the library's tables out of the admin: services own them."""
    site: admin.AdminSite = admin.site
    site.login = secure_admin_login(site.login)  # type: ignore[method-assign]
    for label in ("account", "socialaccount", "mfa", "usersessions"):
        for model in apps.get_app_config(label).get_models():
            if site.is_registered(model):
                site.unregister(model)
