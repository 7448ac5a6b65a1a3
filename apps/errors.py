"""What can go wrong with applications, named by condition. Each says what, why and the remedy, like clusters.errors.

Raised by services and adapters, shown by views and operations. Nothing below this module but the clusters' errors.
"""

from __future__ import annotations

from collections.abc import Iterable

from clusters.errors import ClusterError, ValueRefused
from clusters.problems import Problem

__all__ = [
    "AppError",
    "AppRefused",
    "AppStillUsed",
    "ConfigurationChanged",
    "ConfigurationInvalid",
    "ConfigurationRefused",
    "FourEyes",
    "HealingRefused",
    "ImageError",
    "ImageForbidden",
    "ImageNameRefused",
    "ImageNotFound",
    "ImageStillUsed",
    "LogStoreUnreachable",
    "RegistryRefused",
    "RegistryUnreachable",
    "ReleasePinned",
    "ReleaseRefused",
    "SpecInvalid",
    "ValueRefused",
    "WorkloadRefused",
]


class AppError(ClusterError):
    """The base."""


class AppRefused(AppError):
    """The application, or its tenant, is not in a state in which this can be done."""


class AppStillUsed(AppError):
    """What runs, or waits in a bin, cannot be removed; `why` names it."""


class ReleaseRefused(AppError):
    """The release cannot be published or deployed as it is."""


class ReleasePinned(AppError):
    """The release failed in this environment and is kept out of it until somebody lifts that."""


class WorkloadRefused(AppError):
    """The workload, its environment or its cluster is not in a state in which this can be done."""


class HealingRefused(AppError):
    """A suggestion of self-healing was decided already, or no longer fits what runs."""


class LogStoreUnreachable(AppError):
    """The store of log lines does not answer as one."""


class SpecInvalid(Exception):
    """A release's specification is refused; `problems` holds everything found, in its own order. Nothing was saved."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        texts = (f"{each.path or 'spec'}: {each.message} {each.remedy}".strip() for each in self.problems)
        super().__init__("; ".join(texts))


# --- configuration --------------------------------------------------------------------------------


class ConfigurationInvalid(SpecInvalid):
    """A configuration is refused; `problems` holds everything found, by entry. Nothing was saved."""


class ConfigurationRefused(AppError):
    """The revision is not in a state in which this can be done."""


class ConfigurationChanged(AppError):
    """Somebody else saved or published meanwhile."""


class FourEyes(AppError):
    """Where two have to look, nobody publishes what they wrote, or approves what they asked for, themselves."""


class ApprovalDecided(AppError):
    """Somebody else decided on the request for a deployment first."""


# --- images and registries ------------------------------------------------------------------------


class ImageError(AppError):
    """The base of what goes wrong with images."""


class ImageNameRefused(ImageError):
    """The text names no image."""


class ImageNotFound(ImageError):
    """The registry has no such repository, tag or digest."""


class ImageForbidden(ImageError):
    """The registry, or the tenant's rights, refuse this image to whoever asks."""


class RegistryUnreachable(ImageError):
    """The registry does not answer as one: refused, timed out, wrong certificate, too busy, garbage."""


class ImageStillUsed(ImageError):
    """What a workload runs, or would go back to, is not deleted; `why` names it."""


class RegistryRefused(ImageError):
    """The registry answered, and said no to a change."""
