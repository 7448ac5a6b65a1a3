"""What `manage.py check` says about the settings of the company account before anybody is locked out by them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from kcloud_site.sign_in.clients import issuer_is_safe


@register()
def company_account(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The issuer's answers are believed because TLS says whose they are."""
    if not settings.OIDC_ISSUER:
        return []
    found: list[CheckMessage] = []
    if not issuer_is_safe(settings.OIDC_ISSUER):
        hint = "Give its https address; http is taken on this machine itself only."
        found.append(Error("KCLOUD_OIDC_ISSUER is not an https address.", hint=hint, id="sign_in.E001"))
    providers: dict[str, Any] = settings.SOCIALACCOUNT_PROVIDERS
    app = providers["openid_connect"]["APPS"][0]
    if not (app["client_id"] and app["secret"]):
        hint = (
            "Register the portal at the provider and set KCLOUD_OIDC_CLIENT_ID and KCLOUD_OIDC_CLIENT_SECRET."
        )
        found.append(Error("The OpenID provider does not know this portal.", hint=hint, id="sign_in.E002"))
    return found
