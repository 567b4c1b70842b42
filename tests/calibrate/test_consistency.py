"""Windows that differ from the others of the same calibration."""

from dataclasses import replace

import numpy as np
import pytest

from edgeae.calibrate.consistency import _change_point, find_outlier_windows
from edgeae.calibrate.recording import CalibrationRecording
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64
from edgeae.train.synth.dataset import render
from edgeae.train.synth.machine import Machine


@pytest.fixture(scope="module")
def normal(fresh: Detector) -> Float64:
    """(12, n_features) windows of a healthy machine."""
    machine = Machine.draw(3, 1)
    sounds = [render(machine, np.random.default_rng(seed), 4.128) for seed in range(12)]
    return np.concatenate([fresh.independent(fresh.windows([sound], 16000)) for sound in sounds])


def one_window_each(windows: Float64) -> list[CalibrationRecording]:
    return [
        CalibrationRecording(f"{k}.wav", [Window(4.0, features, -30.0)], 16000)
        for k, features in enumerate(windows)
    ]


def problem(detector: Detector, windows: Float64) -> str | None:
    return find_outlier_windows(detector, one_window_each(windows), windows)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_windows_of_a_healthy_machine_are_consistent(
    fresh: Detector, normal: Float64, n: int
) -> None:
    assert problem(fresh, normal[:n]) is None


@pytest.mark.parametrize("outlier", [0, 3, 7])
def test_a_window_that_differs_is_named_with_its_score(
    fresh: Detector, normal: Float64, outlier: int
) -> None:
    windows = normal[:8].copy()
    windows[outlier] += 20 * fresh.head.fleet.within_std
    message = problem(fresh, windows)
    assert message is not None
    assert message.startswith(f"{outlier}.wav differs from the rest (score ")
    assert message.endswith("; record again while the machine runs evenly")


def test_windows_of_two_kinds_are_not_consistent(fresh: Detector, normal: Float64) -> None:
    windows = normal[:8].copy()
    windows[::2] += 40 * fresh.head.fleet.within_std
    message = problem(fresh, windows)
    assert message is not None
    assert message.startswith("0.wav and 7 more: the sound is not consistent (windows score")


def test_one_window_cannot_differ_from_others(fresh: Detector, normal: Float64) -> None:
    assert problem(fresh, normal[:1] + 20 * fresh.head.fleet.within_std) is None


def test_a_head_without_references_is_not_checked(fresh: Detector, normal: Float64) -> None:
    head = replace(fresh.artifact.head, kind="no_network")
    windows = normal[:8].copy()
    windows[0] += 20 * fresh.head.fleet.within_std
    assert problem(fresh.with_sections(head=head), windows) is None


@pytest.mark.parametrize("n_before", [1, 3, 4, 6])
def test_the_point_where_the_sound_changes_is_known(n_before: int) -> None:
    rng = np.random.default_rng(n_before)
    windows = rng.standard_normal((7, 20))
    windows[:n_before] += 5
    assert _change_point(windows) == n_before


def test_sound_that_goes_to_and_fro_does_not_change_at_one_point() -> None:
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((8, 20))
    windows[::2] += 5
    assert _change_point(windows) == 0
