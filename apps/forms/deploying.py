"""Forms about what runs: deploying, scaling, and notes for the audit trail. Services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.models import ConfigRevision, Release, Workload
from apps.rollouts import strategy as strategies
from apps.rollouts.strategy import Strategy
from apps.services.deployments import MOST_REPLICAS

_PUBLISHED = (ConfigRevision.State.PUBLISHED, ConfigRevision.State.SUPERSEDED)


class NoteForm(forms.Form):
    """Why something is done."""

    note = forms.CharField(
        label=_("Note"), required=False, max_length=500, help_text=_("Stands in the audit trail.")
    )


class ScaleForm(NoteForm):
    """How many pods."""

    replicas = forms.IntegerField(label=_("Pods"), min_value=0, max_value=MOST_REPLICAS)
    field_order = ["replicas", "note"]


class DeployForm(NoteForm):
    """Which release, with how many pods and which configuration, and how the old pods give way."""

    TYPES = (
        (strategies.ROLLING, _("Rolling: a few pods at a time, always some serving")),
        (strategies.RECREATE, _("Recreate: all old pods end first; it is down meanwhile")),
        (strategies.BLUE_GREEN, _("Blue-green: a second set of pods, then the switch at once")),
    )

    release = forms.ModelChoiceField(
        Release.objects.none(), label=_("Release"), to_field_name="number", empty_label=None
    )
    replicas = forms.IntegerField(
        label=_("Pods"),
        required=False,
        min_value=0,
        max_value=MOST_REPLICAS,
        help_text=_("Empty: as many as now, or as the release hints."),
    )
    config_revision = forms.TypedChoiceField(
        label=_("Configuration"), required=False, coerce=int, empty_value=None
    )
    type = forms.ChoiceField(label=_("How"), choices=TYPES, initial=strategies.ROLLING)
    surge = forms.CharField(
        label=_("Pods more while it rolls"), max_length=5, initial="25%", help_text=_("A number or a share.")
    )
    unavailable = forms.CharField(
        label=_("Pods fewer while it rolls"), max_length=5, initial="0", help_text=_("A number or a share.")
    )
    timeout = forms.IntegerField(
        label=_("Seconds until it must be available"),
        min_value=strategies.LEAST_TIMEOUT,
        max_value=strategies.MOST_TIMEOUT,
        initial=strategies.DEFAULT_TIMEOUT,
        help_text=_("After that the last good release comes back by itself."),
    )
    field_order = [
        *("release", "replicas", "config_revision", "type", "surge", "unavailable", "timeout", "note"),
    ]

    def __init__(self, *args: Any, workload: Workload, pinned: set[int], **options: Any) -> None:
        """`workload` may be an unsaved one; `pinned`: ids of releases that are kept out."""
        super().__init__(*args, **options)
        releases = workload.app.releases.exclude(pk__in=pinned).order_by("-number")
        self.fields["release"].queryset = releases  # type: ignore[attr-defined]
        revisions = ConfigRevision.objects.filter(
            app_id=workload.app_id, environment_id=workload.environment_id, state__in=_PUBLISHED
        )
        numbers = [(number, f"r{number}") for number in revisions.values_list("number", flat=True)[:100]]
        now = _("As now (r%(number)s)") % {"number": workload.config_revision}
        as_now = now if workload.config_revision is not None else _("None")
        self.fields["config_revision"].choices = [("", as_now), *numbers]  # type: ignore[attr-defined]

    @property
    def strategy(self) -> Strategy:
        """What was chosen. Raises ValueRefused, which names the field."""
        return strategies.parse({name: self.cleaned_data[name] for name in _STRATEGY})


_STRATEGY = ("type", "surge", "unavailable", "timeout")
