"""How bad a log line is, guessed from its own words. Pure.

The answer is one of LEVELS, or "" where the line does not say. JSON and key=value lines name their level; klog begins
with its letter; others carry a word near their start. Only the start is looked at: a message may quote anything.
"""

from __future__ import annotations

import json
import re
from typing import Any

LEVELS = ("debug", "info", "warning", "error")
LOOKED_AT = 400
_WORDS = {
    "trace": "debug",
    "debug": "debug",
    "verbose": "debug",
    "info": "info",
    "information": "info",
    "informational": "info",
    "notice": "info",
    "log": "info",
    "warn": "warning",
    "warning": "warning",
    "err": "error",
    "error": "error",
    "severe": "error",
    "fatal": "error",
    "critical": "error",
    "crit": "error",
    "panic": "error",
    "alert": "error",
    "emerg": "error",
    "emergency": "error",
}
_KEYS = ("level", "severity", "lvl", "log.level", "levelname", "loglevel", "severity_text")
_KLOG = {"I": "info", "W": "warning", "E": "error", "F": "error"}
_KLOG_HEAD = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.")
_PAIR = re.compile(r"(?:^|\s)(?:level|severity|lvl)=\"?([A-Za-z]+)", re.IGNORECASE)
# A word in capitals anywhere near the start, or set apart: [error], <warn>, "error:".
_CAPITALS = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|SEVERE|FATAL|CRITICAL|CRIT|PANIC|EMERG|ALERT|LOG)\b"
)
_SET_APART = re.compile(
    r"(?:[\[<(](\w{3,13})[\]>)]|(?:^|\s)(trace|debug|info|notice|warn|warning|error|fatal|critical|panic):)",
    re.IGNORECASE,
)
_TRACEBACK = re.compile(
    r"Traceback \(most recent call last\)|^\s*(?:[\w.]+\.)?\w+(?:Error|Exception): |^panic: "
)


def severity_of(text: str) -> str:
    """The level of one line; "" when it does not say."""
    start = text[:LOOKED_AT]
    if start.lstrip().startswith("{"):
        return _of_json(text)
    klog = _KLOG_HEAD.match(start)
    if klog:
        return _KLOG[klog[1]]
    pair = _PAIR.search(start)
    if pair:
        return _WORDS.get(pair[1].lower(), "")
    if _TRACEBACK.search(start):
        return "error"
    return _of_words(start)


def at_least(severity: str, wanted: str) -> bool:
    """Whether a line of that severity is shown when `wanted` is asked for; one that does not say counts as info."""
    if wanted not in LEVELS:
        return True
    return LEVELS.index(severity or "info") >= LEVELS.index(wanted)


def _of_words(start: str) -> str:
    for found in _CAPITALS.finditer(start[:160]):
        return _WORDS[found[1].lower()]
    for found in _SET_APART.finditer(start[:160]):
        level = _WORDS.get((found[1] or found[2]).lower())
        if level:
            return level
    return ""


def _of_json(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _of_words(text[:LOOKED_AT])
    return next((_named(found[key]) for key in _KEYS if key in found), "") if isinstance(found, dict) else ""


def _named(value: Any) -> str:
    """A level by name, or by pino's and bunyan's numbers (30 is info, 50 is error)."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        bounds = ((50, "error"), (40, "warning"), (30, "info"), (1, "debug"))
        return next((level for bound, level in bounds if value >= bound), "")
    return _WORDS.get(value.strip().lower(), "") if isinstance(value, str) else ""
