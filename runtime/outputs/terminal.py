"""What `edgeae run` shows to a person at a terminal: one calm line that is drawn over, and what happens above it.

    14:03:22  pump-3     52.2 s  ALARM start: 2.1 to 3.3 kHz: 6.0 dB louder, ...
    14:03:24  pump-3  [##################     |###    ]  ALARM  score 2.31, alarm from 1.97, -28.2 dBFS

The bar is the score, from 2 below the threshold to 1 above it, the mark in it the threshold. Of several sources the one
is shown that is nearest to an alarm. Standard output that is no terminal gets a line for each score
(`edgeae.runtime.outputs.lines`).
"""

import os
import sys
from datetime import datetime

import click

from ..monitoring.states import UNJUDGED_STATES
from ..system.progress import CLEAR, terminal_width
from .latest import Latest, of_a_source
from .lines import EventLine, RunLine, ScoreLine
from .sink import Sink

BELOW, ABOVE = 2.0, 1.0  # of the threshold, where the bar begins and ends
WIDEST, NARROWEST = 40, 9  # characters of the bar; where there is no room for that, there is none
USUAL = len("normal")  # the verdict for which there is room beside the bar and the numbers
COLOURS = {"ALARM": "red", "above": "yellow"}


class Terminal(Sink[RunLine]):
    """Standard output that a person looks at."""

    name = "stdout"

    def __init__(self) -> None:
        self._colour = not os.environ.get("NO_COLOR")
        self._sources: dict[str, Latest] = {}

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """One line, at once."""
        if of_a_source(line):
            self._sources.setdefault(line.source, Latest(line.source, line.machine)).hear(line)
        at = f"{datetime.fromisoformat(line.time).astimezone():%H:%M:%S}"
        said = "" if isinstance(line, ScoreLine) else f"{self._said(line, at)}\n"
        self._write(f"{CLEAR}{said}{self._meter(at)}")

    def close(self) -> None:
        """Leave the cursor at the beginning of an empty line."""
        self._write(CLEAR)

    def _said(self, line: RunLine, at: str) -> str:
        alarm = isinstance(line, EventLine) and line.phase != "end"
        return f"{at}  {self._styled(line.describe(), 'red' if alarm else None)}"

    def _meter(self, at: str) -> str:
        """The line that is drawn over, as wide as the terminal at most; empty before the first score."""
        scored = [latest for latest in self._sources.values() if latest.score is not None]
        if not scored:
            return ""
        latest = max(scored, key=_nearness)
        several = f"highest of {len(self._sources)}: " if len(self._sources) > 1 else ""
        name, verdict = f"{at}  {several}{latest.machine or latest.source}  ", _verdict(latest)
        level = "" if latest.level_dbfs is None else f", {latest.level_dbfs:.1f} dBFS"
        numbers = f"score {latest.score:.2f}, alarm from {latest.threshold:.2f}{level}"
        room = terminal_width() - 1
        width = min(WIDEST, room - len(name + numbers) - USUAL - 6)
        bar = f"[{_bar(latest, width)}]  " if width >= NARROWEST else ""
        start = f"{name}{bar}"[:room]
        told = f"{verdict}  {numbers}"[: room - len(start)]
        return (
            start + self._styled(told[: len(verdict)], COLOURS.get(verdict)) + told[len(verdict) :]
        )

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
    if latest.alarm:
        return "ALARM"
    if latest.health in UNJUDGED_STATES:
        return f"not judged: {latest.health}"
    if latest.anomaly:
        return "above"
    return "normal" if latest.health == "ok" else f"{latest.health}"


def _bar(latest: Latest, width: int) -> str:
    distance = (latest.score or 0.0) - (latest.threshold or 0.0)
    filled = round(width * min(max((distance + BELOW) / (BELOW + ABOVE), 0.0), 1.0))
    mark = round(width * BELOW / (BELOW + ABOVE))
    bar = f"{'#' * filled:{width}}"
    return f"{bar[:mark]}|{bar[mark + 1 :]}"
