"""Streams the files a host lacks: one tar over one SSH session, checked byte by byte where it arrives.

Ansible's own copy would make several round trips a file and read everything twice. The session goes through the
connection Ansible has open (ControlMaster), so there is no second sign-in.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

TIMEOUT = 900
_RECEIVER = (Path(__file__).parent.parent / "receiver.py").read_text(encoding="utf-8")


class ActionModule(ActionBase):
    """Ask the host what is missing, send exactly that."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        asked = self._execute_module(module_name="kcloud_bundle", module_args=arguments, task_vars=task_vars)
        if asked.get("failed") or asked.get("unreachable"):
            return {**result, **asked}
        wanted = set(asked["missing"])
        files = [item for item in arguments["files"] if item["path"] in wanted]
        if not files:
            return {**result, "changed": False, "changes": []}
        failure = self._send(arguments["source"], arguments["directory"], files)
        if failure:
            return {
                **result,
                "failed": True,
                "msg": failure["evidence"] or failure["code"],
                "kcloud": failure,
            }
        size = sum(int(item["size"]) for item in files)
        said = f"brought {len(files)} files, {size >> 20} MB, each checked by its sha256"
        return {**result, "changed": True, "changes": [said]}

    def _send(self, source: str, directory: str, files: list[dict[str, Any]]) -> dict[str, str]:
        """Empty when everything arrived."""
        program = subprocess.Popen(
            self._command(directory, files),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert program.stdin is not None
        local = ""
        # The receiver says why it hung up; a broken pipe here is only the echo of it.
        with contextlib.suppress(BrokenPipeError):
            try:
                # copybufsize is missing in the type stubs
                with tarfile.open(  # type: ignore[call-overload]
                    fileobj=program.stdin, mode="w|", bufsize=1 << 20, copybufsize=1 << 20
                ) as tar:
                    for item in files:
                        tar.add(f"{source}/{item['path']}", arcname=item["path"], recursive=False)
            except FileNotFoundError as error:
                local = str(error)
                program.kill()
        return _judge(program, local)

    def _command(self, directory: str, files: list[dict[str, Any]]) -> list[Any]:
        receiver = base64.b64encode(_RECEIVER.encode()).decode()
        expected = {item["path"]: [int(item["size"]), item["sha256"], item["mode"]] for item in files}
        plan = base64.b64encode(json.dumps({"directory": directory, "files": expected}).encode()).decode()
        become = "" if self._play_context.remote_user == "root" else "sudo -n "
        remote = f"{become}python3 -c 'import base64;exec(base64.b64decode(\"{receiver}\"))' {plan}"
        build = getattr(self._connection, "_build_command", None)
        if build is None:  # the local connection, in tests
            return ["sh", "-c", remote.removeprefix("sudo -n ")]
        command: list[Any] = build("ssh", "ssh", "-T", self._connection.host, remote)
        return command


def _judge(program: subprocess.Popen[bytes], local: str) -> dict[str, str]:
    try:
        said = program.communicate(timeout=TIMEOUT)[0].decode("utf-8", "replace")
    except (subprocess.TimeoutExpired, ValueError):
        said = ""
    if local:
        return {"code": "bundle-file", "subject": local, "evidence": local}
    if program.wait(TIMEOUT) == 0:
        return {}
    last = said.strip().splitlines()[-1:] or [""]
    try:
        failure = json.loads(last[0])
        return {key: str(failure[key]) for key in ("code", "subject", "evidence")}
    except (ValueError, KeyError, TypeError):
        return {"code": "copy", "subject": "", "evidence": said[-2000:]}
