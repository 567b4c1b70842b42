"""Lines of a source as `edgeae run` makes them, for tests of what reads lines."""

from base64 import b64decode
from typing import Any

import numpy as np

from edgeae.runtime.outputs.lines import (
    ClipReference,
    Detail,
    EventLine,
    GapLine,
    RunLine,
    ScoreLine,
    StatusLine,
)
from edgeae.runtime.outputs.page.lines import AboutLine, BandsLine

N_BANDS = 16
TIME = "2026-01-01T12:00:00.000+00:00"


def score(value: float = 0.0, source: str = "hw:1", **fields: Any) -> ScoreLine:
    """A window with this score; the threshold is 0.8."""
    values: dict[str, Any] = {
        "machine": "pump-3",
        "t": 1.0,
        "time": TIME,
        "synced": True,
        "threshold": 0.8,
        "level_dbfs": -31.2,
        "out_of_range": 0.0,
        "health": "ok",
        "age": 0.0,
    }
    values |= fields
    anomaly = value > values["threshold"]
    return ScoreLine(**{"source": source, "score": value, "anomaly": anomaly, **values})


def event(
    phase: str = "start", source: str = "hw:1", *, clip: str | None = None, **fields: Any
) -> EventLine:
    """A part of an alarm; clip: the path of its recording."""
    values: dict[str, Any] = {
        "machine": "pump-3",
        "t": 1.0,
        "time": TIME,
        "synced": True,
        "duration": 0.0,
        "peak": 2.0,
        "bands": [],
        "sentence": "2 to 3 kHz: 6.0 dB louder",
        "cause": "machine",
        "clip": ClipReference(clip) if clip else None,
    }
    return EventLine(**{"source": source, "phase": phase, **values, **fields})


def status(
    state: str,
    source: str = "hw:1",
    *,
    machine: str | None = "pump-3",
    sequence: int = 0,
    time: str = TIME,
    **details: Detail,
) -> StatusLine:
    """A state, with what it has to say."""
    return StatusLine(
        source=source,
        machine=machine,
        t=1.0,
        time=time,
        sequence=sequence,
        synced=True,
        state=state,
        details=details,
    )


def gap(
    seconds: float = 0.5, reason: str = "overrun", source: str = "hw:1", frames: int = 1
) -> GapLine:
    """Lost sound."""
    return GapLine(
        source=source,
        machine="pump-3",
        t=1.0,
        time=TIME,
        synced=True,
        frames=frames,
        seconds=seconds,
        reason=reason,
    )


def about(source: str = "hw:1", machine: str | None = "pump-3") -> AboutLine:
    """What does not change of a source."""
    return AboutLine(
        source=source,
        machine=machine,
        threshold=0.8,
        false_alarms="1/week",
        extrapolated=False,
        alarm_windows=3,
        of_windows=5,
        window=10.0,
        model="m.onnx",
        windows=60,
        centres_hz=[round(float(hertz)) for hertz in np.geomspace(100, 7900, N_BANDS)],
        normal=bytes([90] * N_BANDS),
    )


def bands(
    level: int, residual: int = 128, source: str = "hw:1", machine: str | None = "pump-3"
) -> BandsLine:
    """A spectrum of one level, as bytes."""
    return BandsLine(
        source=source,
        machine=machine,
        levels=bytes([level] * N_BANDS),
        residual=bytes([residual] * N_BANDS),
    )


def column(text: str) -> list[int]:
    """The bytes of a picture."""
    return list(b64decode(text))


ONE_OF_EACH: tuple[RunLine, ...] = (score(), event(), gap(), status("lost"))
