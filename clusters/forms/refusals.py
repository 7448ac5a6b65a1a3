"""Shows what a service refused at the field it is about."""

from __future__ import annotations

from django import forms

from clusters.errors import ClusterError, HostError, SignInRefused, SudoRefused, ValueRefused


def show(form: forms.BaseForm, error: ClusterError) -> None:
    """Mark the field the error names (or means), or the form as a whole when it has no such field."""
    name = _field(error)
    form.add_error(name if name in form.fields else None, str(error))


def _field(error: ClusterError) -> str:
    if isinstance(error, ValueRefused):
        return error.field
    if isinstance(error, SignInRefused | SudoRefused):
        return "credential"
    return "address" if isinstance(error, HostError) else ""
