"""Ends a command that reached its bound: Kubernetes only stops listening, and the process would go on.

Where the image has /bin/sh, a command starts with a mark in its environment, which all its children inherit; a second
command finds those that bear it, asks them to end and, after two seconds, kills them. Nothing but the shell itself is
needed (`sleep` if it is there). Without a shell in the image nothing can be ended, and that is said.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from clusters.errors import ClusterError

MARK = "KCLOUD_COMMAND"
SHELL = "/bin/sh"
RESTS = ENDED, LEFT, UNABLE = "ended", "left", "unable"
_SECONDS = 8.0
_START = f'{MARK}=$0; export {MARK}; exec "$@"'
# What /proc tells of an environment has its zero bytes dropped by `read`; a mark is long and ends nothing else's name.
_END = f"""
marked() {{
  found=1
  for place in /proc/[0-9]*; do
    while read -r line || [ -n "$line" ]; do
      case $line in *{MARK}=$mark*) kill -$1 "${{place#/proc/}}" && found=0 ;; esac
      line=
    done <"$place/environ"
  done 2>/dev/null
  return $found
}}
mark=$0
turns=0
marked TERM || exit 0
while marked 0; do
  turns=$((turns + 1))
  if [ $turns -gt 10 ]; then marked KILL; sleep 0.2; marked 0 && exit 1; exit 0; fi
  sleep 0.1 || :
done
exit 0
"""


def new_mark() -> str:
    """One that nobody can guess, so that it marks nothing else."""
    return secrets.token_hex(16)


def marked(command: Sequence[str], mark: str) -> list[str]:
    """The command as the shell starts it: in its own place, with the mark."""
    return [SHELL, "-c", _START, mark, *command]


def has_no_shell(execution: Any) -> bool:
    """Whether the command never began because the image has no shell: the runtime's word, not the command's."""
    return execution.exit_code is None and bool(execution.why) and SHELL in execution.why


def end(client: Any, path: str, container: str, mark: str) -> str:
    """ENDED: none of it runs any more; LEFT: some of it may."""
    try:
        done = client.execute(
            path, [SHELL, "-c", _END, mark], container=container, seconds=_SECONDS, max_output=4096
        )
    except ClusterError:
        return LEFT
    return ENDED if done.exit_code == 0 else LEFT
