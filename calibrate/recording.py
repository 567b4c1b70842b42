"""One recording to calibrate on, and how a message names it or its seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window

from .excerpt import Excerpt

MAX_PLACES = 3  # that a message names


@dataclass(frozen=True)
class CalibrationRecording:
    """One recording, or the sound of a device between two gaps."""

    name: str  # of the file or the device
    windows: Sequence[Window] = ()
    samplerate: int = 0  # Hz, as it was recorded; 0 for precomputed features
    start: float = 0.0  # seconds; the ends of its windows count from the start of the source
    excerpt: Excerpt | None = None  # into which changes are planted
    other_channel: int | None = None  # one with sound, where all of the one that was read is silent

    @property
    def seconds(self) -> float:
        """How much of it is in the windows."""
        return self.windows[-1].end - self.start


def name_recordings(recordings: Sequence[CalibrationRecording]) -> str:
    """``a.wav`` or ``a.wav and 4 more``: the first words of a message about all recordings."""
    names = list(dict.fromkeys(recording.name for recording in recordings))
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def name_windows(
    detector: Detector, recordings: Sequence[CalibrationRecording], selected: NDArray[np.bool]
) -> str:
    """Where some of the windows are, in words.

    A short recording is named by its name, part of a longer one by its seconds.
    selected: (n,) of the windows of all recordings that do not overlap, in their order.
    """
    places = []
    first = 0
    for recording in recordings:
        windows = detector.apart(recording.windows)
        of_recording = selected[first : first + len(windows)]
        first += len(windows)
        if not of_recording.any():
            continue
        if len(windows) == 1 and len(recordings) > 1:
            places.append(recording.name)
        else:
            spans = " and ".join(_spans(detector, windows, of_recording))
            places.append(f"{recording.name}: seconds {spans}")
    n_more = len(places) - MAX_PLACES
    if n_more > 0:
        places = [*places[:MAX_PLACES], f"{n_more} more"]
    return ", ".join(places)


def _spans(detector: Detector, windows: Sequence[Window], selected: NDArray[np.bool]) -> list[str]:
    """``12 to 16`` for each run of selected windows, seconds."""
    window_seconds = detector.window_frames / detector.spec.frames_per_second
    borders = np.flatnonzero(np.diff(selected.astype(int), prepend=0, append=0)).reshape(-1, 2)
    return [
        f"{max(0.0, windows[begin].end - window_seconds):.0f} to {windows[end - 1].end:.0f}"
        for begin, end in borders
    ]
