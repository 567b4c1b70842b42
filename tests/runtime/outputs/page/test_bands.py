"""What the page shows of a window, against the sound it was made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.outputs.page.bands import LEVEL_STEP, LOWEST, RESIDUAL_STEP, SAME, View, levels
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture(scope="module")
def windows(detector: Detector, sound: NDArray[np.int16]) -> list[Window]:
    return list(detector.windows([(sound / 32768).astype(np.float32)], 16000))


def test_a_column_is_the_last_second_that_was_heard(
    detector: Detector, windows: list[Window], sound: NDArray[np.int16]
) -> None:
    view, patch = View("hw:1", detector, "machine.onnx"), detector.network.patch_frames
    frames = log_mel((sound / 32768).astype(np.float32), detector.spec)
    end = round(windows[3].end * detector.spec.frames_per_second)
    heard = np.frombuffer(view.of(windows[3]).levels, np.uint8) * LEVEL_STEP + LOWEST
    assert np.abs(heard - frames[end - patch : end].mean(axis=0)).max() <= LEVEL_STEP


def test_the_normal_of_the_machine_has_the_residual_it_is_measured_against(
    detector: Detector, windows: list[Window]
) -> None:
    view = View("hw:1", detector, "machine.onnx")
    usual = replace(windows[0], features=detector.head.mean)
    assert view.of(usual).residual == bytes([SAME] * detector.spec.n_mels)


def test_a_residual_of_twice_the_size_is_six_decibels_in_its_bands_alone(
    detector: Detector, windows: list[Window]
) -> None:
    n, view = detector.spec.n_mels, View("hw:1", detector, "machine.onnx")
    more = detector.head.mean.copy()
    mean = slice(len(more) - n - 2 * (n // 4), len(more) - 2 * (n // 4))
    power = view._residual(more)
    more[mean][:10] = np.sqrt(power[:10] * 4 - power[:10] + np.square(more[mean][:10]))
    found = np.frombuffer(view.of(replace(windows[0], features=more)).residual, np.uint8).astype(
        int
    )
    assert set((found[:10] - SAME) * RESIDUAL_STEP) == {6.0}
    assert set(found[10:]) == {SAME}


def test_levels_beyond_a_byte_are_its_limits() -> None:
    assert list(levels(np.array([-200.0, -100.0, -40.0, 53.0, 300.0]))) == [0, 0, 100, 255, 255]


def test_what_does_not_change_is_told_once_and_the_path_of_the_artifact_is_not(
    detector: Detector,
) -> None:
    about = View("hw:1", detector, "machine.onnx").about()
    assert (about.source, about.machine, about.model) == ("hw:1", "id_03", "machine.onnx")
    assert len(about.centres_hz) == len(about.normal) == detector.spec.n_mels
    assert about.threshold == detector.threshold.value
