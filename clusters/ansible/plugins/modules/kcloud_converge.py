#!/usr/bin/python
"""Make one host what it shall be for one step, in one task, and say exactly what was changed.

Order: absent units, kernel settings, directories, files, absent paths, packages, images, units, waits. Everything is
compared first; a second run changes nothing. One task instead of dozens, since the number of host-tasks is what
deploying costs.
"""

from ansible.module_utils import kcloud_fence, kcloud_files, kcloud_packages, kcloud_units
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kcloud_host import Failure, from_os_error

DOCUMENTATION = r"""
---
module: kcloud_converge
short_description: Make a host what it shall be for one step of a deployment
description:
  - Converges kernel settings, directories, files, packages, images and systemd units, then waits for readiness.
  - Refuses to work when a newer operation has been on the host (O(fence)).
options:
  fence: {description: Number of the operation and of the attempt, type: dict, required: true}
  kernel_settings: {description: Settings by name as sysctl knows them, type: dict}
  directories: {description: Directories with path and mode, type: list, elements: dict}
  files: {description: Files with path, mode and content or secret_content, type: list, elements: dict}
  absent_units: {description: Units that shall neither run nor be there, type: list, elements: str}
  absent: {description: Paths that shall not be there, type: list, elements: str}
  repository: {description: Directory of the local package repository, type: str}
  packages: {description: Packages that shall be installed, type: list, elements: str}
  images: {description: Archives of container images, type: list, elements: str}
  units: {description: Units that shall run with their present configuration, type: list, elements: dict}
  waits: {description: Addresses that shall answer 200 before the task ends, type: list, elements: dict}
author: KCloud
"""
EXAMPLES = r"""
- name: Run the store
  kcloud_converge:
    fence: "{{ kcloud_fence }}"
    units: [{name: etcd.service, restart_on: [/etc/kubernetes/pki/etcd.crt]}]
"""
RETURN = r"""
changes:
  description: What was changed, one line each; empty when nothing was.
  returned: always
  type: list
"""

FILE = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "content": {"type": "str"},
    "secret_content": {"type": "str", "no_log": True},
}
UNIT = {
    "name": {"type": "str", "required": True},
    "restart_on": {"type": "list", "elements": "str", "default": []},
    "block": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 150},
}
WAIT = {
    "url": {"type": "str", "required": True},
    "authority": {"type": "str", "default": ""},
    "unit": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 90},
}
ARGUMENTS = {
    "fence": {
        "type": "dict",
        "required": True,
        "options": {
            "owner": {"type": "str", "required": True},
            "operation": {"type": "int", "required": True},
            "fencing": {"type": "int", "required": True},
        },
    },
    "kernel_settings": {"type": "dict", "default": {}},
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "path", "required": True}, "mode": {"type": "str", "default": "0755"}},
    },
    "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
    "absent_units": {"type": "list", "elements": "str", "default": []},
    "absent": {"type": "list", "elements": "str", "default": []},
    "repository": {"type": "str", "default": ""},
    "packages": {"type": "list", "elements": "str", "default": []},
    "images": {"type": "list", "elements": "str", "default": []},
    "units": {"type": "list", "elements": "dict", "default": [], "options": UNIT},
    "waits": {"type": "list", "elements": "dict", "default": [], "options": WAIT},
}


def converge(wanted, changes):
    """Bring everything about; `changes` grows as things are done, so that a failure can say how far it came."""
    changes += kcloud_units.absent(wanted["absent_units"])
    changes += kcloud_files.kernel_settings(wanted["kernel_settings"])
    changes += kcloud_files.directories(wanted["directories"])
    written = kcloud_files.files(wanted["files"])
    changes += written
    changes += kcloud_files.absent(wanted["absent"])
    changes += kcloud_packages.install(wanted["repository"], wanted["packages"])
    unit_files = any(kcloud_units.UNITS in line for line in written)
    # Images need the runtime, so units that are not ours to wait for come first only when there are images.
    changes += kcloud_units.converge(wanted["units"], unit_files)
    changes += kcloud_packages.import_images(wanted["images"])
    kcloud_units.wait_all(wanted["waits"])


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    changes = []
    try:
        lock = kcloud_fence.take(**module.params["fence"])
        converge(module.params, changes)
    except kcloud_fence.Refused as refused:
        module.fail_json(msg=str(refused), kcloud={"code": "fenced", "subject": "", "evidence": str(refused)})
    except Failure as failure:
        module.fail_json(msg=str(failure), kcloud=failure.as_result(), changes=changes)
    except OSError as error:
        module.fail_json(msg=str(error), kcloud=from_os_error(error).as_result(), changes=changes)
    del lock
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
