"""The status vocabulary: for each state its class, icon, English word, and place in "worst first".

Pure but for gettext, imports nothing of the product: any app may use it. Words are what people read; keys are what
code says. `get` answers "unknown" for a key it does not know, so a new state never breaks a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Status:
    """One word of the vocabulary. `css` is one of is-ok, is-run, is-warn, is-bad, is-off, is-unk."""

    key: str
    css: str
    icon: str
    word: Any
    turns: bool = False


# The order is "worst first".
VOCABULARY = (
    Status("down", css="is-bad", icon="circle-x", word=_("Down")),
    Status("failed", css="is-bad", icon="circle-x", word=_("Failed")),
    Status("unknown", css="is-unk", icon="circle-question-mark", word=_("Unknown")),
    Status("degraded", css="is-warn", icon="triangle-alert", word=_("Degraded")),
    Status("approval", css="is-warn", icon="hand", word=_("Needs approval")),
    Status("drifted", css="is-warn", icon="git-compare", word=_("Drifted")),
    Status("updating", css="is-run", icon="refresh-cw", word=_("Updating"), turns=True),
    Status("running", css="is-run", icon="loader-circle", word=_("Running"), turns=True),
    Status("pending", css="is-off", icon="circle-dashed", word=_("Pending")),
    Status("paused", css="is-off", icon="circle-pause", word=_("Paused")),
    Status("cordoned", css="is-off", icon="circle-slash", word=_("Cordoned")),
    Status("deleting", css="is-off", icon="trash", word=_("Deleting")),
    Status("healthy", css="is-ok", icon="circle-check", word=_("Healthy")),
    Status("succeeded", css="is-ok", icon="check", word=_("Succeeded")),
    Status("stopped", css="is-off", icon="circle-stop", word=_("Stopped")),
    Status("cancelled", css="is-off", icon="ban", word=_("Cancelled")),
    Status("skipped", css="is-off", icon="circle-minus", word=_("Skipped")),
)

# What rows call their states, in the vocabulary's keys; the word is the row's own.
ALIASES = {
    # clusters
    "draft": Status("pending", css="is-off", icon="circle-dashed", word=_("Draft")),
    "deploying": Status("running", css="is-run", icon="loader-circle", word=_("Deploying"), turns=True),
    "ready": Status("healthy", css="is-ok", icon="circle-check", word=_("Ready")),
    "resetting": Status("running", css="is-run", icon="loader-circle", word=_("Resetting"), turns=True),
    # hosts
    "new": Status("pending", css="is-off", icon="circle-dashed", word=_("New")),
    "unreachable": Status("down", css="is-bad", icon="circle-x", word=_("Unreachable")),
    # nodes
    "not-ready": Status("down", css="is-bad", icon="circle-x", word=_("Not ready")),
    # environments
    "creating": Status("running", css="is-run", icon="loader-circle", word=_("Creating"), turns=True),
    "frozen": Status("paused", css="is-off", icon="circle-pause", word=_("Frozen")),
    "removing": Status("deleting", css="is-off", icon="trash", word=_("Removing")),
    # release bundles
    "verified": Status("healthy", css="is-ok", icon="circle-check", word=_("Verified")),
    "refused": Status("failed", css="is-bad", icon="circle-x", word=_("Refused")),
    # messages of webhooks
    "delivered": Status("succeeded", css="is-ok", icon="check", word=_("Delivered")),
    # quotas
    "over-quota": Status("degraded", css="is-warn", icon="triangle-alert", word=_("Over quota")),
    # preflight checks
    "pass": Status("succeeded", css="is-ok", icon="check", word=_("Passed")),
    "warn": Status("degraded", css="is-warn", icon="triangle-alert", word=_("Warning")),
    "block": Status("failed", css="is-bad", icon="circle-x", word=_("Blocks")),
}

_BY_KEY = {status.key: status for status in VOCABULARY}
_RANK = {status.key: rank for rank, status in enumerate(VOCABULARY)}


def get(key: str) -> Status:
    """The status called `key`, by its own name or an alias; "unknown" for anything else."""
    return _BY_KEY.get(key) or ALIASES.get(key) or _BY_KEY["unknown"]


def rank(key: str) -> int:
    """0 is worst."""
    return _RANK[get(key).key]


def worst(keys: Iterable[str]) -> Status | None:
    """The worst of several states; None of none."""
    found = sorted(keys, key=rank)
    return get(found[0]) if found else None
