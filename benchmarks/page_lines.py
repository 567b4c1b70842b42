"""Lines of a source as `edgeae run` makes them, for what reads lines."""

from base64 import b64decode
from typing import Any

import numpy as np

BANDS = 16


def score(
    value: float, source: str = "hw:1", machine: str | None = "pump-3", **more: Any
) -> dict[str, Any]:
    values = {
        "score": value,
        "threshold": 0.8,
        "anomaly": value > 0.8,
        "level_dbfs": -31.2,
        "health": "ok",
        "age": 0.0,
    }
    return {"type": "score", **_names(source, machine), **values, **more}


def event(
    phase: str, source: str = "hw:1", machine: str | None = "pump-3", **more: Any
) -> dict[str, Any]:
    values = {"event": phase, "duration": 0.0, "peak": 2.0, "bands": [], "cause": "machine"}
    return {
        "type": "event",
        **_names(source, machine),
        **values,
        "sentence": "2 to 3 kHz: 6.0 dB louder",
        **more,
    }


def status(
    state: str, source: str = "hw:1", machine: str | None = "pump-3", **more: Any
) -> dict[str, Any]:
    return {"type": "status", **_names(source, machine), "state": state, **more}


def gap(seconds: float, reason: str = "overrun", source: str = "hw:1") -> dict[str, Any]:
    return {
        "type": "gap",
        **_names(source, "pump-3"),
        "frames": 1,
        "seconds": seconds,
        "reason": reason,
    }


def about(source: str = "hw:1", machine: str | None = "pump-3") -> dict[str, Any]:
    judged = {
        "threshold": 0.8,
        "false_alarms": "1/week",
        "extrapolated": False,
        "alarm_windows": 3,
        "of_windows": 5,
    }
    centres = [round(float(hertz)) for hertz in np.geomspace(100, 7900, BANDS)]
    bands = {
        "window": 10.0,
        "model": "m.onnx",
        "windows": 60,
        "centres_hz": centres,
        "normal": bytes([90] * BANDS),
    }
    return {"type": "about", "source": source, "machine": machine, **judged, **bands}


def bands(
    level: int, residual: int = 128, source: str = "hw:1", machine: str | None = "pump-3"
) -> dict[str, Any]:
    seen = {"heard": bytes([level] * BANDS), "residual": bytes([residual] * BANDS)}
    return {"type": "bands", "source": source, "machine": machine, **seen}


def _names(source: str, machine: str | None) -> dict[str, Any]:
    return {
        "source": source,
        "machine": machine,
        "t": 1.0,
        "time": "2026-01-01T12:00:00.000+00:00",
        "synced": True,
    }


def column(text: str) -> list[int]:
    """The bytes of a picture."""
    return list(b64decode(text))
