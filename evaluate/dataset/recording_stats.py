"""The properties of one recording, read once and block by block: memory does not grow with its
length."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level import dbfs, deviation
from edgeae.runtime.audio.other_channel import channel_with_sound
from edgeae.runtime.audio.recordings import Label, Recording, SplitName
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.signal_quality import QualityMeter, SignalQuality
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelStream
from edgeae.runtime.monitoring.normal_level import is_plain_noise
from edgeae.runtime.system.arrays import Float32, Float64
from edgeae.runtime.system.path_text import path_text

from .band_levels import INSPECTION_SPEC, BandLevels, bandwidth_hz
from .fingerprint import fingerprint

MIN_LEVEL_DBFS = -80.0  # below, a recording is silent
MIN_CLIPPED_AMPLITUDE = 0.999  # of full scale
BLOCK_SECONDS = 2.0  # read at once
QUALITY_SECONDS = 1.0  # stretches in which the quality of the samples is measured


@dataclass(frozen=True)
class RecordingStats:
    """One recording. What only samples can show is None for precomputed features."""

    file: str
    split: SplitName
    machine: str
    label: Label
    samplerate: int | None  # Hz
    channels: int | None
    seconds: float
    frames: int  # of the log-mel spectrogram
    level_dbfs: float | None
    clipped_share: float | None  # of the samples: at full scale, or a flat top below it
    silent_share: float | None  # digital zeros, share of the worst second
    stuck_share: float | None  # one value, or a repeated buffer, share of the worst second
    bandwidth_hz: float | None  # no sound above it; None where there is sound up to the top
    sha256: str  # of the decoded samples of the channel, or of the features
    fingerprint: str | None  # hexadecimal, see `fingerprint`
    other_channel: int | None = None  # one with sound, where the channel that was read is silent


@dataclass(frozen=True)
class _SampleStats:
    """The part of `RecordingStats` that comes from samples, or from the file of features."""

    seconds: float
    sha256: str
    samplerate: int | None = None
    channels: int | None = None
    level_dbfs: float | None = None
    clipped_share: float | None = None
    silent_share: float | None = None
    stuck_share: float | None = None


class _SampleMeter:
    """Measures the samples of a recording as they pass."""

    def __init__(self, samplerate: int, channels: int) -> None:
        self._samplerate = samplerate
        self._channels = channels
        self._n_samples = 0
        self._n_full_scale = 0
        self._energy = 0.0
        self._sum = 0.0
        self._sha256 = hashlib.sha256()
        self._quality_meter = QualityMeter(samplerate, QUALITY_SECONDS)
        self._qualities: list[SignalQuality] = []

    def passing(self, blocks: Iterator[Float32]) -> Iterator[Float32]:
        """The blocks (n,), unchanged."""
        for block in blocks:
            self._add(block)
            yield block
        self._qualities += self._quality_meter.flush()

    def _add(self, block: Float32) -> None:
        self._n_samples += len(block)
        self._n_full_scale += int(np.count_nonzero(np.abs(block) >= MIN_CLIPPED_AMPLITUDE))
        samples = block.astype(np.float64)
        self._energy += float(np.dot(samples, samples))
        self._sum += float(samples.sum())
        self._sha256.update(block.data)
        self._quality_meter.push(block)
        while complete := self._quality_meter.pop():
            self._qualities += complete

    def stats(self) -> _SampleStats:
        """Of all samples that have passed."""
        qualities = self._qualities
        flat_top_share = sum(quality.clipped for quality in qualities) / len(qualities)
        full_scale_share = self._n_full_scale / self._n_samples
        return _SampleStats(
            seconds=round(self._n_samples / self._samplerate, 3),
            sha256=self._sha256.hexdigest(),
            samplerate=self._samplerate,
            channels=self._channels,
            level_dbfs=round(dbfs(deviation(self._energy, self._sum, self._n_samples)), 2),
            clipped_share=round(max(full_scale_share, flat_top_share), 6),
            silent_share=round(max(quality.silent for quality in qualities), 4),
            stuck_share=round(max(quality.stuck for quality in qualities), 4),
        )


class _FrameMeter:
    """Measures the log-mel frames of a recording as they pass, and keeps the first ``n_kept``."""

    def __init__(self, levels: BandLevels, n_kept: int) -> None:
        self.n_frames = 0
        self._levels = levels
        self._n_kept = n_kept
        self._sum_db = np.zeros(INSPECTION_SPEC.n_mels)
        self._kept = [np.empty((0, INSPECTION_SPEC.n_mels), np.float32)]

    def add(self, frames: Float32) -> None:
        """frames: (n_frames, n_mels), dB."""
        if self.n_frames < self._n_kept:
            self._kept.append(frames[: self._n_kept - self.n_frames])
        self.n_frames += len(frames)
        self._levels.add(frames)
        self._sum_db += frames.sum(axis=0, dtype=np.float64)

    @property
    def first_frames(self) -> Float32:
        """(n, n_mels) dB; n is ``n_kept`` unless the recording is shorter."""
        return np.concatenate(self._kept)

    @property
    def mean_db(self) -> Float64 | None:
        """(n_mels,) dB: mean log-mel; None without a frame."""
        return self._sum_db / self.n_frames if self.n_frames else None

    @property
    def bandwidth_hz(self) -> float | None:
        """See `band_levels.bandwidth_hz`."""
        return bandwidth_hz(self.mean_db) if self.mean_db is not None else None


def measure_recording(
    recording: Recording, split: SplitName, channel: Channel, levels: BandLevels, n_kept: int
) -> tuple[RecordingStats, Float32]:
    """A recording's properties and its first frames (n, n_mels), dB; AudioError if it cannot be
    read.

    levels: gets all frames
    n_kept: number of frames to return, if the recording has so many
    """
    frame_meter = _FrameMeter(levels, n_kept)
    if recording.path.suffix.lower() == ".npy":
        samples = _measure_features(recording.path, frame_meter)
    else:
        samples = _measure_audio(recording.path, channel, frame_meter)
    frames = frame_meter.first_frames
    print_ = fingerprint(frames)
    stats = RecordingStats(
        file=path_text(recording.path),
        split=split,
        machine=recording.machine,
        label=recording.label,
        samplerate=samples.samplerate,
        channels=samples.channels,
        seconds=samples.seconds,
        frames=frame_meter.n_frames,
        level_dbfs=samples.level_dbfs,
        clipped_share=samples.clipped_share,
        silent_share=samples.silent_share,
        stuck_share=samples.stuck_share,
        bandwidth_hz=frame_meter.bandwidth_hz,
        sha256=samples.sha256,
        fingerprint=print_.hex() if print_ else None,
        other_channel=_other_channel(recording.path, channel, samples, frame_meter.mean_db),
    )
    return stats, frames


def _other_channel(
    path: Path, channel: Channel, samples: _SampleStats, mean_db: Float64 | None
) -> int | None:
    """A channel with sound, where the one that was read has none, or only even noise."""
    if samples.level_dbfs is None or mean_db is None or samples.channels == 1:
        return None
    is_silent = samples.level_dbfs < MIN_LEVEL_DBFS
    if is_silent or is_plain_noise(INSPECTION_SPEC, mean_db):
        return channel_with_sound(path, channel)
    return None


def _measure_features(path: Path, frame_meter: _FrameMeter) -> _SampleStats:
    frames = read_log_mel(path, INSPECTION_SPEC)
    frame_meter.add(frames)
    seconds = round(len(frames) / INSPECTION_SPEC.frames_per_second, 3)
    return _SampleStats(seconds, hashlib.sha256(frames.tobytes()).hexdigest())


def _measure_audio(path: Path, channel: Channel, frame_meter: _FrameMeter) -> _SampleStats:
    with AudioFile(path, channel) as audio:
        sample_meter = _SampleMeter(audio.samplerate, audio.channels)
        blocks = sample_meter.passing(audio.blocks(BLOCK_SECONDS))
        sound = resampled(blocks, audio.samplerate, INSPECTION_SPEC.sample_rate)
        for frames in MelStream(INSPECTION_SPEC).frames(sound):
            frame_meter.add(frames)
        return sample_meter.stats()
