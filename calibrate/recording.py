"""What calibration hears of one recording, and how a sentence names it or its seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window

MOST_PLACES = 3  # that a sentence names


@dataclass
class CalibrationRecording:
    """One recording, or what a device gave between two gaps."""

    name: str  # of the file or the device
    windows: list[Window] = field(default_factory=list)
    samplerate: int = 0  # Hz, as it was recorded; 0 for precomputed features
    start: float = 0.0  # seconds, where the ends of its windows count from

    @property
    def seconds(self) -> float:
        """How much of it the windows hear."""
        return self.windows[-1].end - self.start


def names(sounds: Sequence[CalibrationRecording]) -> str:
    """What a sentence about all of them begins with."""
    found = list(dict.fromkeys(sound.name for sound in sounds))
    return f"{found[0]} and {len(found) - 1} more" if len(found) > 1 else found[0]


def places(
    detector: Detector, sounds: Sequence[CalibrationRecording], chosen: NDArray[np.bool]
) -> str:
    """Where the chosen ones of all windows are: a recording by its name, a part of a longer one by its seconds.

    chosen: (n,) of the windows that do not overlap, side by side.
    """
    length = detector.window_frames / detector.spec.frames_per_second
    found, first = [], 0
    for sound in sounds:
        windows = detector.apart(sound.windows)
        mine = chosen[first : first + len(windows)]
        first += len(windows)
        borders = np.flatnonzero(np.diff(mine.astype(int), prepend=0, append=0)).reshape(-1, 2)
        spans = [
            f"{max(0.0, windows[a].end - length):.0f} to {windows[b - 1].end:.0f}"
            for a, b in borders
        ]
        whole = len(windows) == 1 and len(sounds) > 1
        found += (
            [sound.name if whole else f"{sound.name}: seconds {' and '.join(spans)}"]
            if spans
            else []
        )
    more = [f"{len(found) - MOST_PLACES} more"] if len(found) > MOST_PLACES else []
    return ", ".join(found[:MOST_PLACES] + more)
