"""What `edgeae run` says: JSON lines for programs, or words for people. One line is one object.

A line is made where something happens, with the time of its source; `Teller` numbers and dates it, and
hands it to every output.
"""

from dataclasses import asdict
from typing import Any

from ..monitoring.alarm import AlarmEvent
from ..monitoring.health import SoundCondition
from ..monitoring.states import UNJUDGED_STATES
from ..scoring.detector import Result
from .outbox import Line

PROGRAM = "edgeae"  # the source of lines that tell of the program itself


def _line(kind: str, source: str, t: float, **values: Any) -> Line:
    return {"type": kind, "t": t, "time": None, "source": source, **values}


def score_line(source: str, result: Result) -> Line:
    values = {"score": result.score, "threshold": result.threshold, "anomaly": result.anomaly}
    more = {
        "level_dbfs": result.level_dbfs,
        "out_of_range": result.out_of_range,
        "health": result.health,
    }
    return _line("score", source, result.t, **values, **more)


def event_line(source: str, event: AlarmEvent) -> Line:
    values = asdict(event)
    return _line("event", source, values.pop("t"), event=values.pop("phase"), **values)


def gap_line(source: str, t: float, frames: int, seconds: float, reason: str) -> Line:
    return _line("gap", source, t, frames=frames, seconds=seconds, reason=reason)


def status_line(source: str, t: float, state: str, **values: Any) -> Line:
    return _line("status", source, t, state=state, **values)


def health_line(source: str, t: float, condition: SoundCondition) -> Line:
    """A condition of the sound that begins, or ``ok``."""
    return status_line(source, t, condition.state, **condition.numbers, sentence=condition.sentence)


def words(line: Line) -> str:
    """A line for people."""
    place = f"{line['source']}  {line['t']:8.1f} s"
    if line["type"] == "score":
        verdict = (
            "not judged"
            if line["health"] in UNJUDGED_STATES
            else "ANOMALY"
            if line["anomaly"]
            else "normal"
        )
        level = "" if line["level_dbfs"] is None else f"  {line['level_dbfs']:6.1f} dBFS"
        beyond = f"  {line['out_of_range']:.0%} beyond int8" if line["out_of_range"] >= 0.01 else ""
        return f"{place}  score {line['score']:6.2f} / {line['threshold']:.2f}  {verdict}{level}{beyond}"
    if line["type"] == "event":
        return f"{place}  ALARM {line['event']}: {line['sentence']}"
    if line["type"] == "gap":
        return f"{place}  GAP {line['seconds']:.1f} s lost ({line['reason']})"
    sentence = line.get("sentence")
    return f"{place}  {line['state']}{f': {sentence}' if sentence else ''}"
