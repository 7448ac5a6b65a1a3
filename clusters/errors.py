"""What can go wrong with clusters and hosts, named by condition. Each says what, why and the remedy.

Raised by adapters and services, shown by views and operations. Nothing below this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clusters.problems import Problem


class ClusterError(Exception):
    """The base: `what` happened, `why`, and what to do about it (`remedy`). str() is all three as one
    text."""

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        self.what, self.why, self.remedy = str(what), str(why), str(remedy)
        super().__init__(str(self))

    def __str__(self) -> str:
        return " ".join(sentence(part) for part in (self.what, self.why, self.remedy) if part)


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends one already."""
    return text if text.endswith((".", "。", "!", "?")) else f"{text}."


# --- the Kubernetes API --------------------------------------------------------------------------


class ClusterUnreachable(ClusterError):
    """No API server of the cluster answered as one: refused, timed out, cut off, wrong certificate,
    garbage."""


class AddressRefused(ClusterError):
    """An address the portal must not talk to: loopback, link-local, metadata, its own networks."""


class ClusterRefused(ClusterError):
    """The API server answered, and said no: `status` is HTTP's, `reason` Kubernetes' ("Forbidden")."""

    def __init__(
        self, what: str, why: str = "", remedy: str = "", *, status: int = 0, reason: str = ""
    ) -> None:
        super().__init__(what, why, remedy)
        self.status = status
        self.reason = reason


class ResourceNotFound(ClusterRefused):
    """The object, or its kind, is not there."""


class ResourceConflict(ClusterRefused):
    """Somebody else owns fields we would set (`fields`), or the object changed meanwhile."""

    def __init__(
        self,
        what: str,
        why: str = "",
        remedy: str = "",
        *,
        status: int = 409,
        reason: str = "Conflict",
        fields: Sequence[str] = (),
    ) -> None:
        super().__init__(what, why, remedy, status=status, reason=reason)
        self.fields = tuple(fields)


class WatchExpired(ClusterRefused):
    """The version to watch from is too old (410 Gone): list again, then watch from there."""


# --- kubeconfigs ---------------------------------------------------------------------------------


class KubeconfigRefused(ClusterError):
    """An uploaded kubeconfig is not taken: `problem` names the rule (code), the place in the file (path),
    what is wrong and the remedy, each to be said in the reader's language."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message_in(str), "", problem.remedy_in(str))
        self.problem = problem
        self.code = problem.code
        self.field = problem.path


# --- hosts over SSH ------------------------------------------------------------------------------


class HostError(ClusterError):
    """Something about one host: the base of what talking to it over SSH can end with."""


class HostUnreachable(HostError):
    """No SSH server answered at the host's address: refused, timed out, no route, broke off."""


class HostKeyMissing(HostError):
    """No host key has been recorded yet, so nobody knows whom we would be talking to."""


class HostKeyChanged(HostError):
    """The host shows another key than the recorded one: every run stops. Both as fingerprints (SHA256:…)."""

    def __init__(
        self, what: str, why: str = "", remedy: str = "", *, recorded: str = "", seen: str = ""
    ) -> None:
        super().__init__(what, why, remedy)
        self.recorded = recorded
        self.seen = seen  # empty when ssh did not say


class SignInRefused(HostError):
    """The host answered but does not take the credential."""


class SudoRefused(HostError):
    """Signed in, but the user may not become root without a password."""


class ScriptFailed(HostError):
    """What was run on the host ended badly, took too long or said too much. `status` None: it was stopped."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, status: int | None = None) -> None:
        super().__init__(what, why, remedy)
        self.status = status


class FactsUnreadable(HostError):
    """What a host answered to the facts probe is not what the probe prints. `field` names the place."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, field: str = "") -> None:
        super().__init__(what, why, remedy)
        self.field = field


# --- regions, credentials and hosts as records ---------------------------------------------------


class ValueRefused(ClusterError):
    """A value of a form or file cannot be had; `field` names it. Never repeats a secret."""

    def __init__(self, field: str, what: str, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.field = field


class StillInUse(ClusterError):
    """What other things depend on cannot be deleted; `why` names them."""


# --- environments -----------------------------------------------------------------------------------


class EnvironmentRefused(ClusterError):
    """The environment, its tenant or its cluster is not in a state in which this can be done."""


# --- plans ------------------------------------------------------------------------------------------


class NodeRefused(ClusterError):
    """The node is not in a state in which this can be done."""


class FencingFailed(ClusterError):
    """The program that powers machines off could not be run, or did not end as it should."""


class PlanChanged(ClusterError):
    """Somebody saved a newer revision meanwhile (412): `number` is theirs. Nothing of yours was saved."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, number: int = 0) -> None:
        super().__init__(what, why, remedy)
        self.number = number


class PlanLocked(ClusterError):
    """The plan cannot be edited, checked or discarded in the cluster's present state."""


class OverrideRefused(ClusterError):
    """A check's verdict cannot be accepted: it blocks, it passed, it is old, or no reason was given."""


# --- quotas and requests ------------------------------------------------------------------------------


class QuotaExceeded(ClusterError):
    """A share does not fit into what the tenant has free: `lacking` is by how much, by resource (Resources.parts)."""

    def __init__(
        self, what: str, why: str = "", remedy: str = "", *, lacking: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(what, why, remedy)
        self.lacking = dict(lacking or {})


class QuotaInUse(ClusterError):
    """A total would be smaller than what is carved out of it; `why` names the sum."""


class RequestDecided(ClusterError):
    """Somebody was faster: the request is not open any more. `why` says who and what."""


class RequestRefused(ClusterError):
    """The person may not do this with the request (approve one's own), or it is not in the state for it."""


class RequestImpossible(ClusterError):
    """What was asked for and approved cannot be had any more."""
