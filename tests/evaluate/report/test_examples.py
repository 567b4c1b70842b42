"""Worst misses and false alarms: the right recordings, the right seconds, the reconstruction."""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from edgeae.evaluate.report.examples import (
    EXCERPT_SECONDS,
    MAX_EXAMPLES,
    Example,
    encode_sound,
    excerpt,
    residual_of,
    worst_examples,
)
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.runtime.audio.recordings import Label
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import log_mel
from tests.runtime.conftest import read_samples

Tests = Mapping[str, MachineTest]


def with_threshold(tested: Tests, threshold: float | None) -> Tests:
    """The same test with another threshold."""
    machine = tested["id_03"]
    scores = [replace(score, threshold=threshold) for score in machine.scores]
    return {"id_03": replace(machine, scores=scores)}


def sorted_scores(tested: Tests, label: Label) -> list[float]:
    return sorted(score.score for score in tested["id_03"].scores if score.label == label)


def test_the_worst_misses_are_the_lowest_scores_of_faults_below_the_threshold(
    tested: Tests,
) -> None:
    misses = worst_examples(with_threshold(tested, 1e3), "anomaly")
    lowest = sorted_scores(tested, "anomaly")[:MAX_EXAMPLES]
    assert [example.score.score for example in misses] == lowest
    assert all(example.wrong and example.score.file == example.path.name for example in misses)


def test_the_worst_false_alarms_are_the_highest_scores_of_normal_sound(
    tested: Tests,
) -> None:
    false_alarms = worst_examples(with_threshold(tested, -1e3), "normal")
    highest = sorted_scores(tested, "normal")[: -MAX_EXAMPLES - 1 : -1]
    assert [example.score.score for example in false_alarms] == highest


def test_without_an_error_the_nearest_to_one_is_shown(
    tested: Tests,
) -> None:
    (anomaly,) = worst_examples(with_threshold(tested, -1e3), "anomaly")
    assert not anomaly.wrong and anomaly.score.score == sorted_scores(tested, "anomaly")[0]
    (normal,) = worst_examples(with_threshold(tested, 1e3), "normal")
    assert not normal.wrong and normal.score.score == sorted_scores(tested, "normal")[-1]


def test_without_a_threshold_the_median_of_the_machine_divides(
    tested: Tests,
) -> None:
    worst = worst_examples(with_threshold(tested, None), "normal")[0]
    assert worst.score.score == sorted_scores(tested, "normal")[-1]
    median = np.median([score.score for score in tested["id_03"].scores])
    assert worst.margin == pytest.approx(worst.score.score - median)


@pytest.fixture
def example(tested: Tests) -> Example:
    return worst_examples(tested, "anomaly")[0]


def test_a_short_recording_is_shown_whole_as_the_scores_use_it(example: Example) -> None:
    shown = excerpt(example, 0)
    spec = example.detector.spec
    assert shown.start == 0 and shown.samples is not None
    whole = read_samples(example.path, spec.sample_rate)
    assert len(whole) - spec.hop < len(shown.samples)
    assert np.array_equal(shown.samples, whole[: len(shown.samples)])
    assert np.allclose(shown.frames, read_log_mel(example.path, spec), atol=1e-4)
    assert shown.explanation


def test_input_minus_reconstruction_is_the_residual_in_standard_deviations(
    example: Example,
) -> None:
    shown = excerpt(example, 0)
    std = example.detector.band_std
    masked = std > 1e3
    assert masked.any()
    assert np.isnan(shown.residual[:, masked]).all()
    assert np.isnan(shown.reconstruction[:, masked]).all()
    difference = (shown.frames - shown.reconstruction) / std
    assert np.abs(difference - shown.residual)[:, ~masked].max() < 1e-3
    assert np.abs(shown.residual[:, ~masked]).max() > 0.1


@pytest.mark.parametrize("n_frames", [32, 33, 63, 64, 100])
def test_the_residual_of_every_frame_is_that_of_its_patch(example: Example, n_frames: int) -> None:
    detector = example.detector
    frames = read_log_mel(example.path, detector.spec)[:n_frames]
    residual = residual_of(detector, frames)
    assert residual.shape == frames.shape
    assert np.array_equal(residual[:32], detector.network.residual(frames[None, :32])[0])
    assert np.array_equal(residual[-1], detector.network.residual(frames[None, -32:])[0, -1])


@pytest.mark.parametrize("samplerate", [16000, 44100])
def test_of_a_long_recording_the_seconds_before_the_highest_window_are_shown(
    example: Example, tmp_path: Path, samplerate: int
) -> None:
    detector = example.detector
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(16000 * 25) * 0.01
    sound[16000 * 14 : 16000 * 18] *= 30
    path = tmp_path / "anomaly_long.wav"
    soundfile.write(path, soxr.resample(sound, 16000, samplerate), samplerate, "FLOAT")
    windows = list(detector.read(path))
    scores = detector.head.score(np.array([window.features for window in windows]))
    highest = windows[int(np.argmax(scores))]
    shown = excerpt(replace(example, path=path), 0)
    frame_rate = detector.spec.frames_per_second
    end = shown.start + len(shown.frames) / frame_rate
    assert end == pytest.approx(highest.end, abs=0.05)
    assert EXCERPT_SECONDS - 0.5 < end - shown.start < EXCERPT_SECONDS + 1.1
    whole = log_mel(read_samples(path, 16000), detector.spec)
    first = round(shown.start * frame_rate)
    assert np.allclose(shown.frames, whole[first : first + len(shown.frames)], atol=1e-3)


def test_precomputed_features_are_shown_without_a_sound(example: Example, tmp_path: Path) -> None:
    path = tmp_path / "anomaly_00.npy"
    np.save(path, read_log_mel(example.path, example.detector.spec))
    shown = excerpt(replace(example, path=path), 0)
    assert shown.samples is None
    assert np.array_equal(shown.frames, np.load(path))


@pytest.mark.parametrize(
    ("samplerate", "media_type", "max_bytes_per_second"),
    [(16000, "audio/mpeg", 8000), (15000, "audio/flac", 32000)],
)
def test_an_encoded_sound_is_small_and_what_it_was_but_for_its_gain(
    samplerate: int, media_type: str, max_bytes_per_second: int
) -> None:
    seconds = np.arange(3 * samplerate) / samplerate
    sound = (0.01 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    encoded = encode_sound(sound, samplerate)
    assert encoded.media_type == media_type
    assert len(encoded.content) < max_bytes_per_second * 3
    assert encoded.gain_db == pytest.approx(37, abs=0.1)  # from -40 to -3 dBFS
    decoded, rate = soundfile.read(io.BytesIO(encoded.content))
    assert rate == samplerate
    spectrum = np.abs(np.fft.rfft(decoded[: len(sound)]))
    assert np.argmax(spectrum) * samplerate / len(sound) == pytest.approx(440, abs=1)
    amplitude = np.sqrt(2) * decoded[samplerate : 2 * samplerate].std()
    assert amplitude == pytest.approx(10 ** (-3 / 20), rel=0.02)


def test_silence_is_not_raised() -> None:
    assert encode_sound(np.zeros(16000, np.float32), 16000).gain_db == 0
