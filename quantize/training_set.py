"""The training recordings as the device's front end computes them: what a head is fitted on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.recordings import Recording, scan
from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.joining import DEFAULT_FADE_SECONDS, joined
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mixing import mixed
from edgeae.runtime.scoring.background import background_changes, read_background
from edgeae.runtime.scoring.heads import Kind
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.system.arrays import Float32, Float64
from edgeae.runtime.system.path_text import path_of
from edgeae.runtime.system.spread import evenly_spread
from edgeae.train.config import Config
from edgeae.train.frame_store import Frames, StoredFrames
from edgeae.train.synth.background_noise import N_EXAMPLES, noise_examples

from .chart_priors import MachineStream, fit_chart_priors
from .fit_fleet import FittedFleet, fit_fleet
from .training_frames import Computed, FramesOnDisk

EXAMPLE_SECONDS = 60.0  # of a recording that gets another gain or background noise
MAX_GAIN_RECORDINGS = 24  # recordings that are made louder and softer
GAIN_STEPS_DB = (-12, -6, 6, 12)
# Of the covariance that background noise adds, from loud to hardly audible. Noise that is 20 dB
# below a new machine raises 2 to 4 % false alarms at 1 % asked (0.1: 1 %; 0.01: 4 to 13 %; 0: all
# windows), and faults in quiet sound lose .004 AUC on the mean of all sets (0.1: .007; 0.01: .002).
NOISE_SHARE = 0.03


@dataclass(frozen=True)
class TrainingSet:
    """The training recordings as the device's front end computes them."""

    recordings: list[Recording]
    frames: Sequence[Frames]  # (n_frames, n_mels) dB of each, in memory or on disk
    held_out: frozenset[Path] = frozenset()  # recordings that the network was validated with
    disk: FramesOnDisk | None = None  # what has written the frames, if they are on disk
    background: tuple[Float32, ...] = ()  # (n_frames, n_mels) dB, with the machine off

    def patches(self, patch_frames: int) -> Sequence[Float32]:
        """(n_patches, patch_frames, n_mels) dB of each recording, see `cut_patches`."""
        return Computed(
            len(self.frames), lambda i: cut_patches(np.asarray(self.frames[i]), patch_frames)
        )

    def part(self, n_recordings: int) -> Self:
        """At most so many of the recordings, evenly spread."""
        chosen = evenly_spread(list(zip(self.recordings, self.frames, strict=True)), n_recordings)
        recordings, frames = zip(*chosen, strict=True)
        return replace(self, recordings=list(recordings), frames=list(frames))

    def window(self, max_seconds: float, config: Config) -> float:
        """The decision window in seconds: ``max_seconds``, or what a median recording fills."""
        patch_frames = config.model.patch_frames
        patch_seconds = patch_frames / config.mel.frames_per_second
        median_frames = float(np.median([len(frames) for frames in self.frames]))
        n_patches = max(1, round(median_frames / patch_frames))
        return min(max_seconds, n_patches * patch_seconds)

    def fit(
        self, pipeline: Pipeline, kind: Kind, false_alarms: str, exact: Pipeline | None = None
    ) -> FittedFleet:
        """The head and threshold of an artifact, see `edgeae.quantize.fit_fleet.fit_fleet`.

        exact: with the float network that became the int8 network of ``pipeline``.
        """
        machines, held_out = self.machines(pipeline)
        rounding = None
        if exact is not None:
            rounding = rounding_changes(self.machines(exact)[0], machines)
        gain = self.gain(pipeline)
        noise = self.noise(pipeline)
        views = views_of(pipeline.spec.n_mels, pipeline.network.n_identity)
        fitted = fit_fleet(
            machines,
            gain,
            kind,
            pipeline.window,
            false_alarms,
            views=views,
            noise=noise,
            rounding=rounding,
            held_out=held_out,
        )
        priors = fit_chart_priors(self.streams(pipeline), gain, views, noise, rounding)
        return replace(fitted, head=replace(fitted.head, chart_priors=priors))

    def streams(self, pipeline: Pipeline) -> list[MachineStream]:
        """The recordings of each machine, joined in their order."""
        frames_of: dict[str, list[Frames]] = {}
        for recording, frames in zip(self.recordings, self.frames, strict=True):
            frames_of.setdefault(recording.machine, []).append(frames)
        fade_frames = round(DEFAULT_FADE_SECONDS * pipeline.spec.frames_per_second)
        streams: list[MachineStream] = []
        for recordings in frames_of.values():
            blocks = joined(([np.asarray(frames)] for frames in recordings), fade_frames)
            features = np.array(list(_features_of(pipeline, blocks)))
            step = pipeline.network.patch_frames / pipeline.spec.frames_per_second
            streams.append(MachineStream(features, step, pipeline.window))
        return streams

    def machines(self, pipeline: Pipeline) -> tuple[list[Float64], list[NDArray[np.bool]]]:
        """The features of each machine's windows, which do not overlap.

        Returns (n_windows, n_features) of each machine, and (n_windows,) of each machine: True for
        windows of recordings in `held_out`.
        """
        windows_of: dict[str, list[Float64]] = {}
        held_out_of: dict[str, list[NDArray[np.bool]]] = {}
        for recording, frames in zip(self.recordings, self.frames, strict=True):
            windows = pipeline.independent(pipeline.windows_of_frames(np.asarray(frames)))
            held_out = np.full(len(windows), recording.path in self.held_out)
            windows_of.setdefault(recording.machine, []).append(windows)
            held_out_of.setdefault(recording.machine, []).append(held_out)
        return (
            [np.concatenate(parts) for parts in windows_of.values()],
            [np.concatenate(parts) for parts in held_out_of.values()],
        )

    def gain(self, pipeline: Pipeline) -> Float64:
        """(n, n_features) by which the features of windows change with the gain, see `Fleet.fit`.

        Scaled so that the sum of their squares is that of one recording at all gain steps, averaged
        over the recordings.
        """
        recordings = self._beginnings(pipeline, MAX_GAIN_RECORDINGS)
        changes: list[Float64] = []
        for frames in recordings:
            mean = pipeline.mean_features(frames)
            changes += [
                pipeline.mean_features(frames + np.float32(step)) - mean for step in GAIN_STEPS_DB
            ]
        return np.asarray(np.array(changes) / np.sqrt(len(recordings)))

    def noise(self, pipeline: Pipeline) -> Float64:
        """(n, n_features) by which the features of windows change with background noise.

        Scaled so that the sum of their squares is NOISE_SHARE of the mean over the examples. The
        background of the training set, if there is any, is added to generic noise.
        """
        recordings = self._beginnings(pipeline, N_EXAMPLES)
        examples = noise_examples(pipeline.spec)
        changes: list[Float64] = []
        for first, frames in enumerate(recordings):
            mean = pipeline.mean_features(frames)
            for noise, snr_db in examples[first :: len(recordings)]:
                noisy = mixed(frames, noise, snr_db)
                changes.append(pipeline.mean_features(noisy) - mean)
        generic = np.array(changes) * np.sqrt(NOISE_SHARE / len(changes))
        if not self.background:
            return np.asarray(generic)
        declared = background_changes(pipeline, recordings, self.background)
        return np.concatenate([generic, declared])

    def _beginnings(self, pipeline: Pipeline, max_recordings: int) -> Sequence[Float32]:
        """The first minute (n_frames, n_mels), dB, of evenly spread recordings, read one by one."""
        chosen = evenly_spread(self.frames, max_recordings)
        max_frames = max(
            pipeline.window_frames, round(EXAMPLE_SECONDS * pipeline.spec.frames_per_second)
        )
        return Computed(len(chosen), lambda i: np.asarray(chosen[i][:max_frames]))


def _features_of(pipeline: Pipeline, blocks: Iterator[Float32]) -> Iterator[Float64]:
    """Yield the features (n_features,) of each window of a stream of blocks (n, n_mels), dB."""
    stream = pipeline.window_stream()
    for block in blocks:
        for window in stream.push_frames(block):
            yield window.features
    for window in stream.flush():
        yield window.features


def rounding_of(exact: Sequence[Float64], machines: Sequence[Float64]) -> list[Float64]:
    """(n_windows, n_features) of each machine: the changes of its features by int8.

    What all windows of a machine share does not count: its calibration is made on int8, too.

    exact: features (n_windows, n_features) of each machine by the float network.
    machines: the same windows by the int8 network.
    """
    changes = [after - before for before, after in zip(exact, machines, strict=True)]
    return [change - change.mean(axis=0) for change in changes]


def rounding_changes(exact: Sequence[Float64], machines: Sequence[Float64]) -> Float64:
    """(n, n_features) those of all machines, whose squares add up to their covariance."""
    changes = np.concatenate(rounding_of(exact, machines))
    return np.asarray(changes / np.sqrt(len(changes)))


def cut_patches(frames: Float32, patch_frames: int) -> Float32:
    """Cut (n_frames, n_mels) into patches (n_patches, patch_frames, n_mels), side by side.

    The last patch ends with the last frame, so it may overlap the one before it.
    """
    whole = len(frames) // patch_frames * patch_frames
    patches = frames[:whole].reshape(-1, patch_frames, frames.shape[1])
    if len(frames) == whole:
        return patches
    return np.concatenate([patches, frames[None, -patch_frames:]])


def read_training_set(
    data: Path,
    config: Config,
    report: Callable[[str], None],
    *,
    skip_bad: bool,
    held_out: frozenset[Path] = frozenset(),
) -> TrainingSet:
    """Read the recordings of ``data``/train through the device's front end.

    report: receives one sentence for each recording that cannot be read.
    skip_bad: continue without those recordings; otherwise they raise AudioError at the end.
    held_out: the recordings that the network was validated with.
    """
    patch_frames = config.model.patch_frames
    disk = FramesOnDisk(config.mel.n_mels)

    def read(recording: Recording) -> StoredFrames:
        frames = read_log_mel(recording.path, config.mel, config.data.channel)
        if len(frames) < patch_frames:
            raise AudioError(f"{recording.path}: {len(frames)} frames; {patch_frames} are needed")
        return disk.write(frames)

    pairs = read_each(
        scan(data, "train", report=report, command="edgeae export --data"),
        read,
        report,
        skip_bad=skip_bad,
    )
    recordings = [recording for recording, _ in pairs]
    background = read_background(
        [path_of(name) for name in config.data.background], config.mel, config.data.channel
    )
    return TrainingSet(recordings, [frames for _, frames in pairs], held_out, disk, background)
