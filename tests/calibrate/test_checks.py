"""What calibration refuses to learn from, in which words, and what it lets pass."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edgeae.calibrate import calibrate
from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.errors import AudioError
from edgeae.runtime.monitoring.health import Health
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from edgeae.train.synth.dataset import render
from edgeae.train.synth.machine import Machine
from tests.conftest import Trained

RATE = 16000
Change = Callable[[Float32], Float32]


@pytest.fixture(scope="module")
def minute() -> Float32:
    """(n,) half a minute of the new machine without a break: seven windows."""
    return render(Machine.draw(3, 1), np.random.default_rng(5), 30.0)


def refusal(detector: Detector, *recordings: Float32, **options: Any) -> str:
    with pytest.raises(AudioError) as error:
        calibrate(detector, recordings, **options)
    return str(error.value)


def noise(n: int, amplitude: float, seed: int = 0) -> Float32:
    return (amplitude * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def whistle(n: int) -> Float32:
    """A tone of 3 kHz over hardly anything: no machine of the fleet."""
    tone = 0.1 * np.sin(2 * np.pi * 3000 / RATE * np.arange(n))
    return np.asarray(tone + noise(n, 1e-4), np.float32)


def samples_of(seconds: tuple[float, float]) -> slice:
    begin, end = seconds
    return slice(int(begin * RATE), int(end * RATE))


def with_noise(sound: Float32, seconds: tuple[float, float], amplitude: float) -> Float32:
    changed = sound.copy()
    part = samples_of(seconds)
    changed[part] += noise(len(changed[part]), amplitude)
    return changed


def silenced(sound: Float32, seconds: tuple[float, float], amplitude: float = 0.0) -> Float32:
    changed = sound.copy()
    part = samples_of(seconds)
    changed[part] = noise(len(changed[part]), amplitude)
    return changed


def frozen(sound: Float32, seconds: tuple[float, float]) -> Float32:
    changed = sound.copy()
    part = samples_of(seconds)
    changed[part] = 0.1
    return changed


def test_a_consistent_minute_is_accepted(fresh: Detector, minute: Float32) -> None:
    assert calibrate(fresh, [minute]).head.windows == 7


def test_the_training_machines_and_a_new_one_are_accepted(
    fresh: Detector, trained: Trained
) -> None:
    for folder in (trained.data, trained.new):
        for machine in ("id_00", "id_01", "id_02", "id_03"):
            paths = [path for path in audio_files(folder / "train") if machine in path.name]
            for first in range(0, len(paths) - 4, 5):
                calibrate_files(fresh, paths[first : first + 5], report=pytest.fail)


def test_the_seconds_that_differ_are_named(fresh: Detector, minute: Float32) -> None:
    text = refusal(fresh, with_noise(minute, (17.0, 17.5), 0.2))
    assert text.startswith("recording 1: seconds 16 to 20 differ from the rest (score ")
    assert "the others at most " in text
    assert text.endswith("(or --force)")


def test_seconds_side_by_side_are_one_span(fresh: Detector, minute: Float32) -> None:
    assert ": seconds 16 to 25 differ" in refusal(fresh, with_noise(minute, (20.0, 21.0), 0.3))


def test_the_recording_that_differs_is_named(
    fresh: Detector, trained: Trained, tmp_path: Path
) -> None:
    paths = audio_files(trained.new / "train")
    samples = soundfile.read(paths[2], dtype="float32")[0]
    soundfile.write(tmp_path / "door.wav", with_noise(samples, (1.0, 2.0), 0.2), RATE)
    with pytest.raises(AudioError, match=r"door\.wav differs from the rest \(score"):
        calibrate_files(fresh, [*paths[:2], tmp_path / "door.wav", *paths[3:]], report=pytest.fail)


def test_a_machine_that_is_switched_on_half_way_is_refused(
    fresh: Detector, minute: Float32
) -> None:
    text = refusal(fresh, silenced(minute, (0, 15.5), 1e-3))
    named = r": seconds (0|12) to (16|20) differ from (the rest|what follows) \("
    assert re.search(named, text), text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda sound: np.clip(40 * sound, -1, 1), "recording 1: seconds 0 to 29: "),
        (
            lambda sound: np.clip(40 * sound, -1, 1),
            "of the samples are clipped, allowed is less than 0.01%",
        ),
        (
            lambda sound: silenced(sound, (10, 11.5)),
            "recording 1: seconds 8 to 12: silence for 100% of a second",
        ),
        (
            lambda sound: frozen(sound, (10, 11.5)),
            "seconds 8 to 12: for 100% of a second the samples are constant",
        ),
        (lambda sound: 1e-5 * sound, "the sound is silent (-1"),
        (
            lambda sound: whistle(len(sound)),
            "this does not sound like the machines of the training",
        ),
    ],
)
def test_sound_that_is_unfit_is_refused_in_one_sentence(
    fresh: Detector, minute: Float32, change: Change, words: str
) -> None:
    text = refusal(fresh, change(minute).astype(np.float32))
    assert words in text
    assert "\n" not in text


def test_a_few_samples_at_full_scale_are_no_clipping(fresh: Detector, minute: Float32) -> None:
    sound = minute.copy()
    sound[:: RATE * 2] = 1.0
    messages: list[str] = []
    calibrate(fresh, [sound], force=True, report=messages.append)
    assert not any("clipped" in text for text in messages)


def test_the_zeros_of_a_recorder_that_starts_are_no_silence(
    fresh: Detector, minute: Float32
) -> None:
    messages: list[str] = []
    calibrate(fresh, [silenced(minute, (0, 0.2))], force=True, report=messages.append)
    assert not any("silence" in text for text in messages)


def test_clipping_is_counted_before_resampling(fresh: Detector, minute: Float32) -> None:
    import soxr

    loud = np.clip(40 * soxr.resample(minute, RATE, 44100), -1, 1).astype(np.float32)
    assert "samples are clipped" in refusal(fresh, loud, samplerate=44100)


def test_force_turns_a_refusal_into_a_warning(fresh: Detector, minute: Float32) -> None:
    with pytest.warns(UserWarning, match="seconds 16 to 20 differ from the rest"):
        own = calibrate(fresh, [with_noise(minute, (17.0, 17.5), 0.2)], force=True)
    assert own.head.windows == 7


def test_a_low_sample_rate_is_warned_of_and_its_empty_bands_refused(
    fresh: Detector, minute: Float32
) -> None:
    import soxr

    low = soxr.resample(minute, RATE, 8000)
    messages: list[str] = []
    text = refusal(fresh, low, samplerate=8000, report=messages.append)
    assert "sampled at 8000 Hz, so it holds nothing above 4000 Hz" in messages[0]
    # the bands that are missing
    assert re.search(
        r"4\.2 to 7\.1 kHz: \d\d\.\d dB quieter \(gain and load explain \d\d\.\d dB \w+\)",
        text,
    )


def test_upsampled_sound_is_refused(fresh: Detector, minute: Float32) -> None:
    import soxr

    upsampled = soxr.resample(soxr.resample(minute, RATE, 8000), 8000, RATE)
    assert "this does not sound like the machines of the training" in refusal(fresh, upsampled)


@pytest.mark.parametrize("bad", ["silence", "stuck", "clipping"])
def test_what_run_says_of_the_microphone_of_every_window_is_refused(
    fresh: Detector, minute: Float32, bad: str
) -> None:
    worse = {
        "silence": 1e-5 * minute,
        "stuck": np.resize(minute[:1600], len(minute)),
        "clipping": 40 * minute,
    }[bad]
    recorded = np.clip(worse, -1, 1).astype(np.float32)
    health = Health(fresh)
    assert {health.update(window).state for window in fresh.windows([recorded], RATE)} == {bad}
    word = {"silence": "is silent", "stuck": "are constant or repeat", "clipping": "clipped"}[bad]
    assert word in refusal(fresh, recorded)


def test_log_mel_arrays_have_no_samples_to_judge(
    fresh: Detector, minute: Float32, tmp_path: Path
) -> None:
    from edgeae.runtime.features.mel import log_mel

    np.save(tmp_path / "minute.npy", log_mel(minute))
    own = calibrate_files(fresh, [tmp_path / "minute.npy"], report=pytest.fail)
    np.testing.assert_allclose(own.head.mean, calibrate(fresh, [minute]).head.mean, atol=1e-3)
