"""A new password: changed by whoever knows the old one, or by mail for who forgot it."""

from __future__ import annotations

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.views import (
    PasswordChangeView,
    PasswordResetDoneView,
    PasswordResetFromKeyView,
    PasswordResetView,
)
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse_lazy

from kcloud_site.sign_in.forms import ForgottenForm, NewPasswordForm, ResetForm
from kcloud_site.sign_in.views.answers import FormAnswers

_log = logging.getLogger(__name__)


class ChangePassword(FormAnswers, PasswordChangeView):
    form_class = NewPasswordForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not request.user.has_usable_password():
            return render(request, "account/no_password.html")
        return super().dispatch(request, *args, **kwargs)

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        return super().form_valid(form)


class Forgotten(FormAnswers, PasswordResetView):
    """Asks for the address; the answer is the same whether anybody has it."""

    form_class = ForgottenForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, mails=bool(settings.MAIL_URL))

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            return super().form_valid(form)
        except (OSError, SMTPException):
            _log.exception("The mail for a new password could not be sent")
            return self.render_to_response(self.get_context_data(form=form, away=True), status=503)


class ForgottenSent(PasswordResetDoneView):
    """Says what happens next."""


class Reset(FormAnswers, PasswordResetFromKeyView):
    """Where the mail leads."""

    form_class = ResetForm
    success_url = reverse_lazy("login")

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        return super().form_valid(form)
