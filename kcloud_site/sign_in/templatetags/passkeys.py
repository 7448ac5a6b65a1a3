"""The library's scripts for passkeys, served by us. Their data is a block of JSON: no script is written into a page."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_SCRIPTS = ("mfa/js/webauthn-json.js", "mfa/js/webauthn.js", "account/js/onload.js")


@register.simple_tag
def passkey_script(form: str, data: Any = None, **ids: str) -> SafeString:
    """Bind the library's `form` (addForm, authenticateForm, loginForm) to the elements with these ids."""
    if data is not None:
        ids["data"] = "passkey_data"
    what = json.dumps({"ids": ids}).replace("<", "\\u003c")
    return format_html(
        '{}<script type="application/json" data-allauth-onload="allauth.webauthn.forms.{}">{}</script>{}',
        json_script(data, "passkey_data") if data is not None else "",
        form,
        mark_safe(what),  # noqa: S308 - JSON of our own words, without "<"
        format_html_join("", '<script src="{}"></script>', ((static(path),) for path in _SCRIPTS)),
    )
