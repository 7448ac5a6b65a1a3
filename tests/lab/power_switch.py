"""What a machine's management controller is to a real host, for lab hosts: powers a container off and tells whether it
is off. Run by `script` as a program of its own, without anything of the portal's environment but one secret."""

import os
import sys
from pathlib import Path

from clusters.lab import faults, hosts

SECRET = "only-of-the-lab"


def script(path):
    """A program at `path` that the portal may be told to run."""
    root = Path(__file__).resolve().parents[2]
    kept = ("HOME", "PATH", "KCLOUD_HOME", "KCLOUD_STATE")
    words = " ".join(f'{name}="{os.environ[name]}"' for name in kept if name in os.environ)
    program = f"exec env {words} {sys.executable} -m tests.lab.power_switch"
    path.write_text(f'#!/bin/sh\ncd {root} || exit 9\n{program} "$@"\n')
    path.chmod(0o700)
    return str(path)


def state(lab, host):
    """As the engine has it: running, exited."""
    return next(each.state for each in hosts.status(name=lab) if each.name == host)


def main(act, lab, host):
    if os.environ.get("FENCING_SECRET") != SECRET:
        print("access denied")
        return 1
    if act == "off" and state(lab, host) == "running":
        faults.kill(hosts.get(lab).host(host))
    print(f"power of {host} is {'on' if state(lab, host) == 'running' else 'off'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
