#!/usr/bin/python
"""Say which files of a release bundle a host does not have yet. The action of the same name then streams those."""

import hashlib
import os
import shutil

from ansible.module_utils import kcloud_fence
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kcloud_host import Failure, from_os_error

DOCUMENTATION = r"""
---
module: kcloud_bundle
short_description: Bring files of a release bundle to a host
description:
  - Compares the host's copy with the given sizes and sha256 sums, and streams what is missing or different
    in one go over the connection Ansible has open already; every byte is checked on arrival.
options:
  fence: {description: Number of the operation and of the attempt, type: dict, required: true}
  source: {description: The bundle's directory on the portal, type: path, required: true}
  directory: {description: Where the files go on the host, type: path, required: true}
  files: {description: Files with path, size, sha256 and mode, type: list, elements: dict, required: true}
author: KCloud
"""
EXAMPLES = r"""
- name: Bring the release
  kcloud_bundle:
    fence: "{{ kcloud_fence }}"
    source: /var/lib/kcloud/bundles/1.34.4
    directory: /opt/kcloud/1.34.4
    files: [{path: bin/etcd, size: 1, sha256: "…", mode: "0755"}]
"""
RETURN = r"""
changes:
  description: What was brought, one line each; empty when everything was there.
  returned: always
  type: list
"""

FENCE = {
    "owner": {"type": "str", "required": True},
    "operation": {"type": "int", "required": True},
    "fencing": {"type": "int", "required": True},
}
# What must stay free after the copy: packages, images and logs still have to find room.
RESERVE = 1 << 30


def missing(directory, files):
    """Paths of files that are absent or not what they should be."""
    return [item["path"] for item in files if not _is_right(os.path.join(directory, item["path"]), item)]


def _is_right(path, item):
    try:
        return os.stat(path).st_size == int(item["size"]) and _sha256(path) == item["sha256"]
    except OSError:
        return False


def _sha256(path):
    with open(path, "rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else _slow(file)
        )


def _slow(file):
    total = hashlib.sha256()
    while block := file.read(1 << 20):
        total.update(block)
    return total.hexdigest()


def refuse_full(directory, needed):
    """A copy that cannot fit is not begun."""
    free = shutil.disk_usage(directory).free
    if needed and free < needed + RESERVE:
        said = "%d MB are free in %s, %d MB are needed" % (free >> 20, directory, (needed + RESERVE) >> 20)
        raise Failure("disk-full", directory, said)


def main():
    module = AnsibleModule(
        argument_spec={
            "fence": {"type": "dict", "required": True, "options": FENCE},
            "source": {"type": "path", "required": True},
            "directory": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "required": True},
        }
    )
    directory, files = module.params["directory"], module.params["files"]
    try:
        lock = kcloud_fence.take(**module.params["fence"])
        os.makedirs(directory, mode=0o755, exist_ok=True)
        wanted = missing(directory, files)
        refuse_full(directory, sum(int(item["size"]) for item in files if item["path"] in set(wanted)))
    except kcloud_fence.Refused as refused:
        module.fail_json(msg=str(refused), kcloud={"code": "fenced", "subject": "", "evidence": str(refused)})
    except Failure as failure:
        module.fail_json(msg=str(failure), kcloud=failure.as_result())
    except OSError as error:
        module.fail_json(msg=str(error), kcloud=from_os_error(error).as_result())
    del lock
    module.exit_json(changed=bool(wanted), missing=wanted)


if __name__ == "__main__":
    main()
