"""Sent to a host by the action `kcloud_bundle` and run there: takes a tar from standard input, file by file.

Each file is written beside its place, checked by size and sha256 as it arrives, then renamed; what is not expected or
not right is refused. One line of JSON says what went wrong.
"""

import base64
import hashlib
import json
import os
import sys
import tarfile

plan = json.loads(base64.b64decode(sys.argv[1]))


def fail(code, subject, evidence):
    print(json.dumps({"code": code, "subject": subject, "evidence": str(evidence)}))
    sys.exit(1)


def take(tar, member):
    size, sha256, mode = plan["files"][member.name]
    path = os.path.join(plan["directory"], member.name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = path + ".part"
    total, source = hashlib.sha256(), tar.extractfile(member)
    with open(part, "wb") as file:
        while block := source.read(1 << 20):
            total.update(block)
            file.write(block)
        length = file.tell()
    if length != size or total.hexdigest() != sha256:
        os.unlink(part)
        fail("checksum", member.name, "%d bytes, sha256 %s" % (length, total.hexdigest()))
    os.chmod(part, int(mode, 8))
    os.replace(part, path)


try:
    seen = set()
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|", bufsize=1 << 20) as tar:
        for member in tar:
            if not member.isfile() or member.name not in plan["files"]:
                fail("checksum", member.name, "not expected")
            take(tar, member)
            seen.add(member.name)
    if seen != set(plan["files"]):
        fail("copy", "", "the connection ended before all files had arrived")
except OSError as error:
    fail("disk-full" if error.errno in (28, 122) else "file", str(error.filename or ""), error)
except tarfile.TarError as error:
    fail("copy", "", error)
