"""From a stream of sound to decision windows."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..audio.full_scale import MIN_INTEGER_AMPLITUDE, find_other_scale
from ..audio.level import level_dbfs
from ..audio.signal_quality import QualityMeter, SignalQuality, Stretches, pooled
from ..errors import AudioError
from ..features.mel import MelSpec, MelStream
from ..model.network import PatchStatistics
from ..system.arrays import Float32, Float64
from .window_features import window_features


class PatchNetwork(Protocol):
    """Infers patches: the artifact's `Network`, or a trained torch network in its place."""

    patch_frames: int
    n_identity: int

    def __call__(self, patches: Float32) -> PatchStatistics: ...

    def residual(self, patches: Float32) -> Float32: ...

    def out_of_range(self, patches: Float32) -> Float32: ...


@dataclass(frozen=True)
class Window:
    """One decision window."""

    end: float  # seconds from the start of the recording
    features: Float64  # (n_features,), see `edgeae.runtime.scoring.head`
    level: float | None  # dBFS of the sound since the window before; None for precomputed features
    # Holds at least MIN_FULL_SHARE of the decision window; the scores of shorter ones vary more.
    is_full: bool = True
    # Share of the last patch that is beyond the range of the int8 network's input.
    out_of_range: float = 0.0
    bands: Float64 | None = None  # (n_mels,) dB, mean over the window
    sound: SignalQuality | None = None  # of its raw samples; None for precomputed features
    latest: Float32 | None = None  # (n_mels,) dB, mean over its last patch

    @property
    def raw(self) -> SignalQuality:
        """The state of its raw samples; nothing is wrong with those of precomputed features."""
        return self.sound or SignalQuality()


@dataclass(frozen=True)
class Patches:
    """What windows are computed from, of patches in a row."""

    statistics: PatchStatistics
    bands: Float32  # (n_patches, n_mels) dB, mean of each
    out_of_range: Float32  # (n_patches,) share of each beyond the range of the network's input

    def __len__(self) -> int:
        return len(self.bands)

    def __getitem__(self, patches: slice) -> "Patches":
        return Patches(self.statistics[patches], self.bands[patches], self.out_of_range[patches])

    def joined(self, following: "Patches") -> "Patches":
        """These patches and those that follow."""
        return Patches(
            self.statistics.joined(following.statistics),
            np.concatenate([self.bands, following.bands]),
            np.concatenate([self.out_of_range, following.out_of_range]),
        )


MAX_SHOWN_CHARACTERS = 40  # of a value that is no sound, in a message
MIN_FULL_SHARE = 0.9  # of the decision window


class WindowStream:
    """The state of one source of sound: `push` blocks, get the windows they complete.

    Or `push_pending` them, and let `infer_batched` run the network once for many streams.
    """

    def __init__(
        self, spec: MelSpec, network: PatchNetwork, window: float, samplerate: int | None = None
    ) -> None:
        """samplerate: Hz, of what is given to `measure`, before resampling."""
        self.spec = spec
        self.network = network
        self.patch_frames = network.patch_frames
        self._meter = QualityMeter(samplerate or spec.sample_rate, self._seconds(self.patch_frames))
        patches = patches_of(window, spec, network)
        self._mel = MelStream(spec, self.patch_frames)
        self._pending = np.empty((0, spec.n_mels), np.float32)
        self._last_patch = self._pending
        self._patches: Patches | None = None  # the last ones, at most those of a window
        self._measured: deque[SignalQuality] = deque(maxlen=patches)
        self.windows_apart = patches  # every so many windows do not overlap
        self._n_frames = 0  # of the patches so far
        self._n_frames_since_gap = 0
        self._sound = Stretches(self.patch_frames * spec.hop)
        self._levels: deque[float] = deque()

    def measure(self, raw: Float32) -> None:
        """Measure the next block, (n,) before resampling, for the state of the microphone."""
        self._meter.push(raw)

    def push(self, block: Float32) -> list[Window]:
        """Add a block (n,) at ``spec.sample_rate``; return the windows it completes."""
        self.push_pending(block)
        return infer_batched([self])[0]

    def push_frames(self, frames: Float32) -> list[Window]:
        """Add log-mel frames (n, n_mels), dB; return the windows they complete."""
        self._push_pending_frames(frames)
        return infer_batched([self])[0]

    def push_pending(self, block: Float32) -> None:
        """Add a block (n,) as `push` does; its patches are pending until `infer_batched`."""
        self._levels.extend(map(level_dbfs, self._sound.push(block)))
        self._push_pending_frames(self._mel.push(block))

    def _push_pending_frames(self, frames: Float32) -> None:
        if len(frames):
            self._pending = np.concatenate([self._pending, frames])

    @property
    def pending_patches(self) -> Float32:
        """(n, patch_frames, n_mels) dB, complete patches that the network has not inferred."""
        n = len(self._pending) // self.patch_frames
        return self._pending[: n * self.patch_frames].reshape(
            n, self.patch_frames, self.spec.n_mels
        )

    def pop_windows(self, outputs: Patches) -> list[Window]:
        """Return the windows that the pending patches complete.

        outputs: of the pending patches; more may follow.
        """
        patches = self.pending_patches
        if not len(patches):
            return []
        self._last_patch = patches[-1]
        self._pending = self._pending[len(patches) * self.patch_frames :]
        return self._complete(outputs[: len(patches)])

    def _complete(self, outputs: Patches, n_left: int = 0) -> list[Window]:
        """Return the windows that new patches complete.

        n_left: new frames of the last patch at the end of a recording, where it overlaps the one
            before; the last window ends with it, however few patches it holds.
        """
        recent = self._join(outputs)
        first_end = max(self.windows_apart, len(recent) - len(outputs) + 1)
        features = self._features(recent[max(0, first_end - self.windows_apart) :])
        windows: list[Window] = []
        for end in range(len(recent) - len(outputs) + 1, len(recent) + 1):
            is_last = n_left > 0 and end == len(recent)
            self._count(n_left if is_last else self.patch_frames)
            level = self._last_level() if is_last else self._next_level()
            if end >= first_end or is_last:
                start = max(0, end - self.windows_apart)
                windows.append(self._window(recent[start:end], features[len(windows)], level))
        return windows

    def _join(self, outputs: Patches) -> Patches:
        """Add patches; returns them behind those before that are in a window with the first."""
        before = self._patches
        recent = outputs
        if before is not None:
            recent = before[max(0, len(before) - self.windows_apart + 1) :].joined(outputs)
        self._patches = recent[max(0, len(recent) - self.windows_apart) :]
        return recent

    def _features(self, patches: Patches) -> Float64:
        """(n, n_features) of the windows of these patches; of all of them, if they are less."""
        n_patches = min(len(patches), self.windows_apart)
        if not n_patches:
            return np.empty((0, 0))
        return window_features(patches.statistics, self.patch_frames, n_patches)

    def _count(self, n_new_frames: int) -> None:
        """Account for a patch; ``n_new_frames`` of its frames were not in the patch before."""
        self._measured.extend(self._meter.pop())
        self._n_frames += n_new_frames
        self._n_frames_since_gap += n_new_frames

    @property
    def is_warm(self) -> bool:
        """True if a whole decision window of patches came since the start or the last gap."""
        return self._patches is not None and len(self._patches) == self.windows_apart

    def flush(self) -> list[Window]:
        """The last windows of a recording; AudioError if it is shorter than one patch.

        The network infers all pending patches in one call, with the last one, which overlaps the
        one before.
        """
        n_samples = self._mel.n_held
        self._pending = np.concatenate([self._pending, self._mel.rest()])
        patches = self.pending_patches
        n_left = len(self._pending) - len(patches) * self.patch_frames
        if self._patches is None and not len(patches):
            raise self._too_short(n_samples, n_left)
        if n_left:
            frames = np.concatenate([self._last_patch, self._pending])
            patches = np.concatenate([patches, frames[None, -self.patch_frames :]])
        self._pending = self._pending[:0]
        windows = self._complete(_infer(self.network, patches), n_left) if len(patches) else []
        if n_left or self.is_warm:
            return windows
        return [self._short_window()]

    def _too_short(self, n_samples: int, n_frames: int) -> AudioError:
        """Why there is no window. n_samples: of the sound; n_frames: of precomputed features."""
        spec = self.spec
        n_needed = (self.patch_frames - 1) * spec.hop + spec.n_fft
        if n_frames and not n_samples:
            n_samples = n_frames * spec.hop
            n_needed = self.patch_frames * spec.hop
        seconds = math.floor(100 * n_samples / spec.sample_rate) / 100
        needed_seconds = math.ceil(100 * n_needed / spec.sample_rate) / 100
        return AudioError(
            f"only {seconds:.2f} s of sound; at least {needed_seconds:.2f} s is needed"
        )

    def _short_window(self) -> Window:
        """The only window of a recording whose patches do not fill one."""
        assert self._patches is not None  # `flush` has seen to it
        [features] = self._features(self._patches)
        return self._window(self._patches, features, self._last_level())

    def _next_level(self) -> float | None:
        """Level of the next patch, dBFS; None for precomputed features."""
        return self._levels.popleft() if self._levels else None

    def _last_level(self) -> float | None:
        """Level of the sound since the window before at the end of a recording, whose state of the
        microphone is added."""
        self._measured.extend(self._meter.flush())
        if not self._levels and len(self._sound.rest):
            return level_dbfs(self._sound.rest)
        return self._next_level()

    def reset(self, samples: int) -> None:
        """Drop all sound so far, as after a gap.

        samples: the position, at ``spec.sample_rate``, where the recording continues.
        """
        self._mel.reset()
        self._meter.reset()
        self._pending = self._pending[:0]
        self._sound.reset()
        self._patches = None
        self._measured.clear()
        self._levels.clear()
        self._n_frames = samples // self.spec.hop
        self._n_frames_since_gap = 0

    def _seconds(self, frames: int) -> float:
        return frames * self.spec.hop / self.spec.sample_rate

    def _window(self, patches: Patches, features: Float64, level: float | None) -> Window:
        min_full_frames = MIN_FULL_SHARE * self.windows_apart * self.patch_frames
        return Window(
            end=round(self._seconds(self._n_frames), 3),
            features=features,
            level=level,
            is_full=self._n_frames_since_gap >= min_full_frames,
            out_of_range=round(float(patches.out_of_range[-1]), 4),
            bands=np.add.reduce(patches.bands, axis=0, dtype=np.float64) / len(patches),
            sound=pooled(self._measured) if self._measured else None,
            latest=patches.bands[-1],
        )


def infer_batched(streams: Sequence[WindowStream]) -> list[list[Window]]:
    """Return the windows that the pending patches of each stream complete.

    A network infers the patches of all its streams in one call.
    """
    windows = [list[Window]() for _ in streams]
    for network in {id(stream.network): stream.network for stream in streams}.values():
        indices = [
            k
            for k, stream in enumerate(streams)
            if stream.network is network and len(stream.pending_patches)
        ]
        if not indices:
            continue
        outputs = _infer(network, np.concatenate([streams[k].pending_patches for k in indices]))
        for k in indices:
            n_patches = len(streams[k].pending_patches)
            windows[k] = streams[k].pop_windows(outputs)
            outputs = outputs[n_patches:]
    return windows


def _infer(network: PatchNetwork, patches: Float32) -> Patches:
    return Patches(network(patches), patches.mean(axis=1), network.out_of_range(patches))


def patches_of(window: float, spec: MelSpec, network: PatchNetwork) -> int:
    """How many patches a decision window of ``window`` seconds holds, at least one."""
    return max(1, round(window * spec.frames_per_second / network.patch_frames))


def checked(block: object) -> Float32:
    """``block`` as (n,) float32; AudioError unless it is mono sound with full scale 1."""
    if not isinstance(block, np.ndarray):
        text = repr(block)
        raise AudioError(
            f"samples are a {type(block).__name__}, "
            f"{text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + '...'};"
            f" give a NumPy array (n,) of float with full scale 1"
        )
    if block.ndim != 1 or block.dtype.kind != "f":
        raise AudioError(
            f"samples are {block.dtype} of shape {block.shape}; they have to be float with "
            f"full scale 1 and of one channel, (n,)"
        )
    # False for NaN, too.
    if (
        block.max(initial=0) <= MIN_INTEGER_AMPLITUDE
        and block.min(initial=0) >= -MIN_INTEGER_AMPLITUDE
    ):
        return block.astype(np.float32, copy=False)
    if not np.isfinite(block).all():
        raise AudioError(
            "the sound holds samples that are not numbers (NaN or infinite); "
            "check where it comes from"
        )
    if problem := find_other_scale(block):
        raise AudioError(f"the sound {problem}")
    return block.astype(np.float32, copy=False)
