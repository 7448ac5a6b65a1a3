"""Forms of tenants: finding, making, describing, closing."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.models.tenants import NAME


class TenantFilter(forms.Form):
    """Of the list."""

    q = forms.CharField(label=_("Name or title"), required=False, max_length=100)
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("Open and closed")), ("open", _("Open")), ("closed", _("Closed"))],
    )


class TenantDescription(forms.Form):
    """What people read of a tenant."""

    title = forms.CharField(
        label=_("Title"), max_length=80, help_text=_("What people read, in any language.")
    )
    description = forms.CharField(
        label=_("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    contact = forms.EmailField(
        label=_("Contact"), required=False, help_text=_("Whom platform operators write to about this tenant.")
    )


class NewTenant(TenantDescription):
    """A tenant to be."""

    name = forms.CharField(
        label=_("Name"),
        max_length=30,
        validators=[NAME],
        help_text=_(
            "Small letters, digits and hyphens. It begins the names of namespaces and cannot change later."
        ),
    )
    field_order = ["name", "title", "description", "contact"]


class Closing(NameConfirmation):
    """Typing the name, and saying why."""

    reason = forms.CharField(label=_("Why"), max_length=500)
