"""From sound to scores: one path for files, streams, calibration and evaluation.

    samples  ---------------------------------------------------------------->
    frames   | | | | | | | | | | | | | | | | | | | | | | | | | | | | |   log-mel
    patches  [ 32 frames  ][ 32 frames  ][ 32 frames  ][ 32 frames  ]    network, one at a time
    windows  [========= window: about 10 s ==========]                   one score a patch (1.02 s)
                           [========= window ==================]

At the end of a recording the frames that fill no patch are seen in a last patch that overlaps the
one before, and one last window ends with it. A recording shorter than the window is one window.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..audio.channel import Channel, parse_channel
from ..audio.level import level_dbfs
from ..audio.resample import Resampler
from ..audio.signal_quality import Meter, Sound, pooled
from ..audio.sound_file import LOUDEST, AudioFile
from ..errors import ArtifactError, AudioError
from ..features.log_mel_file import read_log_mel
from ..features.mel import Float32, MelSpec, MelStream
from ..model.artifact import Artifact
from ..model.network import Network
from ..monitoring.baseline import LEAST_DEAF, Normal
from .explain import Explainer
from .head import Float64, Head, Kind, coordinates, size_of
from .threshold import Reference, Threshold

MOST_WINDOW = 3600.0  # seconds
PATCH_SECONDS = (0.02, 10.0)  # the shortest and the longest patch
MOST_PATCHES = 4096  # in a window
LONGEST_NAME = 200  # letters, of a machine


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
    coordinates: Float64  # (size,), see `edgeae.runtime.scoring.head`
    level: float | None  # dBFS of the sound since the window before; None for precomputed features
    full: bool = True  # as long as the decision window, to a tenth; one of less sound strays more
    out_of_range: float = 0.0  # share of the last patch beyond the range of the int8 network's input
    bands: Float64 | None = None  # (n_mels,) dB, mean over the window
    sound: Sound | None = None  # of its raw samples; None for precomputed features
    latest: Float32 | None = None  # (n_mels,) dB, mean over its last patch

    @property
    def raw(self) -> Sound:
        """The state of its raw samples; nothing is wrong with those of precomputed features."""
        return self.sound or Sound()


@dataclass(frozen=True)
class Result:
    """One score."""

    t: float  # seconds from the start, the end of its window
    score: float
    threshold: float
    anomaly: bool
    level_dbfs: float | None
    out_of_range: float  # share of the last patch that the int8 network saw as its limit
    window: Window
    health: str = "ok"  # or the condition of the sound, see `edgeae.runtime.monitoring.health`


Seen = tuple[Float32, Float32, float]  # a patch: statistics (3, 2 * n_mels), mean (n_mels,) dB, share out of range


class Listener:
    """The state of one source of sound: `push` blocks, get the windows they complete.

    Or `hear` them, and let `see` ask the network about the patches of many listeners at once.
    """

    def __init__(self, spec: MelSpec, network: PatchNetwork, window: float, samplerate: int | None = None) -> None:
        """samplerate: Hz, of what is given to `measure`, before resampling."""
        self.spec, self.network = spec, network
        self.patch = network.patch_frames
        self._meter = Meter(samplerate or spec.sample_rate, self._seconds(self.patch))
        patches = patches_of(window, spec, network)
        self._mel = MelStream(spec, self.patch)
        self._pending = np.empty((0, spec.n_mels), np.float32)
        self._last = self._pending  # the patch before it
        self._statistics: deque[Float32] = deque(maxlen=patches)
        self._bands: deque[Float32] = deque(maxlen=patches)
        self._measured: deque[Sound] = deque(maxlen=patches)
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

    def take(self, seen: Iterable[Seen]) -> list[Window]:
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

    def _add(self, seen: Seen, new: int) -> None:
        """Take in a patch with ``new`` frames that were not in the one before."""
        statistics, bands, out_of_range = seen
        self._statistics.append(statistics)
        self._bands.append(bands)
        self._measured.extend(self._meter.take())
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
        self._measured.extend(self._meter.rest())
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
        found = coordinates(np.array(self._statistics), self.patch)
        full = self._heard >= 0.9 * self.windows_apart * self.patch
        bands = np.array(self._bands).sum(axis=0, dtype=np.float64) / len(self._bands)
        sound = pooled(self._measured) if self._measured else None
        end, beyond = round(self._seconds(self._frames), 3), round(self._out_of_range, 4)
        return Window(end, found, level, full, beyond, bands, sound, self._bands[-1])


def see(listeners: Sequence[Listener]) -> list[list[Window]]:
    """The windows that the patches of each listener complete; a network sees those of all its listeners at once."""
    found = [list[Window]() for _ in listeners]
    for network in {id(listener.network): listener.network for listener in listeners}.values():
        mine = [k for k, listener in enumerate(listeners) if listener.network is network and len(listener.waiting)]
        if mine:
            seen = _seen(network, np.concatenate([listeners[k].waiting for k in mine]))
            for k in mine:
                found[k] = listeners[k].take(seen)
    return found


def _seen(network: PatchNetwork, patches: Float32) -> Iterator[Seen]:
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
    if len(block) and not (block.max() <= LOUDEST and block.min() >= -LOUDEST):
        raise AudioError(
            f"the sound holds samples that are not numbers or beyond {LOUDEST:g} of full scale; "
            f"check where it comes from"
        )
    return block.astype(np.float32, copy=False)


def _window_seconds(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value <= MOST_WINDOW:
        raise ArtifactError(f"the decision window is {value!r}; allowed is up to {MOST_WINDOW:g} s; export again")
    return float(value)


def _band_std(artifact: Artifact) -> Float64:
    """(n_mels,) dB that one unit of the mean of a band stands for."""
    explain = artifact.sections["explain"]
    std = explain.get("band_std_db") if isinstance(explain, dict) else None
    if not isinstance(std, np.ndarray) or std.shape != (artifact.mel.n_mels,):
        raise ArtifactError("the artifact does not say how its bands vary; export it again")
    if not 1e-3 < std.min() < LEAST_DEAF or std.max() > 1e9:
        raise ArtifactError(f"its bands vary by {std.min():g} to {std.max():g} dB; no sound does, export it again")
    return std.astype(np.float64)


def _machine_name(name: Any) -> str | None:
    if name is None or (isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        return name
    raise ArtifactError(
        f"the name of its machine is {name!r:.40}; allowed is printable text of at most {LONGEST_NAME} letters"
    )


def _check_lengths(spec: MelSpec, network: PatchNetwork, window: float) -> None:
    """ArtifactError for patches and windows that nobody would choose, and that cost much time or memory."""
    (low, high), patch = PATCH_SECONDS, network.patch_frames / spec.frames_per_second
    if not low <= patch <= high:
        raise ArtifactError(f"a patch of the network is {patch:.2g} s long; allowed is {low} to {high} s; export again")
    if patches_of(window, spec, network) > MOST_PATCHES:
        raise ArtifactError(f"the decision window holds more than {MOST_PATCHES} patches; export it again")


class Pipeline:
    """Sound -> windows, before any head: what training machines and the watched machine have in common."""

    def __init__(self, spec: MelSpec, network: PatchNetwork, window: float) -> None:
        self.spec, self.network = spec, network
        self.window = window  # seconds

    @property
    def window_frames(self) -> int:
        """Frames of a decision window."""
        return patches_of(self.window, self.spec, self.network) * self.network.patch_frames

    def listener(self, samplerate: int | None = None) -> Listener:
        """A new source of sound, which comes at ``samplerate`` Hz before resampling."""
        return Listener(self.spec, self.network, self.window, samplerate)

    def windows(self, blocks: Iterable[Float32], samplerate: int) -> Iterator[Window]:
        """The windows of a recording that comes as mono blocks (n,) at ``samplerate`` Hz."""
        listener, resampler = self.listener(samplerate), Resampler(samplerate, self.spec.sample_rate)
        for block in map(checked, blocks):
            listener.measure(block)
            yield from listener.push(resampler.push(block))
        yield from listener.push(resampler.push(np.empty(0, np.float32), last=True))
        yield from listener.flush()

    def windows_of_frames(self, frames: Float32) -> list[Window]:
        """The windows of a recording given as log-mel (n_frames, n_mels), dB."""
        listener = self.listener()
        return listener.push_frames(frames) + listener.flush()

    def read(self, path: str | Path, channel: Channel = 0) -> Iterator[Window]:
        """The windows of a recording or of a ``.npy`` log-mel array; AudioError names a file that is refused."""
        try:
            if Path(path).suffix.lower() == ".npy":
                yield from self.windows_of_frames(read_log_mel(path, self.spec))
                return
            with AudioFile(path, channel) as audio:
                yield from self.windows(audio.blocks(), audio.samplerate)
        except AudioError as error:
            named = str(error).startswith(str(path))
            raise error if named else AudioError(f"{path}: {error}") from error

    def apart(self, windows: Iterable[Window]) -> list[Window]:
        """The windows of one recording that do not overlap."""
        length, free, kept = self.window_frames / self.spec.frames_per_second, 0.0, list[Window]()
        for window in windows:
            if window.end >= free:
                kept.append(window)
                free = window.end + length - 1e-3  # ends are rounded to milliseconds
        return kept

    def independent(self, windows: Iterable[Window]) -> Float64:
        """(n, size): coordinates of the windows of one recording that do not overlap."""
        return np.array([window.coordinates for window in self.apart(windows)])


class Detector(Pipeline):
    """An artifact ready to score.

    >>> detector = Detector.load("machine.onnx")                               # doctest: +SKIP
    >>> detector.score(samples, samplerate=44100) > detector.threshold.value   # doctest: +SKIP
    """

    def __init__(self, artifact: Artifact, network: PatchNetwork | None = None) -> None:
        section, threshold = artifact.sections["head"], artifact.sections["threshold"]
        if not isinstance(section, dict) or not isinstance(threshold, dict):
            raise ArtifactError("the artifact has no scoring head; export it again")
        super().__init__(artifact.mel, network or Network(artifact), _window_seconds(section.get("window")))
        self.artifact = artifact
        self.head = Head.from_dict(section)
        if len(self.head.mean) != size_of(self.spec.n_mels):
            raise ArtifactError(
                f"the scoring head is not one of {self.spec.n_mels} mel bands; export the artifact again"
            )
        _check_lengths(self.spec, self.network, self.window)
        self.threshold = Threshold.from_dict(threshold)
        self.machine = _machine_name(section.get("machine"))  # None before calibration
        self.band_std = _band_std(artifact)

    @cached_property
    def normal(self) -> Normal:
        """The levels of this machine while nothing is wrong."""
        return Normal.of(self)

    @cached_property
    def explainer(self) -> Explainer:
        """What names the frequencies that moved."""
        return Explainer(self.spec, self.head, self.band_std)

    @property
    def channel(self) -> Channel:
        """The channel of the training recordings, which recordings to score have too."""
        origin = self.artifact.sections.get("provenance") or {}
        try:
            return parse_channel(str(origin["config"]["data"]["channel"]))
        except (KeyError, TypeError, IndexError, AudioError):
            return 0

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an artifact; ArtifactError names a file that is refused."""
        artifact = Artifact.read(path)
        try:
            return cls(artifact)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error

    def with_sections(self, **sections: Any) -> Self:
        """The same network with another head or threshold."""
        return type(self)(self.artifact.with_sections(**sections), self.network)

    def with_kind(self, kind: Kind) -> Self:
        """The same detector with another of its heads; the threshold is fitted by the next calibration."""
        section = {**self.artifact.sections["head"], "kind": kind}
        return self.with_sections(head=section)

    def result(self, window: Window) -> Result:
        score = round(float(self.head.score(window.coordinates)), 6)
        limit = self.threshold.value
        return Result(window.end, score, limit, score > limit, window.level, window.out_of_range, window)

    def stream(self, blocks: Iterable[Float32], samplerate: int | None = None) -> Iterator[Result]:
        """Score live sound: mono blocks (n,) of any size at ``samplerate`` Hz (default: the artifact's).

        The same blocks give the same results however they are cut.
        """
        return map(self.result, self.windows(blocks, samplerate or self.spec.sample_rate))

    def score(self, samples: Float32, samplerate: int) -> float:
        """The score of a whole recording (n,) at ``samplerate`` Hz: the mean over its windows."""
        return self.mean_score(list(self.windows([samples], samplerate)))

    def mean_score(self, windows: Sequence[Window]) -> float:
        """The score of a recording from its windows."""
        return float(np.mean(self.head.score(np.array([window.coordinates for window in windows]))))

    def references(self, kind: Kind) -> list[Reference]:
        """What the artifact knows of normal scores; see `edgeae.runtime.scoring.threshold`."""
        try:
            found = self.artifact.sections["head"]["references"][kind]
            known = [Reference(int(r["windows"]), r["parts"].astype(float), r["left_out"].astype(float)) for r in found]
            n_parts = len(self.head.with_kind(kind).weights)
            shapes = {(r.parts.shape[1:], r.left_out.shape) for r in known}
            if (
                not known
                or known[0].windows
                or shapes != {((n_parts,), (n_parts,))}
                or not all(len(r.parts) for r in known)
            ):
                raise ValueError("scores are missing")
            return known
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ArtifactError(f"the artifact has no reference scores for {kind}; export it again") from error
