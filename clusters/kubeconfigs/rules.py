"""Why a kubeconfig is refused: one readable table of rules, each with reason and remedy. Pure.

Texts are marked here and translated by whoever shows them (clusters.problems.Problem).
"""

from __future__ import annotations

from collections.abc import Callable

from clusters.errors import KubeconfigRefused
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

Refuse = Callable[..., KubeconfigRefused]

_EMBED = _("Make a self-contained one: kubectl config view --minify --flatten --raw.")
_SERVICE_ACCOUNT = _("Use a service account's token, or a client certificate with its key.")
_ONLY = _("Leave only the server, its authority, and a token or a client certificate with its key.")

RULES: dict[str, tuple[str, str]] = {
    # --- the file
    "too-large": (
        _("The file is larger than %(limit)d KiB; a kubeconfig of one cluster is a few KiB."),
        _EMBED,
    ),
    "empty": (_("The kubeconfig is empty."), _("Paste the whole file, or choose it.")),
    "nul": (_("The file holds a NUL byte: it is not text."), _("Choose the kubeconfig itself.")),
    "not-utf8": (_("The file is not UTF-8 text (byte %(byte)d)."), _("Save it as UTF-8.")),
    "bad-yaml": (_("The file is not valid YAML: line %(line)d."), _("Copy it again, with its indentation.")),
    "not-a-mapping": (_("The file is YAML, but not a kubeconfig."), _("Choose the kubeconfig itself.")),
    "many-documents": (_("The file holds more than one document."), _("Leave one kubeconfig in it.")),
    "alias": (_("The file uses YAML anchors or aliases (line %(line)d)."), _("Write the values out.")),
    "tag": (
        _("The file uses a YAML tag (line %(line)d), which could make a loader run code."),
        _("Remove it."),
    ),
    "directive": (_("The file begins with a YAML directive."), _("Remove the line that begins with %%.")),
    "too-deep": (_("The file is nested too deeply (line %(line)d)."), _ONLY),
    "too-many": (_("The file holds too many values."), _EMBED),
    "bad-key": (_("A key is not plain text (line %(line)d)."), _ONLY),
    "duplicate-key": (_("The key %(key)s stands twice (line %(line)d)."), _("Keep the one that is meant.")),
    # --- its shape
    "not-a-kubeconfig": (
        _("The file does not say apiVersion v1 and kind Config."),
        _("Choose the kubeconfig itself."),
    ),
    "wrong-shape": (_("%(key)s has not the shape a kubeconfig has."), _EMBED),
    "unknown-key": (_("The key %(key)s is not one the portal takes."), _ONLY),
    "duplicate-name": (_("The name %(name)s stands twice."), _("Keep the one that is meant.")),
    "no-current-context": (_("The file does not say which context to use."), _("Set current-context.")),
    "dangling": (_("%(name)s is named, but is not among the %(list)s."), _EMBED),
    # --- what would make a client act
    "exec": (
        _("The user signs in by running a program (exec); the portal never runs what a file names."),
        _SERVICE_ACCOUNT,
    ),
    "auth-provider": (_("The user signs in through a client plug-in (auth-provider)."), _SERVICE_ACCOUNT),
    "path": (_("%(key)s names a file; the portal never reads files a kubeconfig names."), _EMBED),
    "proxy": (
        _("proxy-url would send the cluster's traffic through a machine the file names."),
        _("Remove it; the portal must reach the API server itself."),
    ),
    "insecure": (
        _("insecure-skip-tls-verify would let any machine pose as the cluster."),
        _("Remove it, and give certificate-authority-data."),
    ),
    "impersonation": (
        _("%(key)s makes the portal act as somebody else."),
        _("Remove it; give the access of the user the portal shall be."),
    ),
    "password": (_("User name and password are not taken; Kubernetes dropped them."), _SERVICE_ACCOUNT),
    # --- the server
    "no-server": (_("The cluster has no server address."), _("Give server: https://…")),
    "not-https": (
        _("The server address does not begin with https://."),
        _("Give the API server's https address."),
    ),
    "userinfo": (_("The server address holds a user name or password."), _("Remove everything up to the @.")),
    "query": (_("The server address holds a query or fragment."), _("Remove everything from ? or #.")),
    "bad-url": (_("The server address is not a valid URL."), _("Write it as https://name-or-address:port.")),
    "bad-port": (_("The server's port is not between 1 and 65535."), _("Correct the port.")),
    "bad-host": (_("The server's name is not a valid host name."), _("Write a DNS name or an IP address.")),
    "odd-address": (
        _("The server's address is written in an unusual form, which can hide where it leads."),
        _("Write it in the usual form: four decimal numbers, or plain IPv6."),
    ),
    "internal-address": (
        _("The server's address %(address)s is internal (%(reason)s)."),
        _("Give an address other machines reach, or allow internal addresses for this cluster."),
    ),
    # --- keys and certificates
    "no-authority": (
        _("The cluster has no certificate authority, so nobody can tell whether the right server answers."),
        _("Give certificate-authority-data."),
    ),
    "no-sign-in": (_("The user has neither a token nor a client certificate."), _SERVICE_ACCOUNT),
    "two-sign-ins": (_("The user has both a token and a client certificate."), _("Keep one of the two.")),
    "no-certificate": (_("The client key has no certificate."), _("Give client-certificate-data as well.")),
    "no-key": (_("The client certificate has no key."), _("Give client-key-data as well.")),
    "bad-token": (_("The token holds characters no token has, or is too long."), _("Copy the token again.")),
    "bad-base64": (_("%(key)s is not base64."), _("Copy the value again, whole.")),
    "bad-certificate": (_("%(key)s holds no certificate in PEM form."), _("Copy the value again, whole.")),
    "bad-key-pem": (_("The client key is no private key in PEM form."), _("Copy the value again, whole.")),
    "encrypted-key": (
        _("The client key is protected by a passphrase."),
        _("Give the key without passphrase."),
    ),
    "mismatch": (
        _("The client key does not belong to the client certificate."),
        _("Give the pair that belongs together."),
    ),
}


def refuse(code: str, place: str, **facts: str | int) -> KubeconfigRefused:
    """The error for one rule at one place in the file; raise it."""
    text, fix = RULES[code]
    return KubeconfigRefused(Problem(path=place[:200], code=code, text=text, fix=fix, facts=facts))
