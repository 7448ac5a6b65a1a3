"""Forms of the operation and audit pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.audit_pages import Wanted
from kcloud_site.operations.models import State
from kcloud_site.tenants.models import Tenant

_MOMENT = "%Y-%m-%dT%H:%M:%S"


class OperationFilter(forms.Form):
    """Filter of the list: state, kind, and what the subject's name contains."""

    STATES = [("", _("All states")), ("active", _("Running or waiting")), *State.choices]

    state = forms.ChoiceField(label=_("State"), required=False, choices=STATES)
    kind = forms.CharField(label=_("Kind"), required=False, max_length=60)
    q = forms.CharField(label=_("Name contains"), required=False, max_length=100)


class MomentField(forms.DateTimeField):
    """Date and time in the reader's zone, by the browser's own control. A link may carry an offset."""

    widget = forms.DateTimeInput(format=_MOMENT, attrs={"type": "datetime-local", "step": "1"})

    def bound_data(self, data: Any, initial: Any) -> Any:
        """The control shows local times, and nothing else."""
        try:
            moment = parse_datetime(str(data))
        except ValueError:
            moment = None
        if moment is None:
            return ""
        return (timezone.localtime(moment) if moment.tzinfo else moment).strftime(_MOMENT)


class AuditFilter(forms.Form):
    """Filter of the trail: who, through what, which action, which object, whose, when, by which operation."""

    actor = forms.CharField(label=_("Who"), required=False, max_length=150)
    kind = forms.ChoiceField(
        label=_("Acting as"), required=False, choices=[("", _("Anybody")), *AuditEvent.ActorKind.choices]
    )
    via = forms.CharField(label=_("Token or rule"), required=False, max_length=100)
    action = forms.CharField(label=_("Action"), required=False, max_length=60)
    type = forms.CharField(label=_("Type of object"), required=False, max_length=60)
    name = forms.CharField(label=_("Name of object"), required=False, max_length=200)
    id = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)
    tenant = forms.CharField(label=_("Tenant"), required=False, max_length=30)
    operation = forms.CharField(label=_("Operation"), required=False, max_length=20)
    since = MomentField(label=_("From"), required=False)
    until = MomentField(label=_("Before"), required=False)

    def __init__(self, *args: Any, tenants: QuerySet[Tenant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tenants = tenants

    def clean_tenant(self) -> Tenant | None:
        name: str = self.cleaned_data["tenant"]
        if not name:
            return None
        tenant = self._tenants.filter(name=name).first()
        if tenant is None:
            raise forms.ValidationError(
                _("You have no tenant of this name. Type its short name, like retail.")
            )
        return tenant

    def clean_operation(self) -> int | None:
        number: str = self.cleaned_data["operation"].removeprefix("op-")
        if not number:
            return None
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise forms.ValidationError(_("This is no operation. Type its number, like 12 or op-12."))
        return int(number)

    def clean(self) -> dict[str, Any]:
        chosen: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = chosen.get("since"), chosen.get("until")
        if since and until and since >= until:
            self.add_error("until", _("This is not after the time it starts from. Give a later time."))
        return chosen

    def wanted(self) -> Wanted:
        """What was chosen. The form must be valid."""
        chosen = dict(self.cleaned_data)
        tenant = chosen.pop("tenant")
        return Wanted(tenant_id=tenant.pk if tenant else None, **chosen)


class CancelForm(forms.Form):
    """Cancelling is confirmed by the subject's name, where the kind asks for it."""

    name = forms.CharField(label=_("Name"), max_length=200, strip=True)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        if not expected:
            del self.fields["name"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.expected:
            raise forms.ValidationError(
                _("This is not the name. Type %(name)s to confirm.") % {"name": self.expected}
            )
        return name
