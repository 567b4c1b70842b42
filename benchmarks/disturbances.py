"""What happens to the sound of a machine after its calibration: each disturbance as a function.

A disturbance takes a recording, the machine's normal level and random numbers, and returns the
disturbed recording; None where it has no meaning for such a recording. Levels refer to the normal
sound of the machine at the detector's sample rate, not to each recording: noise in a room does not
follow the machine.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.channel import Channel, select_channel
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, band_edges, log_mel
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

SPEC = MelSpec()
MAINS = 50.0  # Hz
HARMONICS = 10  # of the mains, the k-th with 1 / k of the amplitude


@dataclass(frozen=True)
class Sound:
    """Samples (n, channels), full scale 1, as the microphone gave them."""

    samples: Float32
    samplerate: int  # Hz
    channel: Channel

    @classmethod
    def read(cls, path: Path, channel: Channel) -> "Sound":
        import soundfile

        with AudioFile(path, channel):  # refuses what is no sound
            samples, samplerate = soundfile.read(path, dtype="float32", always_2d=True)
        return cls(samples, samplerate, channel)

    @property
    def heard(self) -> Float32:
        """(n,) samples of the channel that is listened to, at 16 kHz."""
        return _resample(
            select_channel(self.samples, self.channel), self.samplerate, SPEC.sample_rate
        )

    @property
    def power(self) -> float:
        return float(np.mean(np.square(self.heard, dtype=np.float64)))

    @property
    def peak(self) -> float:
        return float(np.abs(select_channel(self.samples, self.channel)).max())

    def windows(self, pipeline: Pipeline) -> list[Window]:
        return list(pipeline.windows([select_channel(self.samples, self.channel)], self.samplerate))

    def louder(self, decibel: float) -> "Sound":
        return replace(self, samples=self.samples * np.float32(10 ** (decibel / 20)))

    def with_noise(self, noise: Float32, power: float) -> "Sound":
        """``noise`` (n,) at 16 kHz, scaled to ``power``, is added to every channel."""
        scaled = noise * np.sqrt(power / np.mean(np.square(noise)))
        added = np.resize(_resample(scaled, SPEC.sample_rate, self.samplerate), len(self.samples))
        return replace(self, samples=self.samples + added[:, None].astype(np.float32))

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.samplerate


@dataclass(frozen=True)
class LogMel:
    """A recording known only by its log-mel frames (n, 128), dB: sounds are added in power."""

    frames: Float32

    @property
    def power(self) -> float:
        edges = band_edges(SPEC)
        return float(np.mean(10 ** (self.frames / 10) @ (edges[2:] - edges[:-2])))

    peak = float("nan")

    def windows(self, pipeline: Pipeline) -> list[Window]:
        return pipeline.windows_of_frames(self.frames)

    def louder(self, decibel: float) -> "LogMel":
        return LogMel(np.maximum(self.frames + np.float32(decibel), np.float32(SPEC.floor_db)))

    def with_noise(self, noise: Float32, power: float) -> "LogMel":
        added = log_mel(noise)[: len(self.frames)]
        added += np.float32(10 * np.log10(power / LogMel(added).power))
        return LogMel(10 * np.log10(10 ** (self.frames / 10) + 10 ** (added / 10)))

    @property
    def seconds(self) -> float:
        return ((len(self.frames) - 1) * SPEC.hop + SPEC.n_fft) / SPEC.sample_rate


Recording = Sound | LogMel
Noise = Callable[[np.random.Generator, int], Float32]  # so many samples at 16 kHz


@dataclass(frozen=True)
class Normal:
    """The level of a machine's normal sound."""

    power: float
    peak: float  # of full scale

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> "Normal":
        powers, peaks = ([getattr(r, name) for r in recordings] for name in ("power", "peak"))
        return cls(float(np.mean(powers)), float(np.median(peaks)))


Disturbance = Callable[[Recording, Normal, np.random.Generator], Recording | None]


def read_recording(path: Path, channel: Channel) -> Recording:
    return LogMel(read_log_mel(path, SPEC)) if path.suffix == ".npy" else Sound.read(path, channel)


def _resample(samples: NDArray[np.floating], rate_in: int, rate_out: int) -> Float32:
    import soxr

    return np.asarray(soxr.resample(samples, rate_in, rate_out), np.float32)


def pink_noise(rng: np.random.Generator, n: int) -> Float32:
    """(n,) Gaussian noise whose power falls by 3 dB an octave from 20 Hz on."""
    size = 1 << (n - 1).bit_length()  # a power of two: other transforms may take long
    frequency = np.fft.rfftfreq(size, 1 / SPEC.sample_rate)
    parts = rng.standard_normal((2, len(frequency)))
    sound = np.fft.irfft((parts[0] + 1j * parts[1]) / np.sqrt(np.maximum(frequency, 20)), size)
    return sound[:n].astype(np.float32)


def mains_hum(rng: np.random.Generator, n: int) -> Float32:
    """(n,) the mains and its harmonics, each with a phase of its own."""
    turn = np.arange(0, 1, MAINS / SPEC.sample_rate)
    waves = [np.sin(2 * np.pi * (k * turn + rng.uniform())) / k for k in range(1, HARMONICS + 1)]
    return np.resize(np.sum(waves, axis=0).astype(np.float32), n)


def background(folder: Path) -> Noise:
    """Stretches of the recordings of a folder."""
    sounds = []
    for path in sorted(folder.glob("**/normal*.wav")):
        with AudioFile(path) as audio:
            blocks = resampled(audio.blocks(), audio.samplerate, SPEC.sample_rate)
            sounds.append(np.concatenate(list(blocks)))
    if not sounds:
        raise ConfigError(
            f"{folder}: holds no normal*.wav; name a folder of recordings of background noise"
        )

    def noise(rng: np.random.Generator, n: int) -> Float32:
        sound = sounds[rng.integers(len(sounds))]
        return np.resize(np.roll(sound, rng.integers(len(sound))), n)

    return noise


def gain(
    recording: Recording, normal: Normal, rng: np.random.Generator, *, decibel: float
) -> Recording:
    return recording.louder(decibel)


def noise(
    recording: Recording, normal: Normal, rng: np.random.Generator, *, source: Noise, snr: float
) -> Recording:
    """Noise ``snr`` dB below the machine's normal sound."""
    n = math.ceil(recording.seconds * SPEC.sample_rate)
    return recording.with_noise(source(rng, n), normal.power * 10 ** (-snr / 10))


def rate(
    recording: Recording, normal: Normal, rng: np.random.Generator, *, samplerate: int
) -> Recording | None:
    """Recorded at another rate, and given as such."""
    if isinstance(recording, LogMel):
        return None
    samples = _resample(recording.samples, recording.samplerate, samplerate)
    return replace(recording, samples=samples, samplerate=samplerate)


def clipping(
    recording: Recording, normal: Normal, rng: np.random.Generator, *, excess: float, undone: bool
) -> Recording | None:
    """A recording whose normal peaks are ``excess`` dB above full scale.

    undone: an amplifier before the gain clips.
    """
    if isinstance(recording, LogMel):
        return None
    added = excess - 20 * np.log10(normal.peak)
    loud = recording.louder(added)
    clipped = replace(loud, samples=np.clip(loud.samples, -1, 1))
    return clipped.louder(-added) if undone else clipped


def other_channel(
    recording: Recording, normal: Normal, rng: np.random.Generator
) -> Recording | None:
    """The two channels change places."""
    if (
        isinstance(recording, LogMel)
        or recording.samples.shape[1] < 2
        or recording.channel == "mix"
    ):
        return None
    return replace(recording, channel=0 if recording.channel else 1)


def disturbances(noises: dict[str, Noise]) -> dict[str, Disturbance]:
    """All disturbances by name; ``noises``: the sounds of the room beside pink noise."""
    found: dict[str, Disturbance] = {
        f"gain {d:+d} dB": partial(gain, decibel=d) for d in (-12, -6, 6, 12)
    }
    for hertz in (8000, 11025, 22050, 44100, 48000, 96000):
        found[f"recorded at {hertz / 1000:g} kHz"] = partial(rate, samplerate=hertz)
    for name, source in {"pink noise": pink_noise, **noises}.items():
        found |= {
            f"{name}, SNR {snr} dB": partial(noise, source=source, snr=snr) for snr in (20, 10, 0)
        }
    found[f"hum of {MAINS:g} Hz, -10 dB"] = partial(noise, source=mains_hum, snr=10)
    for excess in (6, 12):
        found[f"clipped by {excess} dB"] = partial(clipping, excess=excess, undone=True)
        found[f"gain up to clip by {excess} dB"] = partial(clipping, excess=excess, undone=False)
    found["the other channel"] = other_channel
    return found
