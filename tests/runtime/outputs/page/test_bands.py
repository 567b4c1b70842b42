"""The page shows the spectrum and the residual of the sound that was scored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.outputs.page.bands import (
    LEVEL_STEP_DB,
    MIN_LEVEL_DB,
    NORMAL_RESIDUAL_BYTE,
    RESIDUAL_STEP_DB,
    BandEncoder,
    encode_levels,
)
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture(scope="module")
def windows(detector: Detector, sound: NDArray[np.int16]) -> list[Window]:
    return list(detector.windows([(sound / 32768).astype(np.float32)], 16000))


def test_the_levels_are_those_of_the_last_patch(
    detector: Detector, windows: list[Window], sound: NDArray[np.int16]
) -> None:
    encoder = BandEncoder("hw:1", detector, "machine.onnx")
    patch_frames = detector.network.patch_frames
    frames = log_mel((sound / 32768).astype(np.float32), detector.spec)
    end = round(windows[3].end * detector.spec.frames_per_second)
    steps = np.frombuffer(encoder.encode(windows[3]).levels, np.uint8)
    levels_db = steps * LEVEL_STEP_DB + MIN_LEVEL_DB
    expected_db = frames[end - patch_frames : end].mean(axis=0)
    assert np.abs(levels_db - expected_db).max() <= LEVEL_STEP_DB


def test_the_mean_of_the_machine_has_a_normal_residual(
    detector: Detector, windows: list[Window]
) -> None:
    encoder = BandEncoder("hw:1", detector, "machine.onnx")
    normal = replace(windows[0], features=detector.head.mean)
    expected = bytes([NORMAL_RESIDUAL_BYTE] * detector.spec.n_mels)
    assert encoder.encode(normal).residual == expected


def test_a_doubled_residual_is_six_decibels_in_its_bands_only(
    detector: Detector, windows: list[Window]
) -> None:
    n = detector.spec.n_mels
    encoder = BandEncoder("hw:1", detector, "machine.onnx")
    features = detector.head.mean.copy()
    mean = slice(len(features) - n - 2 * (n // 4), len(features) - 2 * (n // 4))
    power = encoder._residual(features)
    features[mean][:10] = np.sqrt(power[:10] * 4 - power[:10] + np.square(features[mean][:10]))
    residual = encoder.encode(replace(windows[0], features=features)).residual
    steps = np.frombuffer(residual, np.uint8).astype(int)
    assert set((steps[:10] - NORMAL_RESIDUAL_BYTE) * RESIDUAL_STEP_DB) == {6.0}
    assert set(steps[10:]) == {NORMAL_RESIDUAL_BYTE}


def test_levels_outside_the_range_of_a_byte_are_clipped() -> None:
    assert list(encode_levels(np.array([-200.0, -100.0, -40.0, 53.0, 300.0]))) == [
        0,
        0,
        100,
        255,
        255,
    ]


def test_about_has_the_calibration_and_the_file_name_of_the_artifact_without_its_path(
    detector: Detector,
) -> None:
    about = BandEncoder("hw:1", detector, "machine.onnx").about()
    assert (about.source, about.machine, about.model) == ("hw:1", "id_03", "machine.onnx")
    assert len(about.centres_hz) == len(about.normal) == detector.spec.n_mels
    assert about.threshold == detector.threshold.value
