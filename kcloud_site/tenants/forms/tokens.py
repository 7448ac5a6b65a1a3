"""The form of a new API token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.roles import TENANT_ROLES

DAYS = [(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year"))]


class TokenForm(forms.Form):
    """Name, tenant, the most it may do, and how long."""

    name = forms.CharField(label=_("Name"), max_length=60, help_text=_("What uses it: a program, a machine."))
    tenant = forms.ModelChoiceField(
        label=_("Tenant"), queryset=Tenant.objects.none(), required=False, empty_label=_("All of mine")
    )
    role = forms.ChoiceField(
        label=_("May do at most"), help_text=_("It never may do more than you yourself.")
    )
    days = forms.TypedChoiceField(label=_("Valid for"), choices=DAYS, coerce=int, initial=30)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ModelChoiceField, self.fields["tenant"]).queryset = permissions.tenants_of(user)
        own = permissions.platform_role(user)
        roles = [*TENANT_ROLES, *([own] if own else [])]
        cast(forms.ChoiceField, self.fields["role"]).choices = [(role.key, role.title) for role in roles]

    def expires_at(self) -> datetime:
        """When it ends; call after is_valid()."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"])
