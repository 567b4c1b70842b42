"""What `edgeae run` says: JSON lines for programs, or words for people. One line is one object."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from .detector import Result
from .events import Event
from .health import NO_SOUND, Condition

Line = dict[str, Any]


def _stamped(kind: str, source: str, t: float, **values: Any) -> Line:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"type": kind, "t": t, "time": now, "source": source, **values}


def score_line(source: str, result: Result) -> Line:
    values = {"score": result.score, "threshold": result.threshold, "anomaly": result.anomaly}
    return _stamped(
        "score",
        source,
        result.t,
        **values,
        level_dbfs=result.level_dbfs,
        out_of_range=result.out_of_range,
        health=result.health,
    )


def event_line(source: str, event: Event) -> Line:
    values = asdict(event)
    return _stamped("event", source, values.pop("t"), event=values.pop("phase"), **values)


def gap_line(source: str, t: float, frames: int, reason: str) -> Line:
    return _stamped("gap", source, t, frames=frames, reason=reason)


def status_line(source: str, t: float, state: str, **values: Any) -> Line:
    return _stamped("status", source, t, state=state, **values)


def health_line(source: str, t: float, condition: Condition) -> Line:
    """A condition of the sound that begins, or ``ok``."""
    return status_line(source, t, condition.state, **condition.numbers, sentence=condition.sentence)


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
        return f"{place}  GAP {line['frames']} frames lost ({line['reason']})"
    sentence = line.get("sentence")
    return f"{place}  {line['state']}{f': {sentence}' if sentence else ''}"


def write(line: Line, *, as_json: bool) -> None:
    """One line to stdout, at once."""
    click.echo(json.dumps(line) if as_json else words(line))
