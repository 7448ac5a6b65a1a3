"""How pages with a form answer."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse


class FormAnswers:
    """A form that is not right is answered 422, a right one 303. Goes before the library's view."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        if response.status_code == 200:
            response.status_code = 422
        return response

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        if response.status_code == 302:
            response.status_code = 303
        return response
