"""What one recording is, read once, block by block: a day of sound needs no more memory than a second."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level import dbfs
from edgeae.runtime.audio.recordings import Label, Recording, SplitName
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.signal_quality import QualityMeter, SignalQuality
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelStream
from edgeae.runtime.system.arrays import Float32

from .fingerprint import SPEC, BandLevels, bandwidth, fingerprint

FULL = 0.999  # of full scale; a sample from here on is clipped
BLOCK = 2.0  # seconds read at once


@dataclass(frozen=True)
class Facts:
    """One recording. What only samples tell is None for precomputed features."""

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
    silent_share: float | None  # of the worst second: digital zeros
    stuck_share: float | None  # of the worst second: one value, or a buffer that comes again
    bandwidth_hz: float | None  # above it is nothing; None where there is sound up to the top
    sha256: str  # of the decoded samples of the channel, or of the features
    fingerprint: str | None  # hexadecimal, see `soundprint`


class _Samples:
    """Measures the samples that pass."""

    def __init__(self, samplerate: int) -> None:
        self.count, self._power, self._full = 0, 0.0, 0
        self._sha256, self._meter, self._seconds = (
            hashlib.sha256(),
            QualityMeter(samplerate, 1.0),
            list[SignalQuality](),
        )

    def passing(self, blocks: Iterator[Float32]) -> Iterator[Float32]:
        for block in blocks:
            self.count += len(block)
            self._power += float(np.dot(block, block))
            self._full += int(np.count_nonzero(np.abs(block) >= FULL))
            self._sha256.update(block.data)
            self._meter.push(block)
            while found := self._meter.take():
                self._seconds += found
            yield block
        self._seconds += self._meter.rest()

    def facts(self) -> dict[str, Any]:
        flat = sum(second.clipped for second in self._seconds) / len(self._seconds)
        return {
            "level_dbfs": round(dbfs(math.sqrt(self._power / self.count)), 2),
            "clipped_share": round(max(self._full / self.count, flat), 6),
            "silent_share": round(max(second.silent for second in self._seconds), 4),
            "stuck_share": round(max(second.stuck for second in self._seconds), 4),
            "sha256": self._sha256.hexdigest(),
        }


class _Frames:
    """Measures the frames that pass, and keeps the first ``kept``."""

    def __init__(self, levels: BandLevels, kept: int) -> None:
        self.count, self._levels, self._kept = 0, levels, kept
        self._sum, self._first = np.zeros(SPEC.n_mels), [np.empty((0, SPEC.n_mels), np.float32)]

    def add(self, frames: Float32) -> None:
        if self.count < self._kept:
            self._first.append(frames[: self._kept - self.count])
        self.count += len(frames)
        self._levels.add(frames)
        self._sum += frames.sum(axis=0, dtype=np.float64)

    @property
    def first(self) -> Float32:
        """(n, n_mels) dB, n = ``kept`` unless the recording is shorter."""
        return np.concatenate(self._first)

    def facts(self) -> dict[str, Any]:
        found = fingerprint(self.first)
        return {
            "frames": self.count,
            "bandwidth_hz": bandwidth(self._sum / self.count) if self.count else None,
            "fingerprint": found.hex() if found else None,
        }


def facts_of(
    recording: Recording, split: SplitName, channel: Channel, levels: BandLevels, kept: int
) -> tuple[Facts, Float32]:
    """A recording's facts and its first ``kept`` frames (n, n_mels) in dB; AudioError if it cannot be read.

    All of its frames are added to ``levels``.
    """
    frames = _Frames(levels, kept)
    who: dict[str, Any] = {"file": str(recording.path), "split": split}
    who |= {"machine": recording.machine, "label": recording.label}
    found = _features(recording.path, frames) if recording.path.suffix.lower() == ".npy" else None
    found = found or _audio(recording.path, channel, frames)
    return Facts(**who, **found, **frames.facts()), frames.first


def _features(path: Path, frames: _Frames) -> dict[str, Any]:
    values = read_log_mel(path, SPEC)
    frames.add(values)
    absent = (
        "samplerate",
        "channels",
        "level_dbfs",
        "clipped_share",
        "silent_share",
        "stuck_share",
    )
    seconds = round(len(values) / SPEC.frames_per_second, 3)
    return {
        "seconds": seconds,
        "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        **dict.fromkeys(absent),
    }


def _audio(path: Path, channel: Channel, frames: _Frames) -> dict[str, Any]:
    with AudioFile(path, channel) as audio:
        samples = _Samples(audio.samplerate)
        blocks = samples.passing(audio.blocks(BLOCK))
        for found in MelStream(SPEC).frames(resampled(blocks, audio.samplerate, SPEC.sample_rate)):
            frames.add(found)
        seconds = round(samples.count / audio.samplerate, 3)
        return {
            "samplerate": audio.samplerate,
            "channels": audio.channels,
            "seconds": seconds,
            **samples.facts(),
        }
