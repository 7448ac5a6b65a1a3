"""systemd units brought to run with their present configuration, and waiting until something answers.

What a unit was last started with is remembered as a digest, written after the start: a run that was cut off between
writing a file and restarting its unit is made good by the next one.
"""

import http.client
import json
import os
import ssl
import time
import urllib.parse

from ansible.module_utils import kcloud_files
from ansible.module_utils.kcloud_host import Failure, journal, run

UNITS = "/etc/systemd/system"
APPLIED = "/var/lib/kcloud/units"


def converge(wanted, reload_needed):
    """Enable and (re)start units in their order; answers changes."""
    changes = []
    pending = [item for item in wanted if not _is_current(item)]
    fresh = [item["name"] for item in wanted if _enable(item["name"])]
    if reload_needed or pending or fresh:
        run(["systemctl", "daemon-reload"], "unit-start", "daemon-reload")
    changes += ["enabled %s" % name for name in fresh]
    for item in pending:
        was_active = _state(item["name"]) == "active"
        _restart(item)
        changes.append(("restarted %s" if was_active else "started %s") % item["name"])
    return changes


def absent(names):
    """Stop units and take their files away; answers changes."""
    changes = []
    for name in names:
        own = "%s/%s" % (UNITS, name)
        if not os.path.lexists(own):
            continue
        run(["systemctl", "disable", "--now", name], "unit-stop", name, timeout=150)
        kcloud_files.absent([own, os.path.join(APPLIED, name)])
        changes.append("stopped and removed %s" % name)
    if changes:
        run(["systemctl", "daemon-reload"], "unit-stop", "daemon-reload")
    return changes


def _enable(name):
    """Started at every boot. Done by hand: `systemctl enable` reloads everything each time."""
    link = "%s/multi-user.target.wants/%s" % (UNITS, name)
    own = "%s/%s" % (UNITS, name)
    if os.path.lexists(link) or not os.path.exists(own):
        return False
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(own, link)
    return True


def _is_current(item):
    if _state(item["name"]) not in ("active", "activating", "reloading"):
        return False
    try:
        return kcloud_files.read(os.path.join(APPLIED, item["name"])).decode() == _digest(item)
    except OSError:
        return False


def _digest(item):
    return kcloud_files.digest(["%s/%s" % (UNITS, item["name"]), *item["restart_on"]])


def _restart(item):
    name = item["name"]
    wanted = _digest(item)
    arguments = ["systemctl", "restart", *([] if item["block"] else ["--no-block"]), name]
    # A unit that failed too often before is given a new chance.
    run(["systemctl", "reset-failed", name], "unit-start", check=False)
    try:
        run(arguments, "unit-start", name, timeout=item["timeout"])
    except Failure as failure:
        raise Failure(failure.code, name, journal(name) or failure.evidence) from None
    os.makedirs(APPLIED, mode=0o700, exist_ok=True)
    with open(os.path.join(APPLIED, name), "w") as file:
        file.write(wanted)


def _state(name):
    return run(["systemctl", "is-active", name], "unit-start", check=False).strip()


def wait_all(waits):
    """Wait until each address answers 200, in turn. The unit behind it is looked at meanwhile."""
    for item in waits:
        _wait(item)


def _wait(item):
    until = time.monotonic() + item["timeout"]
    seen, looked_at = "", time.monotonic()
    while True:
        status, seen = _ask(item)
        if status == 200:
            return
        now = time.monotonic()
        if item["unit"] and now - looked_at > 1:
            looked_at = now
            if _state(item["unit"]) == "failed":
                raise Failure("unit-start", item["unit"], journal(item["unit"]))
        if now > until:
            said = journal(item["unit"]) if item["unit"] else seen
            raise Failure("not-ready", item["unit"] or item["url"], said or seen)
        time.sleep(0.1)


def _ask(item):
    """(status, what was seen). The certificate is checked when an authority is given; loopback health ports sign
    their own."""
    parts = urllib.parse.urlsplit(item["url"])
    context = ssl.create_default_context(cafile=item["authority"] or None)
    if not item["authority"]:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=3, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=3)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        return answer.status, "%d %s" % (answer.status, answer.read(300).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return 0, json.dumps(str(error))
    finally:
        connection.close()
