"""Simulated calibrations: what a new machine meets, played by the training machines."""

import numpy as np
import pytest

from edgeae.quantize.fit_fleet import (
    CALIBRATION_WINDOWS,
    _calibration_trials,
    fit_fleet,
    fit_references,
)
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.system.arrays import Float64

N_FEATURES = 13  # of four mel bands
NO_GAIN = np.zeros((0, N_FEATURES))


def simulate(n_machines: int, n_windows: int, seed: int) -> list[Float64]:
    """Gaussian machines with means of their own."""
    rng = np.random.default_rng(seed)
    return [
        10 * rng.standard_normal(N_FEATURES) + rng.standard_normal((n_windows, N_FEATURES))
        for _ in range(n_machines)
    ]


def numbered(n_machines: int, n_windows: int) -> list[Float64]:
    """Windows that can be told apart: feature 0 is the machine, feature 1 the window's number."""
    machines = simulate(n_machines, n_windows, seed=0)
    for machine, windows in enumerate(machines):
        windows[:, 0] = machine
        windows[:, 1] = np.arange(n_windows)
    return machines


def test_the_block_that_is_scored_lies_half_a_recording_away() -> None:
    trials = list(_calibration_trials(numbered(2, 48), NO_GAIN, 5))
    assert [trial.block for trial in trials] == [*range(8), *range(8)]
    for trial in trials:
        start = 6 * trial.block
        assert trial.calibration[:, 1].tolist() == [*range(start, start + 5)]
        scored = 6 * ((trial.block + 4) % 8)
        assert trial.held_out[:, 1].tolist() == [*range(scored, scored + 6)]
        assert set(trial.held_out[:, 0]) == set(trial.calibration[:, 0])


def test_a_long_recording_has_at_most_twenty_blocks() -> None:
    assert len(list(_calibration_trials(simulate(1, 401, seed=0), NO_GAIN, 1))) == 19


def test_a_machine_with_one_block_plays_no_new_machine() -> None:
    assert list(_calibration_trials(simulate(3, 9, seed=0), NO_GAIN, 5)) == []


def test_references_exist_for_every_size_that_the_windows_allow() -> None:
    sizes = [reference.windows for reference in fit_references(simulate(3, 10, 0), NO_GAIN, "mse")]
    assert sizes == [0, 1, 2, 3, 4, 5]
    sizes = [
        reference.windows for reference in fit_references(simulate(2, 120, 0), NO_GAIN, "gaussian")
    ]
    assert sizes == [0, *CALIBRATION_WINDOWS]


def test_too_few_windows_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 2 windows of one machine; a threshold needs 3"):
        fit_references(simulate(5, 2, seed=0), NO_GAIN, "gaussian")


def with_held_out(distance: float) -> tuple[list[Float64], list[np.ndarray]]:
    """Machines whose last windows were held out, at a distance from the machine's mean."""
    machines = simulate(4, 40, seed=3)
    marks = []
    for windows in machines:
        center = windows[:32].mean(axis=0)
        windows[32:] = center + distance * (windows[32:] - windows[32:].mean(axis=0))
        marks.append(np.arange(40) >= 32)
    return machines, marks


def test_references_rise_by_the_generalisation_gap() -> None:
    machines, held_out = with_held_out(distance=3.0)
    plain = fit_references(machines, NO_GAIN, "gaussian")
    raised = fit_references(machines, NO_GAIN, "gaussian", held_out)
    gaps = [after.parts - before.parts for before, after in zip(plain, raised, strict=True)]
    for gap in gaps:
        assert (gap >= 0).all()
        assert gap.max() > 0.1
        np.testing.assert_allclose(gap, np.broadcast_to(gaps[0][0], gap.shape))


def test_references_never_fall_by_the_generalisation_gap() -> None:
    """Held-out recordings that happen to score low must not lower a threshold."""
    machines, held_out = with_held_out(distance=0.01)
    plain = fit_references(machines, NO_GAIN, "gaussian")
    raised = fit_references(machines, NO_GAIN, "gaussian", held_out)
    for before, after in zip(plain, raised, strict=True):
        np.testing.assert_array_equal(after.parts, before.parts)


def test_without_held_out_windows_there_is_no_gap() -> None:
    machines = simulate(3, 20, seed=0)
    none = [np.zeros(20, bool)] * 3
    plain = fit_references(machines, NO_GAIN, "gaussian")
    for before, after in zip(
        plain, fit_references(machines, NO_GAIN, "gaussian", none), strict=True
    ):
        np.testing.assert_array_equal(after.parts, before.parts)


def test_the_sections_are_those_of_a_head_without_a_machine() -> None:
    fitted = fit_fleet(simulate(3, 20, seed=0), NO_GAIN, "gaussian", 10.0, "5%")
    assert fitted.head.machine is None
    assert fitted.head.calibrated is None
    assert fitted.head.window == 10.0
    assert Head.from_section(fitted.head).kind == "gaussian"
    assert fitted.threshold.false_alarms == "5%"
