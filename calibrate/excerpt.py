"""Half a minute of recordings, kept so that changes can be planted into it.

A recording is kept as samples, or as log-mel if it was precomputed. Both can be filtered, modulated
and mixed with another sound. Log-mel frames show only what is slower than a frame, and sounds add
up in them by their powers.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level import rms
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, band_edges, log_mel
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32, Float64

MAX_EXCERPT_SECONDS = 30.0  # of all recordings of a calibration together
MAX_EXCERPT_SAMPLES = 3_000_000  # the same, for high sample rates
EDGE_OCTAVES = 1 / 6  # over which the gain of a range rises at each of its ends

Waveform = Callable[[int, int], Float64]  # number of samples, Hz -> (n,) with level 1


@dataclass(frozen=True)
class FrequencyRange:
    """A range of frequencies."""

    low_hz: float
    high_hz: float

    def weights(self, frequencies_hz: Float64) -> Float64:
        """(n,) 1 within the range, 0 outside."""
        octaves = np.log2(np.maximum(frequencies_hz, 1.0))
        above_low = (octaves - np.log2(self.low_hz)) / EDGE_OCTAVES + 0.5
        below_high = (np.log2(self.high_hz) - octaves) / EDGE_OCTAVES + 0.5
        return np.asarray(np.clip(np.minimum(above_low, below_high), 0.0, 1.0))


class Excerpt(ABC):
    """Sound of a machine into which changes are planted; each change gives a new excerpt."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Its length."""

    @property
    @abstractmethod
    def power(self) -> float:
        """Mean square of its samples, full scale 1."""

    @abstractmethod
    def log_mel(self, spec: MelSpec) -> Float32:
        """Its log-mel frames (n_frames, n_mels), dB."""

    @abstractmethod
    def windows(self, pipeline: Pipeline) -> list[Window]:
        """The decision windows of the excerpt."""

    @abstractmethod
    def filtered(self, band: FrequencyRange, gain_db: float) -> "Excerpt":
        """The excerpt with a range of frequencies amplified."""

    @abstractmethod
    def modulated(self, rate_hz: float, depth: float) -> "Excerpt":
        """The excerpt with its amplitude multiplied by ``1 + depth * sin``."""

    @abstractmethod
    def mixed(self, waveform: Waveform, amplitude: float) -> "Excerpt":
        """The excerpt with ``amplitude * waveform`` added."""


@dataclass(frozen=True)
class SampleExcerpt(Excerpt):
    """An excerpt of samples."""

    samples: Float32  # (n,) full scale 1
    samplerate: int  # Hz
    _components: dict[FrequencyRange, Float32] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.samplerate

    @property
    def power(self) -> float:
        return rms(self.samples) ** 2

    def log_mel(self, spec: MelSpec) -> Float32:
        return log_mel(self.samples, spec)

    def windows(self, pipeline: Pipeline) -> list[Window]:
        return list(pipeline.windows([self.samples], self.samplerate))

    def filtered(self, band: FrequencyRange, gain_db: float) -> Excerpt:
        return self._with(self.samples + (10 ** (gain_db / 20) - 1) * self._component(band))

    def modulated(self, rate_hz: float, depth: float) -> Excerpt:
        phase = 2 * np.pi * rate_hz / self.samplerate * np.arange(len(self.samples))
        return self._with(self.samples * (1 + depth * np.sin(phase)))

    def mixed(self, waveform: Waveform, amplitude: float) -> Excerpt:
        added = waveform(len(self.samples), self.samplerate)
        return self._with(self.samples + amplitude * added)

    def _component(self, band: FrequencyRange) -> Float32:
        """(n,) what is within a range; the last one is kept for the next gains."""
        if band not in self._components:
            # A transform whose length is not a power of two may take many times as long.
            n_fft = 1 << (len(self.samples) - 1).bit_length()
            spectrum = np.fft.rfft(self.samples, n_fft)
            frequencies = np.asarray(np.fft.rfftfreq(n_fft, 1 / self.samplerate), np.float64)
            weights = band.weights(frequencies)
            component = np.fft.irfft(spectrum * weights, n_fft)[: len(self.samples)]
            self._components.clear()
            self._components[band] = component.astype(np.float32)
        return self._components[band]

    def _with(self, samples: NDArray[np.floating[Any]]) -> Excerpt:
        return SampleExcerpt(samples.astype(np.float32), self.samplerate)


@dataclass(frozen=True)
class LogMelExcerpt(Excerpt):
    """An excerpt of precomputed log-mel frames."""

    frames: Float32  # (n_frames, n_mels) dB
    spec: MelSpec

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.spec.frames_per_second

    @property
    def power(self) -> float:
        return _total_power(self.frames, self.spec) / _power_of_unit_noise(self.spec)

    def log_mel(self, spec: MelSpec) -> Float32:
        return self.frames

    def windows(self, pipeline: Pipeline) -> list[Window]:
        return pipeline.windows_of_frames(self.frames)

    def filtered(self, band: FrequencyRange, gain_db: float) -> Excerpt:
        return self._with(self.frames + gain_db * band.weights(band_edges(self.spec)[1:-1]))

    def modulated(self, rate_hz: float, depth: float) -> Excerpt:
        centres = np.arange(len(self.frames)) * self.spec.hop + self.spec.n_fft / 2  # samples
        phase = 2 * np.pi * rate_hz / self.spec.sample_rate * centres
        factors = np.maximum(np.abs(1 + depth * np.sin(phase)), 1e-6)
        return self._with(self.frames + 20 * np.log10(factors)[:, None])

    def mixed(self, waveform: Waveform, amplitude: float) -> Excerpt:
        n_samples = (len(self.frames) - 1) * self.spec.hop + self.spec.n_fft
        added = log_mel(amplitude * waveform(n_samples, self.spec.sample_rate), self.spec)
        powers = 10 ** (self.frames.astype(np.float64) / 10) + 10 ** (added / 10)
        return self._with(10 * np.log10(powers))

    def _with(self, frames: Float64) -> Excerpt:
        return LogMelExcerpt(np.maximum(frames, self.spec.floor_db).astype(np.float32), self.spec)


def _total_power(frames: Float32, spec: MelSpec) -> float:
    """The power of all bands (n_frames, n_mels), dB, together: their mean density times width."""
    edges = band_edges(spec)
    widths = (edges[2:] - edges[:-2]) / 2
    return float((10 ** (frames.astype(np.float64) / 10)).mean(axis=0) @ widths)


@lru_cache(maxsize=8)
def _power_of_unit_noise(spec: MelSpec) -> float:
    noise = np.random.default_rng(0).standard_normal(64 * spec.n_fft)
    return _total_power(log_mel(noise, spec), spec)


def machine_level(excerpts: Sequence[Excerpt]) -> float:
    """The RMS amplitude of all excerpts together, full scale 1."""
    energy = sum(excerpt.power * excerpt.seconds for excerpt in excerpts)
    return math.sqrt(energy / sum(excerpt.seconds for excerpt in excerpts))


class ExcerptBudget:
    """How much sound the excerpts of one calibration may still hold; each takes its part."""

    def __init__(self, pipeline: Pipeline, max_seconds: float = MAX_EXCERPT_SECONDS) -> None:
        """pipeline: makes windows of the excerpts."""
        spec = pipeline.spec
        self._spec = spec
        self._min_samples = (pipeline.network.patch_frames - 1) * spec.hop + spec.n_fft
        self._n_left = min(round(max_seconds * spec.sample_rate), MAX_EXCERPT_SAMPLES)

    @property
    def seconds(self) -> float:
        """What is left, seconds."""
        return self._n_left / self._spec.sample_rate

    def of_samples(self, samples: NDArray[np.floating[Any]], samplerate: int) -> Excerpt | None:
        """An excerpt of the beginning of ``samples`` (n,); None if nothing is left."""
        if not self._is_enough(self._n_left):
            return None
        blocks = [samples[: round(self.seconds * samplerate)].astype(np.float32)]
        kept = np.concatenate(list(resampled(blocks, samplerate, self._spec.sample_rate)))
        self._n_left -= min(len(kept), self._n_left)
        return SampleExcerpt(kept, self._spec.sample_rate) if self._is_enough(len(kept)) else None

    def of_blocks(self, blocks: list[Float32], samplerate: int) -> Excerpt | None:
        """The same for samples that arrived in blocks (n,)."""
        return self.of_samples(np.concatenate(blocks), samplerate) if blocks else None

    def of_frames(self, frames: Float32) -> Excerpt | None:
        """An excerpt of the beginning of log-mel frames; None if nothing is left."""
        kept = frames[: self._spec.n_frames(self._n_left)].copy()
        n_samples = (len(kept) - 1) * self._spec.hop + self._spec.n_fft
        self._n_left -= min(n_samples, self._n_left)
        return LogMelExcerpt(kept, self._spec) if self._is_enough(n_samples) else None

    def of_file(self, path: Path, channel: Channel) -> Excerpt | None:
        """An excerpt of the beginning of a recording, or of a ``.npy`` log-mel array."""
        if not self._is_enough(self._n_left):
            return None
        if Path(path).suffix.lower() == ".npy":
            return self.of_frames(read_log_mel(path, self._spec))
        with AudioFile(path, channel) as audio:
            blocks = []
            n_needed = round(self.seconds * audio.samplerate)
            for block in audio.blocks():
                blocks.append(block)
                n_needed -= len(block)
                if n_needed <= 0:
                    break
            return self.of_blocks(blocks, audio.samplerate)

    def _is_enough(self, n_samples: int) -> bool:
        """True if so many samples fill a patch of the network."""
        return n_samples >= self._min_samples
