"""What went wrong on a host, in words: from a code of our modules, or from what Ansible and ssh said, to what, why and
remedy. Nothing here talks to anything; the evidence is the host's own text and is only quoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

LONGEST_EVIDENCE = 1500


class Explained(NamedTuple):
    """Three sentences for a person."""

    what: str
    why: str
    remedy: str


# code: (what, remedy). %(subject)s: a file, unit or package.
_WORDS = {
    "disk-full": (
        gettext_noop("The disk of %(host)s is full"),
        gettext_noop("Free space on the host (about 3 GB are needed under /opt and /var). Then resume."),
    ),
    "read-only": (
        gettext_noop("A file system of %(host)s cannot be written to"),
        gettext_noop("Look at the host's kernel log for disk errors and mount it writable. Then resume."),
    ),
    "file": (
        gettext_noop("%(subject)s cannot be written on %(host)s"),
        gettext_noop("Look at what is in its place on the host. Then resume."),
    ),
    "kernel-setting": (
        gettext_noop("The kernel of %(host)s does not take the setting %(subject)s"),
        gettext_noop("Allow the setting on the host (a container may not be let). Then resume."),
    ),
    "package-index": (
        gettext_noop("The package system of %(host)s does not answer"),
        gettext_noop("Run apt-get update and dpkg --audit on the host and mend what they say. Then resume."),
    ),
    "package-install": (
        gettext_noop("Packages could not be installed on %(host)s: %(subject)s"),
        gettext_noop("Run dpkg --audit on the host and mend what it says. Then resume."),
    ),
    "package-remove": (
        gettext_noop("Packages could not be removed from %(host)s: %(subject)s"),
        gettext_noop("Run dpkg --audit on the host and mend what it says. Then resume."),
    ),
    "image-import": (
        gettext_noop("The image archive %(subject)s could not be imported on %(host)s"),
        gettext_noop("Look at the journal of containerd on the host. Then resume."),
    ),
    "runtime": (
        gettext_noop("The container runtime of %(host)s does not answer"),
        gettext_noop("Look at the journal of containerd on the host. Then resume."),
    ),
    "unit-start": (
        gettext_noop("%(subject)s does not start on %(host)s"),
        gettext_noop("Its last lines are above; mend what they name on the host. Then resume."),
    ),
    "unit-stop": (
        gettext_noop("%(subject)s does not stop on %(host)s"),
        gettext_noop("Look at its processes on the host, or restart the host. Then resume."),
    ),
    "not-ready": (
        gettext_noop("%(subject)s runs on %(host)s but does not become ready"),
        gettext_noop("Its last lines are above; mend what they name. Then resume."),
    ),
    "not-reached": (
        gettext_noop("The pod on %(subject)s is not reached from %(host)s"),
        gettext_noop("Look at firewalls and routes between the two hosts. Then resume."),
    ),
    "not-enforced": (
        gettext_noop("Network policies do not hold: a pod on %(host)s reaches what is closed on %(subject)s"),
        gettext_noop("Look at the journal of kcloud-network-policy on both hosts. Then resume."),
    ),
    "checksum": (
        gettext_noop("%(subject)s arrived on %(host)s with other bytes than it was sent with"),
        gettext_noop("Look at the host's disk and memory for errors, and verify the bundle. Then resume."),
    ),
    "copy": (
        gettext_noop("Copying to %(host)s was cut off"),
        gettext_noop("Look at the network between the portal and the host. Then resume."),
    ),
    "bundle-file": (
        gettext_noop("A file of the release bundle is missing: %(subject)s"),
        gettext_noop("Build or copy the bundle again and verify it. Then resume."),
    ),
    "time-out": (
        gettext_noop("%(subject)s took too long on %(host)s"),
        gettext_noop("Look at the host's load and disks. Then resume."),
    ),
    "fenced": (
        gettext_noop("Another run works on %(host)s"),
        gettext_noop(
            "Wait until it has ended, then resume. If there is none, restart the host or remove /run/kcloud."
        ),
    ),
    "network": (
        gettext_noop("The network of %(host)s could not be changed: %(subject)s"),
        gettext_noop("Look at the host's interfaces and packet rules. Then resume."),
    ),
}
_DISK_WORDS = ("No space left on device", "Disk quota exceeded")


def explain(host: str, failure: Mapping[str, str]) -> Explained:
    """Words for a failure on a host whose SSH connection worked."""
    code, subject = failure.get("code", ""), failure.get("subject", "")
    evidence = failure.get("evidence", "").strip()[-LONGEST_EVIDENCE:]
    if code not in _WORDS:
        code = _guess(evidence)
    if code in _WORDS:
        what, remedy = _WORDS[code]
        return Explained(_(what) % {"host": host, "subject": subject or "?"}, evidence, _(remedy))
    return Explained(
        _("A task failed on %(host)s") % {"host": host},
        evidence,
        _("Look at the host and at the log above. Then resume."),
    )


def is_connection(failure: Mapping[str, str]) -> bool:
    """Whether this is about reaching the host at all (the SSH adapter has the words for that)."""
    return failure.get("code") == "unreachable" or _is_sudo(failure.get("evidence", ""))


def _is_sudo(evidence: str) -> bool:
    return "sudo: a password is required" in evidence or "Missing sudo password" in evidence


def _guess(evidence: str) -> str:
    return "disk-full" if any(words in evidence for words in _DISK_WORDS) else ""
