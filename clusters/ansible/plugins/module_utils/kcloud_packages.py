"""Debian packages and container images from the host's copy of the release bundle; nothing from outside."""

import json
import os
import subprocess
import tarfile
import time

from ansible.module_utils.kcloud_files import files as write_files
from ansible.module_utils.kcloud_host import Failure, run

# Packages that were not there before us: what a reset takes away again.
RECORD = "/var/lib/kcloud/packages.json"
SOURCE = "/etc/apt/sources.list.d/kcloud.list"
CTR = ["ctr", "-n", "k8s.io"]


def install(repository, names):
    """Install what is missing; answers changes."""
    before = installed()
    missing = [name for name in names if name not in before]
    if not missing:
        return []
    line = "deb [trusted=yes] file:%s ./\n" % repository
    write_files([{"path": SOURCE, "content": line, "secret_content": None, "mode": "0644"}])
    ours = ["-o", "Dir::Etc::sourcelist=" + SOURCE, "-o", "Dir::Etc::sourceparts=-"]
    lock = ["-o", "DPkg::Lock::Timeout=60"]
    # An installation that was cut off leaves packages half configured, and apt refuses to go on.
    run(
        ["dpkg", "--force-confold", "--configure", "-a"],
        "package-install",
        "dpkg --configure -a",
        timeout=300,
    )
    run(
        ["apt-get", "-q", *ours, *lock, "-o", "APT::Get::List-Cleanup=0", "update"],
        "package-index",
        repository,
    )
    command = ["apt-get", "-q", "-y", "--no-install-recommends", *ours, *lock]
    command += ["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-unsafe-io", "install"]
    # Before as well: should the host lose its power now, a reset still knows what was not its own.
    _remember(missing)
    try:
        run([*command, *missing], "package-install", ", ".join(missing), timeout=600)
    finally:
        new = sorted(set(installed()) - set(before))
        _remember(new)
    os.sync()  # once for all packages, instead of after every file of each
    versions = installed()
    return ["installed %s %s" % (name, versions.get(name, "")) for name in new]


def installed():
    """Versions by name of the packages that are properly there."""
    said = run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Package}|${Version}\n"], "package-index")
    rows = (line.split("|") for line in said.splitlines() if line.startswith("ii"))
    return {row[1]: row[2] for row in rows}


def recorded():
    """Names of the packages we brought."""
    try:
        with open(RECORD) as file:
            return json.load(file)
    except (OSError, ValueError):
        return []


def _remember(names):
    wanted = json.dumps(sorted({*recorded(), *names})) + "\n"
    write_files([{"path": RECORD, "content": wanted, "secret_content": None, "mode": "0600"}])


def import_images(archives):
    """Import the archives whose image is not in the container runtime yet, all at once; answers changes."""
    if not archives:
        return []
    present = set(_images())
    wanted = {archive: names_in(archive) for archive in archives}
    todo = [archive for archive, names in wanted.items() if not names <= present]
    running = [
        (
            archive,
            subprocess.Popen(
                [*CTR, "images", "import", archive], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ),
        )
        for archive in todo
    ]
    for archive, program in running:
        said = program.communicate()[0].decode("utf-8", "replace")
        if program.returncode != 0:
            full = "no space left" in said
            raise Failure("disk-full" if full else "image-import", os.path.basename(archive), said)
    return ["imported %s" % name for archive in todo for name in sorted(wanted[archive])]


def _images(patience=20.0):
    """Names of the images there; waits for a runtime that has only just been started."""
    until = time.monotonic() + patience
    while True:
        try:
            return run([*CTR, "images", "ls", "-q"], "runtime").split()
        except Failure:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def names_in(archive):
    """Names of the images in an archive."""
    try:
        with tarfile.open(archive) as tar:
            rows = json.load(tar.extractfile("manifest.json"))
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise Failure("image-import", os.path.basename(archive), str(error)) from error
    return {name for row in rows for name in row.get("RepoTags") or ()}
