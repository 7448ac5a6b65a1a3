"""Forms of regions."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class RegionDescription(forms.Form):
    """What people read of a region."""

    title = forms.CharField(
        label=_("Title"), required=False, max_length=100, help_text=_("What people read, in any language.")
    )
    description = forms.CharField(
        label=_("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )


class NewRegion(RegionDescription):
    """A region to be."""

    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        help_text=_("Lower case letters, digits and hyphens. It stands in plans and cannot change later."),
    )
    field_order = ["name", "title", "description"]
