"""What a person waiting for the demo sees: stage, bar, time left. Keeps the times of the last run.

On a terminal the line of the present stage is redrawn; elsewhere a line is written when a stage begins, when its text
changes, and when it ends, so a log file stays readable.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

BAR_CELLS = 24


@dataclass(frozen=True)
class StageName:
    """A stage by key, with its title and the seconds it took where nothing else is known."""

    key: str
    title: str
    seconds: float


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """`share` (clipped to 0…1) as a bar of `cells` characters."""
    full = round(min(1.0, max(0.0, share)) * cells)
    return "█" * full + "░" * (cells - full)


def in_words(seconds: float) -> str:
    """Seconds as "48 s" or "3 min 20 s"."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


class Times:
    """How long each stage took the last time, in a JSON file; unreadable means unknown."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._seconds: dict[str, float] = json.loads(path.read_text())
        except (OSError, ValueError):
            self._seconds = {}

    def of(self, stage: StageName) -> float:
        return float(self._seconds.get(stage.key, stage.seconds))

    def learn(self, stage: StageName, seconds: float) -> None:
        self._seconds[stage.key] = round(seconds, 1)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._seconds))


class Progress:
    """Call `begin(stage)`, then `say(text, share)` as often as you like, then `end()`."""

    def __init__(self, stages: Sequence[StageName], times: Times, out: TextIO) -> None:
        self._stages, self._times, self._out = list(stages), times, out
        self._live = out.isatty()
        self._stage: StageName | None = None
        self._began = 0.0
        self._text = ""

    def begin(self, stage: StageName) -> None:
        self._stage, self._began, self._text = stage, time.monotonic(), ""
        self.say("", 0.0)

    def say(self, text: str, share: float | None = None) -> None:
        """Show `text` beside the stage; `share` of the stage done, or None: judge by time."""
        stage = self._stage
        if stage is None or (not self._live and text == self._text and text):
            return
        elapsed = time.monotonic() - self._began
        usual = self._times.of(stage)
        if share is None:
            share = min(0.95, elapsed / usual) if usual else 0.0
        rest = max(0.0, usual - elapsed) + sum(self._times.of(later) for later in self._after(stage))
        number = self._stages.index(stage) + 1
        line = f"[{number}/{len(self._stages)}] {stage.title:<34} {bar(share)} about {in_words(rest)} left"
        self._write(f"{line}  {text}" if text else line)
        self._text = text

    def end(self) -> None:
        if self._stage is None:
            return
        seconds = time.monotonic() - self._began
        self._times.learn(self._stage, seconds)
        number = self._stages.index(self._stage) + 1
        title = f"{self._stage.title:<34}"
        self._write(
            f"[{number}/{len(self._stages)}] {title} {bar(1.0)} done in {in_words(seconds)}", last=True
        )
        self._stage = None

    def _after(self, stage: StageName) -> list[StageName]:
        return self._stages[self._stages.index(stage) + 1 :]

    def _write(self, line: str, *, last: bool = False) -> None:
        if self._live:
            self._out.write(f"\r\x1b[2K{line[:160]}" + ("\n" if last else ""))
        else:
            self._out.write(line + "\n")
        self._out.flush()
