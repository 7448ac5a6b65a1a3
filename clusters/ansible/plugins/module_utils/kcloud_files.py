"""Files, directories and kernel settings made as wanted; each function answers what it changed, in words."""

import hashlib
import os
import shutil
import tempfile

from ansible.module_utils.kcloud_host import Failure, from_os_error


def directories(wanted):
    changes = []
    for item in wanted:
        path, mode = item["path"], int(item["mode"], 8)
        try:
            if not os.path.isdir(path):
                os.makedirs(path)
                os.chmod(path, mode)
                changes.append("made %s" % path)
            elif os.stat(path).st_mode & 0o7777 != mode:
                os.chmod(path, mode)
                changes.append("set the mode of %s" % path)
        except OSError as error:
            raise from_os_error(error, path) from error
    return changes


def files(wanted):
    """Write what differs, whole or not at all: a new file beside the old one, renamed over it."""
    changes = []
    for item in wanted:
        text = item["secret_content"] if item["secret_content"] is not None else item["content"]
        change = _file(item["path"], (text or "").encode(), int(item["mode"], 8))
        if change:
            changes.append(change)
    return changes


def _file(path, content, mode):
    try:
        there = os.path.isfile(path)
        if there and read(path) == content:
            if os.stat(path).st_mode & 0o7777 == mode and os.stat(path).st_uid == 0:
                return ""
            os.chown(path, 0, 0)
            os.chmod(path, mode)
            return "set the mode of %s" % path
        _replace(path, content, mode)
    except OSError as error:
        raise from_os_error(error, path) from error
    return ("changed %s" if there else "wrote %s") % path


def _replace(path, content, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".kcloud-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def absent(paths):
    changes = []
    for path in paths:
        if not os.path.lexists(path):
            continue
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except OSError as error:
            raise from_os_error(error, path) from error
        changes.append("removed %s" % path)
    return changes


def kernel_settings(wanted):
    """Settings under /proc/sys that differ are written; one that cannot be is named."""
    changes = []
    for name, value in sorted(wanted.items()):
        path = "/proc/sys/" + name.replace(".", "/")
        try:
            if read(path).decode().split() == value.split():
                continue
            with open(path, "w") as file:
                file.write(value)
        except OSError as error:
            raise Failure("kernel-setting", "%s=%s" % (name, value), str(error)) from error
        changes.append("set %s=%s" % (name, value))
    return changes


def read(path):
    with open(path, "rb") as file:
        return file.read()


def digest(paths):
    """One number for the contents of files; an absent file counts as such."""
    total = hashlib.sha256()
    for path in sorted(set(paths)):
        content = read(path) if os.path.isfile(path) else b"absent"
        total.update(b"%s %d " % (path.encode(), len(content)) + content)
    return total.hexdigest()
