"""From a stream of sound to decision windows."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio.level import level_dbfs
from ..audio.signal_quality import QualityMeter, SignalQuality, pooled
from ..audio.sound_file import MAX_AMPLITUDE
from ..errors import AudioError
from ..features.mel import MelSpec, MelStream
from ..system.arrays import Float32, Float64
from .window_features import window_features


class PatchNetwork(Protocol):
    """What sees a patch: the artifact's `Network`, or a trained torch network in its place."""

    patch_frames: int

    def __call__(self, patches: Float32) -> Float32: ...

    def residual(self, patches: Float32) -> Float32: ...

    def out_of_range(self, patches: Float32) -> Float32: ...


@dataclass(frozen=True)
class Window:
    """One decision window."""

    end: float  # seconds from the start of the recording
    features: Float64  # (size,), see `edgeae.runtime.scoring.head`
    level: float | None  # dBFS of the sound since the window before; None for precomputed features
    full: bool = True  # as long as the decision window, to a tenth; one of less sound strays more
    out_of_range: float = (
        0.0  # share of the last patch beyond the range of the int8 network's input
    )
    bands: Float64 | None = None  # (n_mels,) dB, mean over the window
    sound: SignalQuality | None = None  # of its raw samples; None for precomputed features
    latest: Float32 | None = None  # (n_mels,) dB, mean over its last patch

    @property
    def raw(self) -> SignalQuality:
        """The state of its raw samples; nothing is wrong with those of precomputed features."""
        return self.sound or SignalQuality()


PatchOutput = tuple[
    Float32, Float32, float
]  # a patch: statistics (3, 2 * n_mels), mean (n_mels,) dB, share out of range


class WindowStream:
    """The state of one source of sound: `push` blocks, get the windows they complete.

    Or `hear` them, and let `see` ask the network about the patches of many streams at once.
    """

    def __init__(
        self, spec: MelSpec, network: PatchNetwork, window: float, samplerate: int | None = None
    ) -> None:
        """samplerate: Hz, of what is given to `measure`, before resampling."""
        self.spec, self.network = spec, network
        self.patch = network.patch_frames
        self._meter = QualityMeter(samplerate or spec.sample_rate, self._seconds(self.patch))
        patches = patches_of(window, spec, network)
        self._mel = MelStream(spec, self.patch)
        self._pending = np.empty((0, spec.n_mels), np.float32)
        self._last = self._pending  # the patch before it
        self._statistics: deque[Float32] = deque(maxlen=patches)
        self._bands: deque[Float32] = deque(maxlen=patches)
        self._measured: deque[SignalQuality] = deque(maxlen=patches)
        self.windows_apart = patches  # every so many windows do not overlap
        self._frames = 0  # seen so far
        self._heard = 0  # of them, since the start or the last gap
        self._out_of_range = 0.0  # of the last patch
        self._sound = np.empty(0, np.float32)
        self._levels: deque[float] = deque()

    def measure(self, raw: Float32) -> None:
        """The same sound as the next block, (n,) before resampling: what tells the state of the microphone."""
        self._meter.push(raw)

    def push(self, block: Float32) -> list[Window]:
        """A block (n,) of samples at ``spec.sample_rate``, full scale 1."""
        self.hear(block)
        return see([self])[0]

    def push_frames(self, frames: Float32) -> list[Window]:
        """Log-mel frames (n, n_mels), dB."""
        self._hear_frames(frames)
        return see([self])[0]

    def hear(self, block: Float32) -> None:
        """A block (n,) as for `push`, whose patches wait until somebody looks at them."""
        sound, step = np.concatenate([self._sound, block]), self.patch * self.spec.hop
        whole = len(sound) // step * step
        self._levels.extend(level_dbfs(part) for part in sound[:whole].reshape(-1, step))
        self._sound = sound[whole:]
        self._hear_frames(self._mel.push(block))

    def _hear_frames(self, frames: Float32) -> None:
        self._pending = np.concatenate([self._pending, frames])

    @property
    def waiting(self) -> Float32:
        """(n, patch_frames, n_mels) dB, patches that are complete and were not seen by the network."""
        n = len(self._pending) // self.patch
        return self._pending[: n * self.patch].reshape(n, self.patch, self.spec.n_mels)

    def take(self, seen: Iterable[PatchOutput]) -> list[Window]:
        """The windows that the patches which wait complete; ``seen`` begins with these patches."""
        patches = self.waiting
        if not len(patches):
            return []
        self._last, self._pending = patches[-1], self._pending[len(patches) * self.patch :]
        windows = []
        for _, patch in zip(patches, seen, strict=False):
            self._add(patch, self.patch)
            level = self._levels.popleft() if self._levels else None
            windows += [self._window(level)] if self.full else []
        return windows

    def _add(self, seen: PatchOutput, new: int) -> None:
        """Take in a patch with ``new`` frames that were not in the one before."""
        statistics, bands, out_of_range = seen
        self._statistics.append(statistics)
        self._bands.append(bands)
        self._measured.extend(self._meter.pop())
        self._out_of_range = float(out_of_range)
        self._frames += new
        self._heard += new

    @property
    def full(self) -> bool:
        """A whole decision window was heard since the start or the last gap."""
        return len(self._statistics) == self._statistics.maxlen

    def flush(self) -> list[Window]:
        """The last window of a recording; AudioError if it is shorter than one patch."""
        self._pending = np.concatenate([self._pending, self._mel.rest()])
        rest = len(self._pending)
        if not self._statistics:
            raise AudioError(
                f"only {self._seconds(rest):.2f} s of sound; at least {self._seconds(self.patch):.2f} s is needed"
            )
        if self.full and not rest:
            return []
        if rest:
            last = np.concatenate([self._last, self._pending])[None, -self.patch :]
            [seen] = _seen(self.network, last)
            self._add(seen, rest)
        self._measured.extend(self._meter.flush())
        level = level_dbfs(self._sound) if len(self._sound) else None
        return [self._window(self._levels.popleft() if self._levels else level)]

    def reset(self, samples: int) -> None:
        """Forget what was heard, as after a gap; ``samples`` is where the recording goes on."""
        self._mel.reset()
        self._meter.reset()
        self._pending, self._sound = self._pending[:0], self._sound[:0]
        for heard in (self._statistics, self._bands, self._measured, self._levels):
            heard.clear()
        self._frames, self._heard = samples // self.spec.hop, 0

    def _seconds(self, frames: int) -> float:
        return frames * self.spec.hop / self.spec.sample_rate

    def _window(self, level: float | None) -> Window:
        found = window_features(np.array(self._statistics), self.patch)
        full = self._heard >= 0.9 * self.windows_apart * self.patch
        bands = np.array(self._bands).sum(axis=0, dtype=np.float64) / len(self._bands)
        sound = pooled(self._measured) if self._measured else None
        end, beyond = round(self._seconds(self._frames), 3), round(self._out_of_range, 4)
        return Window(end, found, level, full, beyond, bands, sound, self._bands[-1])


def see(streams: Sequence[WindowStream]) -> list[list[Window]]:
    """The windows that the patches of each stream complete; a network sees those of all its streams at once."""
    found = [list[Window]() for _ in streams]
    for network in {id(stream.network): stream.network for stream in streams}.values():
        mine = [
            k
            for k, stream in enumerate(streams)
            if stream.network is network and len(stream.waiting)
        ]
        if mine:
            seen = _seen(network, np.concatenate([streams[k].waiting for k in mine]))
            for k in mine:
                found[k] = streams[k].take(seen)
    return found


def _seen(network: PatchNetwork, patches: Float32) -> Iterator[PatchOutput]:
    return zip(network(patches), patches.mean(axis=1), network.out_of_range(patches), strict=True)


def patches_of(window: float, spec: MelSpec, network: PatchNetwork) -> int:
    """How many patches a decision window of ``window`` seconds holds, at least one."""
    return max(1, round(window * spec.frames_per_second / network.patch_frames))


def checked(block: NDArray[Any]) -> Float32:
    """``block`` as (n,) float32; AudioError unless it is mono sound with full scale 1."""
    if block.ndim != 1 or block.dtype.kind != "f":
        raise AudioError(
            f"samples are {block.dtype} of shape {block.shape}; they have to be float with full scale 1 and of one "
            f"channel, (n,)"
        )
    if len(block) and not (block.max() <= MAX_AMPLITUDE and block.min() >= -MAX_AMPLITUDE):
        raise AudioError(
            f"the sound holds samples that are not numbers or beyond {MAX_AMPLITUDE:g} of full scale; "
            f"check where it comes from"
        )
    return block.astype(np.float32, copy=False)
