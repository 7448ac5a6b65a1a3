"""Shows what a service refused at the field it is about."""

from __future__ import annotations

from django import forms

from kcloud_site.tenants.errors import TenantError


def show(form: forms.BaseForm, error: TenantError) -> None:
    """Mark the field the error names, or the form as a whole when it has no such field."""
    form.add_error(error.field if error.field in form.fields else None, str(error))
