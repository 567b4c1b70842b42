"""Worst misses and false alarms: the right recordings, the right seconds, what the network made of them."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.report.examples import (
    EXCERPT_SECONDS,
    MAX_EXAMPLES,
    Example,
    encode_sound,
    excerpt,
    residual_of,
    worst_examples,
)
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import log_mel
from tests.runtime.conftest import read_samples


def _limited(tested, limit):
    """The same test with another threshold."""
    machine = tested["id_03"]
    return {
        "id_03": replace(
            machine, scores=[replace(score, threshold=limit) for score in machine.scores]
        )
    }


def _scores(tested, label):
    return sorted(score.score for score in tested["id_03"].scores if score.label == label)


def test_the_worst_misses_are_the_lowest_scores_of_faults_below_the_threshold(tested):
    found = worst_examples(_limited(tested, 1e3), "anomaly")
    assert [example.score.score for example in found] == _scores(tested, "anomaly")[:MAX_EXAMPLES]
    assert all(example.wrong and example.score.file == example.path.name for example in found)


def test_the_worst_false_alarms_are_the_highest_scores_of_normal_sound(tested):
    found = worst_examples(_limited(tested, -1e3), "normal")
    assert [example.score.score for example in found] == _scores(tested, "normal")[
        : -MAX_EXAMPLES - 1 : -1
    ]


def test_without_an_error_the_nearest_to_one_is_shown(tested):
    (missed,), (rung,) = (
        worst_examples(_limited(tested, -1e3), "anomaly"),
        worst_examples(_limited(tested, 1e3), "normal"),
    )
    assert not missed.wrong and missed.score.score == _scores(tested, "anomaly")[0]
    assert not rung.wrong and rung.score.score == _scores(tested, "normal")[-1]


def test_without_a_threshold_the_median_of_the_machine_divides(tested):
    found = worst_examples(_limited(tested, None), "normal")
    assert found[0].score.score == _scores(tested, "normal")[-1]
    median = np.median([score.score for score in tested["id_03"].scores])
    assert found[0].margin == pytest.approx(found[0].score.score - median)


@pytest.fixture
def example(tested) -> Example:
    return worst_examples(tested, "anomaly")[0]


def test_a_short_recording_is_shown_whole_as_the_scores_hear_it(example):
    shown, spec = excerpt(example, 0), example.detector.spec
    assert shown.start == 0
    whole = read_samples(example.path, spec.sample_rate)
    assert len(whole) - spec.hop < len(shown.samples) and np.array_equal(
        shown.samples, whole[: len(shown.samples)]
    )
    assert np.allclose(shown.frames, read_log_mel(example.path, spec), atol=1e-4)
    assert shown.explanation


def test_heard_less_reconstruction_is_the_residual_in_standard_deviations(example):
    shown, std = excerpt(example, 0), example.detector.band_std
    deaf = std > 1e3
    assert (
        deaf.any()
        and np.isnan(shown.residual[:, deaf]).all()
        and np.isnan(shown.reconstruction[:, deaf]).all()
    )
    difference = (shown.frames - shown.reconstruction) / std
    assert np.abs(difference - shown.residual)[:, ~deaf].max() < 1e-3
    assert np.abs(shown.residual[:, ~deaf]).max() > 0.1


@pytest.mark.parametrize("frames", [32, 33, 63, 64, 100])
def test_the_residual_of_every_frame_is_that_of_its_patch(example, frames):
    detector = example.detector
    sound = read_log_mel(example.path, detector.spec)[:frames]
    found = residual_of(detector, sound)
    assert found.shape == sound.shape
    assert np.array_equal(found[:32], detector.network.residual(sound[None, :32])[0])
    assert np.array_equal(found[-1], detector.network.residual(sound[None, -32:])[0, -1])


@pytest.mark.parametrize("samplerate", [16000, 44100])
def test_of_a_long_recording_the_seconds_before_the_highest_window_are_shown(
    example, tmp_path, samplerate
):
    import soxr

    detector, rng = example.detector, np.random.default_rng(0)
    sound = rng.standard_normal(16000 * 25) * 0.01
    sound[16000 * 14 : 16000 * 18] *= 30
    path = tmp_path / "anomaly_long.wav"
    soundfile.write(path, soxr.resample(sound, 16000, samplerate), samplerate, "FLOAT")
    windows = list(detector.read(path))
    ends, found = np.array([w.end for w in windows]), np.array([w.features for w in windows])
    long = replace(example, path=path)
    shown, fps = excerpt(long, 0), detector.spec.frames_per_second
    end = shown.start + len(shown.frames) / fps
    assert end == pytest.approx(ends[np.argmax(detector.head.score(found))], abs=0.05)
    assert EXCERPT_SECONDS - 0.5 < end - shown.start < EXCERPT_SECONDS + 1.1
    whole = log_mel(read_samples(path, 16000), detector.spec)
    first = round(shown.start * fps)
    assert np.allclose(shown.frames, whole[first : first + len(shown.frames)], atol=1e-3)


def test_precomputed_features_are_shown_without_a_sound(example, tmp_path):
    path = tmp_path / "anomaly_00.npy"
    np.save(path, read_log_mel(example.path, example.detector.spec))
    shown = excerpt(replace(example, path=path), 0)
    assert shown.samples is None
    assert np.array_equal(shown.frames, np.load(path))


@pytest.mark.parametrize(
    ("samplerate", "kind", "most"), [(16000, "audio/mpeg", 8000), (15000, "audio/flac", 32000)]
)
def test_an_encoded_sound_is_small_and_what_it_was_but_for_its_gain(samplerate, kind, most):
    seconds = np.arange(3 * samplerate) / samplerate
    sound = (0.01 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    encoded = encode_sound(sound, samplerate)
    assert encoded.media_type == kind and len(encoded.content) < most * 3
    assert encoded.gain_db == pytest.approx(37, abs=0.1)  # from -40 to -3 dBFS
    heard, rate = soundfile.read(io.BytesIO(encoded.content))
    assert rate == samplerate
    spectrum = np.abs(np.fft.rfft(heard[: len(sound)]))
    assert np.argmax(spectrum) * samplerate / len(sound) == pytest.approx(440, abs=1)
    assert np.sqrt(2) * heard[samplerate : 2 * samplerate].std() == pytest.approx(
        10 ** (-3 / 20), rel=0.02
    )


def test_silence_is_not_raised():
    assert encode_sound(np.zeros(16000, np.float32), 16000).gain_db == 0
