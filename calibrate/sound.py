"""What calibration hears of one recording: its windows, and what its raw samples tell before any filter."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.detector import Detector, Window
from edgeae.runtime.mel import Float32

FULL_SCALE = 0.999  # from here on a sample counts as clipped
MOST_PLACES = 3  # that a sentence names


@dataclass
class Samples:
    """Counts of the samples as they came from the file or the device."""

    samplerate: int = 0  # Hz; 0 for precomputed features
    count: int = 0
    clipped: int = 0
    stuck: int = 0  # longest run of samples that are all the same
    stuck_from: int = 0
    _began: int = 0  # the run that may go on
    _last: float = float("nan")

    def __call__(self, block: Float32, samplerate: int) -> None:
        """Count a block (n,), full scale 1."""
        if not len(block):
            return
        changes = self.count + np.flatnonzero(np.diff(block, prepend=np.float32(self._last)))
        edges = np.concatenate([[self._began], changes, [self.count + len(block)]])
        longest = int(np.argmax(np.diff(edges)))
        if (length := int(edges[longest + 1] - edges[longest])) > self.stuck:
            self.stuck, self.stuck_from = length, int(edges[longest])
        self.samplerate, self.count = samplerate, self.count + len(block)
        self.clipped += int(np.count_nonzero(np.abs(block) >= FULL_SCALE))
        self._began, self._last = int(edges[-2]), float(block[-1])

    def watch(self, blocks: Iterable[Float32], samplerate: int) -> Iterator[Float32]:
        """``blocks``, each of them counted before it goes on."""
        for block in blocks:
            self(block, samplerate)
            yield block


@dataclass
class Sound:
    """One recording, or what a device gave between two gaps."""

    name: str  # of the file or the device
    windows: list[Window] = field(default_factory=list)
    samples: Samples = field(default_factory=Samples)

    @property
    def seconds(self) -> float:
        """How long it is."""
        samples = self.samples
        return samples.count / samples.samplerate if samples.samplerate else self.windows[-1].end


def names(sounds: Sequence[Sound]) -> str:
    """What a sentence about all of them begins with."""
    found = list(dict.fromkeys(sound.name for sound in sounds))
    return f"{found[0]} and {len(found) - 1} more" if len(found) > 1 else found[0]


def places(detector: Detector, sounds: Sequence[Sound], chosen: NDArray[np.bool]) -> str:
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
        spans = [f"{max(0.0, windows[a].end - length):.0f} to {windows[b - 1].end:.0f}" for a, b in borders]
        whole = len(windows) == 1 and len(sounds) > 1
        found += [sound.name if whole else f"{sound.name}: seconds {' and '.join(spans)}"] if spans else []
    more = [f"{len(found) - MOST_PLACES} more"] if len(found) > MOST_PLACES else []
    return ", ".join(found[:MOST_PLACES] + more)
