"""The lines that only the live page receives: the calibration of a source, and its spectra."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..lines import JsonObject, Line


@dataclass(frozen=True, kw_only=True)
class AboutLine(Line):
    """The calibration and the bands of a source, which do not change."""

    type: ClassVar[str] = "about"
    threshold: float
    false_alarms: str  # the budget, such as 1/week
    extrapolated: bool
    alarm_windows: int
    of_windows: int
    window: float  # seconds
    model: str  # name of the artifact's file
    windows: int  # of the calibration
    centres_hz: Sequence[int]  # of the bands
    normal: bytes  # level of each band, as in `BandsLine.levels`

    def to_dict(self) -> JsonObject:
        return {
            "type": self.type,
            "source": self.source,
            "machine": self.machine,
            "threshold": self.threshold,
            "false_alarms": self.false_alarms,
            "extrapolated": self.extrapolated,
            "alarm_windows": self.alarm_windows,
            "of_windows": self.of_windows,
            "window": self.window,
            "model": self.model,
            "windows": self.windows,
            "centres_hz": list(self.centres_hz),
            "normal": b64encode(self.normal).decode(),
        }


@dataclass(frozen=True, kw_only=True)
class BandsLine(Line):
    """The spectrum of a window, one byte a band; units: `edgeae.runtime.outputs.page.bands`."""

    type: ClassVar[str] = "bands"
    levels: bytes
    residual: bytes

    def to_dict(self) -> JsonObject:
        return {
            "type": self.type,
            "source": self.source,
            "machine": self.machine,
            "levels": b64encode(self.levels).decode(),
            "residual": b64encode(self.residual).decode(),
        }
