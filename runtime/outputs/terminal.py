"""Standard output that is a terminal: one line that is redrawn, and the events above it.

    14:03:22  pump-3     52.2 s  ALARM start: 2.1 to 3.3 kHz: 6.0 dB louder, ...
    14:03:24  pump-3  [#############   |## ]  ALARM  score 2.31, alarm from 1.97, -28.2 dBFS

The bar shows the score, from 2 below the threshold to 1 above it; the mark in it is the threshold.
With several sources, the bar shows the one that is nearest to an alarm.
"""

import os
import sys
from datetime import datetime

import click

from ..monitoring.states import UNJUDGED_STATES
from ..system.progress import CLEAR, terminal_width
from .latest import Latest, is_about_source
from .lines import EventLine, RunLine, ScoreLine
from .sink import Sink

BAR_BELOW = 2.0  # of the threshold, where the bar begins
BAR_ABOVE = 1.0  # of the threshold, where the bar ends
MAX_BAR_CHARACTERS = 40
MIN_BAR_CHARACTERS = 9  # with less room, no bar is drawn
VERDICT_CHARACTERS = len("normal")  # reserved beside the bar and the numbers
COLOURS = {"ALARM": "red", "above": "yellow"}


class Terminal(Sink[RunLine]):
    """A sink that draws the state of the sources on a terminal."""

    name = "stdout"

    def __init__(self) -> None:
        self._colour = not os.environ.get("NO_COLOR")
        self._sources: dict[str, Latest] = {}

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """Redraw the last line, and print any line but a score above it."""
        if is_about_source(line):
            self._sources.setdefault(line.source, Latest(line.source, line.machine)).update(line)
        clock = f"{datetime.fromisoformat(line.time).astimezone():%H:%M:%S}"
        above = "" if isinstance(line, ScoreLine) else f"{self._event(line, clock)}\n"
        self._write(f"{CLEAR}{above}{self._meter(clock)}")

    def close(self) -> None:
        """Clear the last line."""
        self._write(CLEAR)

    def _event(self, line: RunLine, clock: str) -> str:
        """A line above the redrawn one, in red while an alarm lasts."""
        is_alarm = isinstance(line, EventLine) and line.phase != "end"
        return f"{clock}  {self._styled(line.describe(), 'red' if is_alarm else None)}"

    def _meter(self, clock: str) -> str:
        """The line that is redrawn, no wider than the terminal; empty before the first score."""
        scored = [latest for latest in self._sources.values() if latest.score is not None]
        if not scored:
            return ""
        latest = max(scored, key=_nearness)
        several = f"highest of {len(self._sources)}: " if len(self._sources) > 1 else ""
        name = f"{clock}  {several}{latest.machine or latest.source}  "
        verdict = _verdict(latest)
        level = "" if latest.level_dbfs is None else f", {latest.level_dbfs:.1f} dBFS"
        numbers = f"score {latest.score:.2f}, alarm from {latest.threshold:.2f}{level}"
        room = terminal_width() - 1
        width = min(MAX_BAR_CHARACTERS, room - len(name + numbers) - VERDICT_CHARACTERS - 6)
        bar = f"[{_bar(latest, width)}]  " if width >= MIN_BAR_CHARACTERS else ""
        start = f"{name}{bar}"[:room]
        end = f"{verdict}  {numbers}"[: room - len(start)]
        coloured = self._styled(end[: len(verdict)], COLOURS.get(verdict))
        return f"{start}{coloured}{end[len(verdict) :]}"

    def _styled(self, text: str, colour: str | None) -> str:
        return click.style(text, fg=colour, bold=True) if colour and self._colour else text

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _nearness(latest: Latest) -> tuple[bool, float]:
    return bool(latest.alarm), (latest.score or 0.0) - (latest.threshold or 0.0)


def _verdict(latest: Latest) -> str:
    if latest.state != "listening":
        return f"{latest.state}"
    if latest.paused:
        return "paused"
    if latest.alarm:
        return "ALARM"
    if latest.health in UNJUDGED_STATES:
        return f"not judged: {latest.health}"
    if latest.anomaly:
        return "above"
    return "normal" if latest.health == "ok" else f"{latest.health}"


def _bar(latest: Latest, width: int) -> str:
    distance = (latest.score or 0.0) - (latest.threshold or 0.0)
    filled = round(width * min(max((distance + BAR_BELOW) / (BAR_BELOW + BAR_ABOVE), 0.0), 1.0))
    mark = round(width * BAR_BELOW / (BAR_BELOW + BAR_ABOVE))
    bar = f"{'#' * filled:{width}}"
    return f"{bar[:mark]}|{bar[mark + 1 :]}"
