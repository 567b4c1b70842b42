"""The worst misses and the worst false alarms: input, reconstruction, residual and the sound.

    recording  |-----------------------[ window of the highest score ]------------|
    shown                        [======== ten seconds that end with it ========]

A recording of ten seconds or less is shown whole. The reconstruction in dB is the input minus the
residual times the standard deviation of the band; bands that the training masks have none.
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
from edgeae.runtime.model.sections import MASKED_BAND_STD_DB
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

from ..results.recording_scores import MachineTest, RecordingScore

EXCERPT_SECONDS = 10.0  # about
MAX_EXAMPLES = 3  # of each label
MIN_PEAK_DBFS = -3.0  # the peak that a quiet sound is raised to
MAX_SILENCE_DBFS = -110.0  # a sound whose peak is not above it is not raised
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True)
class Example:
    """A test recording; ``margin`` is the score that decides minus the limit of its machine."""

    score: RecordingScore
    path: Path
    detector: Detector
    margin: float

    @property
    def wrong(self) -> bool:
        """True if the score is on the wrong side of the limit."""
        return (self.margin > 0) != (self.score.label == "anomaly")

    @property
    def error(self) -> float:
        """How far the score is on the wrong side of the limit; negative on the right side."""
        return -self.margin if self.score.label == "anomaly" else self.margin


def worst_examples(tested: Mapping[str, MachineTest], label: Label) -> list[Example]:
    """Return up to ``MAX_EXAMPLES`` wrong recordings with a label, the worst of all machines first.

    If none is wrong, the one that is nearest to it. Without a threshold the limit is the median
    score of the machine.
    """
    examples = [
        example
        for result in tested.values()
        for example in _examples(result)
        if example.score.label == label
    ]
    examples.sort(key=lambda example: (-example.error, example.score.file))
    wrong = [example for example in examples if example.wrong]
    return wrong[:MAX_EXAMPLES] or examples[:1]


def _examples(test: MachineTest) -> Iterator[Example]:
    median = float(np.median([score.score for score in test.scores]))
    for recording, score in zip(test.recordings, test.scores, strict=True):
        if score.not_judged:
            continue
        if score.threshold is None:
            margin = score.score - median
        else:
            margin = score.decisive - score.threshold
        yield Example(score, recording.path, test.detector, margin)


@dataclass(frozen=True)
class Excerpt:
    """The part of a recording that is shown."""

    start: float  # seconds
    frames: Float32  # (n_frames, n_mels), dB
    reconstruction: Float32  # (n_frames, n_mels), dB, by the network; NaN in masked bands
    residual: Float32  # (n_frames, n_mels), input minus reconstruction, in standard deviations
    samples: Float32 | None  # (n,) at the rate of the features; None for precomputed ones
    explanation: str  # how it differs from the normal sound of this machine


def excerpt(example: Example, channel: Channel) -> Excerpt:
    """Read the seconds of a recording that its highest score belongs to."""
    detector = example.detector
    spec = detector.spec
    windows = detector.read(example.path, channel)
    highest = max(windows, key=lambda window: detector.result(window).score)
    patch_frames = detector.network.patch_frames
    n_patches = max(1, round(EXCERPT_SECONDS * spec.frames_per_second / patch_frames))
    last = round(highest.end * spec.frames_per_second)
    first = max(0, last - n_patches * patch_frames) // patch_frames * patch_frames
    samples, frames = _read_part(example, channel, first, last)
    residual = residual_of(detector, frames)
    std = np.where(detector.band_std < MASKED_BAND_STD_DB, detector.band_std, np.nan)
    masked = np.isnan(std)
    return Excerpt(
        start=first / spec.frames_per_second,
        frames=frames,
        reconstruction=np.asarray(frames + residual * std, np.float32),
        residual=np.where(masked, np.float32(np.nan), -residual),
        samples=samples,
        explanation=_explanation(detector, highest),
    )


def _read_part(
    example: Example, channel: Channel, first: int, last: int
) -> tuple[Float32 | None, Float32]:
    """Return samples (None for precomputed features) and log-mel frames ``first`` to ``last``."""
    spec = example.detector.spec
    if example.path.suffix.lower() == ".npy":
        return None, read_log_mel(example.path, spec)[first:last]
    with AudioFile(example.path, channel) as audio:
        blocks = resampled(audio.blocks(), audio.samplerate, spec.sample_rate)
        first_sample = first * spec.hop
        last_sample = (last - 1) * spec.hop + spec.n_fft
        samples = np.concatenate(list(_part(blocks, first_sample, last_sample)))
    return samples, log_mel(samples, spec)


def _part(blocks: Iterable[Float32], first: int, last: int) -> Iterator[Float32]:
    """Yield samples ``first`` to ``last``, as far as the blocks go."""
    position = 0
    for block in blocks:
        yield block[max(0, first - position) : max(0, last - position)]
        position += len(block)
        if position >= last:
            return


def _explanation(detector: Detector, window: Window) -> str:
    ranges = detector.explainer.explain(window.features).moved
    sentences = "; ".join(range_.sentence() for range_ in ranges)
    return sentences or "no range of frequencies stands out by itself"


def residual_of(detector: Detector, frames: Float32) -> Float32:
    """Return reconstruction minus input as the scores use it, for each frame.

    frames: (n_frames, n_mels), dB; returned: (n_frames, n_mels), in standard deviations.
    """
    patch_frames = detector.network.patch_frames
    residual = detector.network.residual(cut_patches(frames, patch_frames))
    n_patches = len(frames) // patch_frames
    n_remaining = len(frames) - n_patches * patch_frames
    patches = residual[:n_patches].reshape(-1, frames.shape[1])
    remaining = residual[-1][patch_frames - n_remaining :]
    return np.concatenate([patches, remaining])


@dataclass(frozen=True)
class EncodedSound:
    """A sound as a small file."""

    content: bytes
    media_type: str
    gain_db: float  # by which it was raised


def encode_sound(samples: Float32, samplerate: int) -> EncodedSound:
    """Encode a sound, raised so far that it can be heard.

    MP3 takes about 4 kB a second and plays in every browser; Ogg is no smaller and does not play on
    every phone. FLAC takes six times as much; it is used where libsndfile is too old for MP3 or MP3
    does not have the rate.
    """
    import soundfile

    peak_dbfs = dbfs(peak(samples))
    gain_db = 0.0
    if peak_dbfs > MAX_SILENCE_DBFS:
        gain_db = max(0.0, float(MIN_PEAK_DBFS - peak_dbfs))
    sound = np.clip(samples * 10 ** (gain_db / 20), -1, 1)
    is_mp3 = "MP3" in soundfile.available_formats() and samplerate in MP3_RATES_HZ
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, samplerate, format="MP3" if is_mp3 else "FLAC")
    media_type = "audio/mpeg" if is_mp3 else "audio/flac"
    return EncodedSound(buffer.getvalue(), media_type, gain_db)
