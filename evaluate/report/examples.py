"""The worst misses and the worst false alarms: what was heard, what the network made of it, and the sound itself.

    recording  |-----------------------[ window of the highest score ]------------|
    shown                        [======== ten seconds that end with it ========]

A recording of ten seconds or less is shown whole. The reconstruction in dB is the input plus the residual times
what a standard deviation of the band is; bands that training makes the network deaf to have none.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.quantize.training_set import cut_patches
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level import dbfs, peak
from edgeae.runtime.audio.recordings import Label
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.monitoring.baseline import MASKED_BAND_STD_DB
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

from ..results.recording_scores import MachineTest, RecordingScore

SHOWN = 10.0  # seconds, about
MOST = 3  # of each kind
PLAYED = -3.0  # dBFS, the peak that a quiet sound is raised to
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz


@dataclass(frozen=True)
class Example:
    """A test recording; ``margin`` is by how much its score is above the limit of its machine."""

    score: RecordingScore
    path: Path
    detector: Detector
    margin: float

    @property
    def wrong(self) -> bool:
        """It is on the wrong side of the limit."""
        return (self.margin > 0) != (self.score.label == "anomaly")


def worst(tested: Mapping[str, MachineTest], label: Label) -> list[Example]:
    """Of all machines, up to MOST recordings with this label that are on the wrong side, the furthest first.

    If there is none, the one that came nearest. Without a threshold the limit is the median score of the machine.
    """
    found = []
    for machine in tested.values():
        median = float(np.median([score.score for score in machine.scores]))
        for recording, score in zip(machine.recordings, machine.scores, strict=True):
            limit = median if score.threshold is None else score.threshold
            found.append(Example(score, recording.path, machine.detector, score.score - limit))
    mine = [example for example in found if example.score.label == label]
    mine.sort(
        key=lambda example: (
            example.margin if label == "anomaly" else -example.margin,
            example.score.file,
        )
    )
    return [example for example in mine if example.wrong][:MOST] or mine[:1]


@dataclass(frozen=True)
class Excerpt:
    """What is shown of a recording."""

    start: float  # seconds
    frames: Float32  # (n_frames, n_mels), dB
    reconstruction: Float32  # the same of what the network made of it; NaN where it is deaf
    excess: Float32  # input less reconstruction, in standard deviations
    samples: Float32 | None  # (n,) at the rate of the features; None for precomputed ones
    explanation: str  # what stands out of this machine's normal sound, in words


def excerpt(example: Example, channel: Channel) -> Excerpt:
    """The seconds of a recording that its highest score was given for."""
    detector, path = example.detector, example.path
    spec, patch = detector.spec, detector.network.patch_frames
    highest = max(detector.read(path, channel), key=lambda window: detector.result(window).score)
    n = max(1, round(SHOWN * spec.frames_per_second / patch)) * patch
    end = round(highest.end * spec.frames_per_second)
    first = max(0, end - n) // patch * patch
    if path.suffix.lower() == ".npy":
        samples, frames = None, read_log_mel(path, spec)[first:end]
    else:
        samples = _samples(
            path, spec.sample_rate, channel, first * spec.hop, (end - 1) * spec.hop + spec.n_fft
        )
        frames = log_mel(samples, spec)
    residual, std = (
        residual_of(detector, frames),
        np.where(detector.band_std < MASKED_BAND_STD_DB, detector.band_std, np.nan),
    )
    made = np.asarray(frames + residual * std, np.float32)
    excess = np.asarray(-residual + 0 * std, np.float32)
    words = _explained(detector, highest)
    return Excerpt(first / spec.frames_per_second, frames, made, excess, samples, words)


def _explained(detector: Detector, window: Window) -> str:
    moved = detector.explainer.explain(window.features).moved
    found = "; ".join(range_.sentence() for range_ in moved)
    return found or "no range of frequencies stands out by itself"


def _samples(path: Path, samplerate: int, channel: Channel, first: int, last: int) -> Float32:
    """(n,) samples ``first`` to ``last`` at ``samplerate`` Hz, as far as the recording goes."""
    with AudioFile(path, channel) as audio:
        return np.concatenate(
            list(_between(resampled(audio.blocks(), audio.samplerate, samplerate), first, last))
        )


def _between(blocks: Iterable[Float32], first: int, last: int) -> Iterator[Float32]:
    at = 0
    for block in blocks:
        yield block[max(0, first - at) : max(0, last - at)]
        at += len(block)
        if at >= last:
            return


def residual_of(detector: Detector, frames: Float32) -> Float32:
    """(n_frames, n_mels) reconstruction minus input in standard deviations, frame by frame as the scores see it."""
    patch = detector.network.patch_frames
    found = detector.network.residual(cut_patches(frames, patch))
    whole = len(frames) // patch
    left = len(frames) - whole * patch
    return np.concatenate([found[:whole].reshape(-1, frames.shape[1]), found[-1][patch - left :]])


def encoded(samples: Float32, samplerate: int) -> tuple[bytes, str, float]:
    """A sound as a small file, its media type, and by how many dB it was raised to be heard.

    MP3, about 4 kB a second, which every browser plays (Ogg is no larger, but not every phone knows it);
    FLAC, six times as much, where libsndfile is too old or the rate is not one of MP3's.
    """
    import soundfile

    peak_db = dbfs(peak(samples))
    gain = max(0.0, PLAYED - peak_db) if peak_db > -110 else 0.0
    small = "MP3" in soundfile.available_formats() and samplerate in MP3_RATES
    buffer = io.BytesIO()
    sound = np.clip(samples * 10 ** (gain / 20), -1, 1)
    soundfile.write(buffer, sound, samplerate, format="MP3" if small else "FLAC")
    return buffer.getvalue(), "audio/mpeg" if small else "audio/flac", float(gain)
