"""What the sign-in library announces, one service call each: the moments it gives no other hook for."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import get_authentication_records
from allauth.socialaccount import signals as company
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from kcloud_site.sign_in import services
from kcloud_site.sign_in.addresses import address_of
from kcloud_site.tenants.models import User


def connect() -> None:
    account.user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    account.password_changed.connect(_password_changed)
    account.password_reset.connect(_password_reset)
    account.user_signed_up.connect(_made)
    company.social_account_added.connect(_linked)


def _signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    ways = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    services.note(by=user, action="user.sign_in", address=address_of(request), by_means_of=", ".join(ways))


def _signed_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user:
        services.note(by=user, action="user.sign_out")


def _password_changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    services.password_replaced(user=user, action="user.password_change", keep=request.session.session_key)


def _password_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    services.password_replaced(user=user, action="user.password_reset")


def _made(request: HttpRequest, user: User, **kwargs: Any) -> None:
    services.note(by=None, action="person.create", user=user, username=user.username, identity="company")


def _linked(request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    services.note(by=sociallogin.user, action="user.identity_link", identity=sociallogin.account.provider)
