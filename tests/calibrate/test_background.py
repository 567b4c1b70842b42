"""Background noise that was recorded with the machine off is declared no fault."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.calibrate.background import MAX_DIRECTIONS, with_background
from edgeae.calibrate.calibrate import CalibrationOptions, calibrate_files
from edgeae.calibrate.excerpt import SampleExcerpt
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.features.mixing import mixed
from edgeae.runtime.scoring.background import read_background
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.fleet import MAX_NOISE_DIRECTIONS
from edgeae.runtime.system.arrays import Float32, Float64
from tests.conftest import Trained

RATE = 16000
HUM_HZ = 50.0


def hum(seconds: float, phase: float) -> Float32:
    """Mains hum with its harmonics."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * k * (HUM_HZ * time + phase)) / k for k in range(1, 11)]
    return np.asarray(0.05 * np.sum(tones, axis=0), np.float32)


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with the machine off."""
    path = tmp_path_factory.mktemp("off") / "off.wav"
    soundfile.write(path, hum(10.0, 0.0), RATE)
    return path


def in_hum(detector: Detector, clips: list[Float32]) -> Float64:
    """The features of the clips with hum of another phase, at 20 dB."""
    noise = log_mel(hum(5.0, 0.3), detector.spec)
    noisy = [mixed(log_mel(clip, detector.spec), noise, 20.0) for clip in clips]
    return np.concatenate([detector.independent(detector.windows_of_frames(f)) for f in noisy])


def test_it_raises_scores_by_less(
    fresh: Detector, clips: list[Float32], trained: Trained, off: Path
) -> None:
    paths = audio_files(trained.new / "train")
    background = read_background([off], fresh.spec)
    plain = calibrate_files(fresh, paths, report=print)
    declared = calibrate_files(fresh, paths, background=background, report=print)
    noisy = in_hum(fresh, clips)
    quiet = np.concatenate([fresh.independent(fresh.windows([c], RATE)) for c in clips])

    def rise(detector: Detector) -> float:
        return float(np.mean(detector.head.score(noisy) - detector.head.score(quiet)))

    assert rise(declared) < 0.5 * rise(plain)


def test_the_artifact_keeps_it(fresh: Detector, clips: list[Float32], off: Path) -> None:
    excerpts = [SampleExcerpt(clips[0], RATE)]
    result = with_background(fresh, excerpts, read_background([off], fresh.spec))
    directions = result.artifact.head.fleet.noise_directions
    n_before = len(fresh.artifact.head.fleet.noise_directions)
    assert n_before < len(directions) <= n_before + 8
    np.testing.assert_array_equal(result.head.fleet.noise_directions, directions)
    np.testing.assert_array_equal(result.head.mean, fresh.head.mean)


def test_the_same_background_again_does_not_make_the_artifact_grow(
    fresh: Detector, clips: list[Float32], off: Path
) -> None:
    detector = fresh
    excerpts = [SampleExcerpt(clips[0], RATE)]
    background = read_background([off], fresh.spec)
    for _ in range(4):
        detector = with_background(detector, excerpts, background)
    assert len(detector.head.fleet.noise_directions) <= MAX_NOISE_DIRECTIONS + MAX_DIRECTIONS


def test_sound_of_the_machine_is_needed(fresh: Detector, off: Path) -> None:
    with pytest.raises(ConfigError, match="--background needs sound of the machine"):
        with_background(fresh, [], read_background([off], fresh.spec))


def test_sound_of_the_machine_is_kept_for_it(fresh: Detector) -> None:
    without = CalibrationOptions().excerpt_budget(fresh)
    frames = np.zeros((40, fresh.spec.n_mels), np.float32)
    assert without.seconds == 0
    assert CalibrationOptions(background=(frames,)).excerpt_budget(fresh).seconds > 0


def test_the_command_takes_recordings_of_it(
    trained: Trained, off: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "machine.onnx"
    arguments = [trained.int8, trained.new / "train", "--background", off, "-o", target]
    options = ["--no-known-sensitivity", "--force"]
    assert run_command(["calibrate", *map(str, arguments), *options]) == 0, capsys.readouterr().err
    fleet = Detector.load(target).head.fleet
    assert len(fleet.noise_directions) > len(
        Detector.load(trained.int8).head.fleet.noise_directions
    )
