"""What `edgeae run` says: JSON lines for programs, or words for people. One line is one object.

A line is made where something happens, with the time of its source; `Teller` numbers and dates it, and
hands it to every output.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..monitoring.alarm import Event
from ..monitoring.health import Condition
from ..monitoring.states import NO_SOUND
from ..scoring.detector import Result
from ..system.clock import synced
from .outbox import Line, Outbox

PROGRAM = "edgeae"  # the source of lines that tell of the program itself
CLOCK_SECONDS = 10.0  # between two looks at whether the clock is synchronised


def _line(kind: str, source: str, t: float, **values: Any) -> Line:
    return {"type": kind, "t": t, "time": None, "source": source, **values}


def score_line(source: str, result: Result) -> Line:
    values = {"score": result.score, "threshold": result.threshold, "anomaly": result.anomaly}
    more = {"level_dbfs": result.level_dbfs, "out_of_range": result.out_of_range, "health": result.health}
    return _line("score", source, result.t, **values, **more)


def event_line(source: str, event: Event) -> Line:
    values = asdict(event)
    return _line("event", source, values.pop("t"), event=values.pop("phase"), **values)


def gap_line(source: str, t: float, frames: int, seconds: float, reason: str) -> Line:
    return _line("gap", source, t, frames=frames, seconds=seconds, reason=reason)


def status_line(source: str, t: float, state: str, **values: Any) -> Line:
    return _line("status", source, t, state=state, **values)


def health_line(source: str, t: float, condition: Condition) -> Line:
    """A condition of the sound that begins, or ``ok``."""
    return status_line(source, t, condition.state, **condition.numbers, sentence=condition.sentence)


class Teller:
    """Numbers and dates the lines of one process, and hands them to all outputs."""

    def __init__(self, show: Callable[[Line], None] | None, outboxes: Sequence[Outbox], *, waits: bool = False) -> None:
        """show: prints a line at once. waits: for an outbox that is full, as sound from a file can."""
        self._show, self._outboxes, self._waits = show, outboxes, waits
        self._count = 0
        self._synced: bool | None = None
        self._looked = float("-inf")

    def tell(self, line: Line, machine: str | None = None, age: float | None = None) -> None:
        """age: seconds since the sound that the line is about, if that is known."""
        self.stamp(line, machine, age)
        self.send(line)

    def stamp(self, line: Line, machine: str | None = None, age: float | None = None) -> None:
        """Number and date a line, which is to be sent next."""
        heard = datetime.now(UTC) - timedelta(seconds=age or 0.0)
        line["time"] = heard.isoformat(timespec="milliseconds")
        line |= {"machine": machine, "seq": self._count, "synced": self._is_synced()}
        if line["type"] == "score":
            line["age"] = None if age is None else round(age, 3)
        self._count += 1

    def send(self, line: Line) -> None:
        """Hand a line to all outputs."""
        if self._show:
            self._show(line)
        for outbox in self._outboxes:
            outbox.put(line, wait=self._waits)

    def _is_synced(self) -> bool | None:
        if time.monotonic() - self._looked > CLOCK_SECONDS:
            self._synced, self._looked = synced(), time.monotonic()
        return self._synced


def words(line: Line) -> str:
    """A line for people."""
    place = f"{line['source']}  {line['t']:8.1f} s"
    if line["type"] == "score":
        verdict = "not judged" if line["health"] in NO_SOUND else "ANOMALY" if line["anomaly"] else "normal"
        level = "" if line["level_dbfs"] is None else f"  {line['level_dbfs']:6.1f} dBFS"
        beyond = f"  {line['out_of_range']:.0%} beyond int8" if line["out_of_range"] >= 0.01 else ""
        return f"{place}  score {line['score']:6.2f} / {line['threshold']:.2f}  {verdict}{level}{beyond}"
    if line["type"] == "event":
        return f"{place}  ALARM {line['event']}: {line['sentence']}"
    if line["type"] == "gap":
        return f"{place}  GAP {line['seconds']:.1f} s lost ({line['reason']})"
    sentence = line.get("sentence")
    return f"{place}  {line['state']}{f': {sentence}' if sentence else ''}"


class Screen:
    """Standard output, which may be a pipe that nobody empties."""

    name = "stdout"

    def __init__(self, *, as_json: bool) -> None:
        self._format = json.dumps if as_json else words

    def wants(self, line: Line) -> bool:
        return True

    def deliver(self, line: Line) -> None:
        """One line, at once."""
        click.echo(self._format(line))

    def close(self) -> None:
        """It stays open: it belongs to the process."""
