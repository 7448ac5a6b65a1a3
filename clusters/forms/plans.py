"""The plan as a form: one row per host, a few rows of pools, and plain fields; and back to a plan's data.

The form only translates. What is right and wrong about a plan is said by clusters.planning.plan; `show_problems`
puts each problem on the field it is about, in the reader's language.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clusters.models import Bundle, Host, Region
from clusters.planning.plan import PlanSpec, Problem
from clusters.planning.rules import ADDONS

POOL_ROWS_LIMIT = 20
_POOL_FIELDS = ("hosts", "count", "labels", "taints")
ROLES = [("worker", _("Worker")), ("master", _("Master"))]
DAYS = [
    (0, _("Monday")),
    (1, _("Tuesday")),
    (2, _("Wednesday")),
    (3, _("Thursday")),
    (4, _("Friday")),
    (5, _("Saturday")),
    (6, _("Sunday")),
]
# Where a problem's path is not the field's own name.
_FIELDS = {
    "network.pod_cidr": "pod_cidr",
    "network.service_cidr": "service_cidr",
    "network.dns_domain": "dns_domain",
    "network.node_ports": "node_ports",
    "network.proxy_mode": "proxy_mode",
    "storage.default_class": "default_class",
    "maintenance_window.day": "window_day",
    "maintenance_window.start": "window_start",
    "maintenance_window.hours": "window_hours",
    "maintenance_window.time_zone": "window_time_zone",
}


class _Judged:
    """Required for the reader. Emptiness is judged by clusters.planning.plan, with all that is wrong besides."""

    def validate(self, value: Any) -> None:
        """Leave an empty value to the plan's rules."""
        if value not in forms.Field.empty_values:
            super().validate(value)  # type: ignore[misc]


class _Text(_Judged, forms.CharField):
    pass


class _Choice(_Judged, forms.ChoiceField):
    pass


class PlanForm(forms.Form):
    """A plan to be written or revised. `hosts` are those that may be chosen, in the order of their rows."""

    revision = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    pool_rows = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    name = _Text(
        label=_("Name"),
        max_length=200,
        help_text=_("Lower case letters, digits and hyphens. It cannot change later."),
    )
    region = _Choice(label=_("Region"))
    version = _Text(label=_("Kubernetes version"), max_length=40)
    runtime = _Choice(label=_("Container runtime"), choices=[("containerd", "containerd")])
    # No input of its own: the place where problems of hosts and pools are shown.
    hosts = forms.CharField(label=_("Compute"), required=False)
    pod_cidr = _Text(
        label=_("Pod network"),
        max_length=100,
        help_text=_("Each node gets 256 addresses of it: a /16 has room for 256 nodes."),
        widget=forms.TextInput(attrs={"class": "kc-mono"}),
    )
    service_cidr = _Text(
        label=_("Service network"),
        max_length=100,
        widget=forms.TextInput(attrs={"class": "kc-mono"}),
    )
    dns_domain = _Text(label=_("DNS domain"), max_length=300)
    node_ports = _Text(label=_("Node ports"), max_length=40)
    proxy_mode = _Choice(
        label=_("Service proxy"),
        choices=[
            ("iptables", _("iptables (works everywhere)")),
            ("nftables", _("nftables (fast with thousands of services)")),
        ],
    )
    default_class = _Choice(
        label=_("Default storage class"),
        choices=[
            ("none", _("None: a claim must name its class")),
            ("local", _("Local volumes, bound when first used")),
        ],
    )
    addons = forms.MultipleChoiceField(
        label=_("Add-ons"),
        choices=[("coredns", _("CoreDNS: names of services inside the cluster"))],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    window = forms.BooleanField(label=_("Keep a weekly maintenance window"), required=False)
    window_day = forms.ChoiceField(label=_("Day"), choices=DAYS, required=False)
    window_start = forms.CharField(label=_("Begins at"), max_length=40, required=False)
    window_hours = forms.IntegerField(label=_("Hours"), required=False)
    window_time_zone = forms.CharField(label=_("Time zone"), max_length=80, required=False)
    note = forms.CharField(
        label=_("Note"), max_length=200, required=False, help_text=_("For the history: why this change.")
    )

    def __init__(
        self,
        *args: Any,
        choosable: Sequence[Host],
        regions: Sequence[Region],
        bundles: Sequence[Bundle],
        spec: PlanSpec | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.choosable = list(choosable)
        self.problem_rows: dict[int, str] = {}
        self._set_region_choices(regions, spec)
        self._set_version_choices(bundles, spec)
        for host in self.choosable:
            self._add_host_fields(host)
        self.rows = self._count_pool_rows(spec)
        for number in range(self.rows):
            self._add_pool_fields(number)

    def _set_region_choices(self, regions: Sequence[Region], spec: PlanSpec | None) -> None:
        names = {region.name: str(region) for region in regions}
        if spec:
            names.setdefault(spec.region, spec.region)
        self.fields["region"].choices = list(names.items())  # type: ignore[attr-defined]

    def _set_version_choices(self, bundles: Sequence[Bundle], spec: PlanSpec | None) -> None:
        rows = {bundle.version: self._bundle_label(bundle) for bundle in bundles}
        if spec and spec.version not in rows:
            rows[spec.version] = gettext("%(version)s, no verified bundle") % {"version": spec.version}
        if rows:
            self.fields["version"].widget = forms.Select(choices=list(rows.items()))
        else:
            self.fields["version"].help_text = _("There is no release bundle yet: build one first.")

    @staticmethod
    def _bundle_label(bundle: Bundle) -> str:
        return gettext("%(version)s, bundle of %(date)s, signature checked") % {
            "version": bundle.version,
            "date": str(bundle.components.get("created_at", "–"))[:10],
        }

    def _add_host_fields(self, host: Host) -> None:
        self.fields[f"use-{host.name}"] = forms.BooleanField(required=False)
        self.fields[f"role-{host.name}"] = forms.ChoiceField(choices=ROLES, required=False)
        self.fields[f"pool-{host.name}"] = forms.CharField(max_length=100, required=False)

    def _count_pool_rows(self, spec: PlanSpec | None) -> int:
        if not self.is_bound:
            return min((len(spec.pools) if spec else 1) + 1, POOL_ROWS_LIMIT)
        text = str(self.data.get("pool_rows", ""))
        return min(int(text), POOL_ROWS_LIMIT) if text.isascii() and text.isdecimal() and len(text) < 4 else 1

    def _add_pool_fields(self, number: int) -> None:
        rows = {"rows": 2, "spellcheck": "false", "class": "kc-mono"}
        self.fields[f"pools-{number}-name"] = forms.CharField(label=_("Pool"), max_length=100, required=False)
        self.fields[f"pools-{number}-count"] = forms.IntegerField(
            label=_("Spare hosts"), required=False, widget=forms.NumberInput(attrs={"min": 0})
        )
        self.fields[f"pools-{number}-labels"] = forms.CharField(
            label=_("Labels"),
            max_length=5000,
            required=False,
            widget=forms.Textarea(attrs={**rows, "placeholder": "disk=ssd"}),
        )
        self.fields[f"pools-{number}-taints"] = forms.CharField(
            label=_("Taints"),
            max_length=5000,
            required=False,
            widget=forms.Textarea(attrs={**rows, "placeholder": "dedicated=gpu:NoSchedule"}),
        )

    # --- to a plan ---------------------------------------------------------------------------------------

    def spec_data(self) -> dict[str, Any]:
        """The plan as clusters.planning.plan.parse takes it; call after is_valid()."""
        values = self.cleaned_data
        chosen = [host.name for host in self.choosable if values.get(f"use-{host.name}")]
        return {
            "name": values["name"],
            "region": values["region"],
            "version": values["version"].removeprefix("v"),
            "runtime": values["runtime"] or "containerd",
            "masters": [name for name in chosen if values[f"role-{name}"] == "master"],
            "pools": self._pools([name for name in chosen if values[f"role-{name}"] != "master"]),
            "network": {
                field: values[field]
                for field in ("pod_cidr", "service_cidr", "dns_domain", "node_ports", "proxy_mode")
            },
            "storage": {"default_class": values["default_class"] or "none"},
            "addons": [addon for addon in ADDONS if addon in values["addons"]],
            "maintenance_window": self._window() if values["window"] else None,
        }

    def _pools(self, workers: Sequence[str]) -> list[dict[str, Any]]:
        members: dict[str, list[str]] = {}
        for name in workers:
            members.setdefault(self.cleaned_data[f"pool-{name}"] or "workers", []).append(name)
        pools: list[dict[str, Any]] = []
        for number in range(self.rows):
            row = self._pool_row(number)
            if row["name"] or row["count"] or row["labels"] or row["taints"]:
                self.problem_rows[len(pools)] = f"pools-{number}"
                pools.append({**row, "hosts": members.pop(row["name"], [])})
        pools += [{"name": name, "hosts": hosts} for name, hosts in members.items()]
        # A row with nothing but a name is how a pool is emptied: it is left out rather than refused.
        kept = [pool for pool in pools if not pool["name"] or any(pool.get(field) for field in _POOL_FIELDS)]
        self._follow(pools, kept)
        return kept

    def _follow(self, pools: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
        """Keep `problem_rows` pointing at the right rows after pools were left out."""
        places = {id(pool): index for index, pool in enumerate(kept)}
        self.problem_rows = {
            places[id(pools[index])]: prefix
            for index, prefix in self.problem_rows.items()
            if id(pools[index]) in places
        }

    def _pool_row(self, number: int) -> dict[str, Any]:
        values = self.cleaned_data
        return {
            "name": values[f"pools-{number}-name"],
            "count": values[f"pools-{number}-count"] or 0,
            "labels": dict(_pairs(values[f"pools-{number}-labels"])),
            "taints": list(_taints(values[f"pools-{number}-taints"])),
        }

    def _window(self) -> dict[str, Any]:
        values = self.cleaned_data
        hours = values["window_hours"]
        return {
            "day": int(values["window_day"] or 6),
            "start": values["window_start"] or "02:00",
            "hours": 4 if hours is None else hours,
            "time_zone": values["window_time_zone"] or "UTC",
        }

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Put each problem on its field, with the remedy, in the reader's language."""
        for problem in problems:
            text = f"{problem.message_in(gettext)} {problem.remedy_in(gettext)}".strip()
            self.add_error(self._field_of(problem.path), text)

    def _field_of(self, path: str) -> str | None:
        if path.startswith("pools.") and path.count(".") == 2:
            _pools, index, field = path.split(".")
            name = f"{self.problem_rows.get(int(index), '')}-{field}"
            return name if name in self.fields else "hosts"
        name = _FIELDS.get(path, "hosts" if path in ("masters", "pools") else path)
        return name if name in self.fields else None

    # --- for the page ------------------------------------------------------------------------------------

    def host_rows(self) -> list[dict[str, Any]]:
        """Each host with its three inputs."""
        return [
            {
                "host": host,
                "use": self[f"use-{host.name}"],
                "role": self[f"role-{host.name}"],
                "pool": self[f"pool-{host.name}"],
            }
            for host in self.choosable
        ]

    def pool_fields(self) -> list[dict[str, Any]]:
        """Each pool row with its four inputs."""
        return [
            {field: self[f"pools-{number}-{field}"] for field in ("name", "count", "labels", "taints")}
            for number in range(self.rows)
        ]


class AcceptForm(forms.Form):
    """Why a warning may stand."""

    reason = forms.CharField(label=_("Reason"), max_length=500)


class PlanFileForm(forms.Form):
    """A plan as YAML, from a file or pasted."""

    file = forms.FileField(label=_("File"), required=False)
    text = forms.CharField(
        label=_("Plan"),
        required=False,
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "kc-mono"}),
        help_text=_("As the plan page's “YAML” gives it."),
    )


def initial_of(spec: PlanSpec, revision: int) -> dict[str, Any]:
    """A plan as the form's initial values."""
    window = spec.maintenance_window
    values: dict[str, Any] = {
        "revision": revision,
        "name": spec.name,
        "region": spec.region,
        "version": spec.version,
        "runtime": spec.runtime,
        "pod_cidr": spec.network.pod_cidr,
        "service_cidr": spec.network.service_cidr,
        "dns_domain": spec.network.dns_domain,
        "node_ports": spec.network.node_ports,
        "proxy_mode": spec.network.proxy_mode,
        "default_class": spec.storage.default_class,
        "addons": list(spec.addons),
        "window": window is not None,
        "window_day": window.day if window else 6,
        "window_start": window.start if window else "02:00",
        "window_hours": window.hours if window else 4,
        "window_time_zone": window.time_zone if window else "UTC",
    }
    for name in spec.masters:
        values |= {f"use-{name}": True, f"role-{name}": "master"}
    for number, pool in enumerate(spec.pools):
        values[f"pools-{number}-name"] = pool.name
        values[f"pools-{number}-count"] = pool.count or None
        values[f"pools-{number}-labels"] = "\n".join(f"{key}={value}" for key, value in pool.labels.items())
        values[f"pools-{number}-taints"] = "\n".join(
            f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
            for taint in pool.taints
        )
        for name in pool.hosts:
            values |= {f"use-{name}": True, f"role-{name}": "worker", f"pool-{name}": pool.name}
    return values


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for line in _lines(text):
        key, _equals, value = line.partition("=")
        yield key.strip(), value.strip()


def _taints(text: str) -> Iterable[dict[str, str]]:
    for line in _lines(text):
        pair, colon, effect = line.rpartition(":")
        key, _equals, value = (pair if colon else line).partition("=")
        yield {
            "key": key.strip(),
            "value": value.strip(),
            "effect": effect.strip() if colon else "NoSchedule",
        }
