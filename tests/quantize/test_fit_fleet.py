"""Simulated calibrations: what a new machine meets, played by the training machines."""

import numpy as np
import pytest
from simulated_machines import WINDOW, correlated_machines, fitted_threshold

from edgeae.quantize.fit_fleet import (
    CALIBRATION_WINDOWS,
    FleetFit,
    calibration_trials,
    fit_fleet,
    fit_references,
    weighted_views,
)
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import Reference, fit_threshold, reference_for
from edgeae.runtime.scoring.views import views_of
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
    trials = list(calibration_trials(numbered(2, 48), FleetFit(NO_GAIN), 5))
    assert [trial.block for trial in trials] == [*range(8), *range(8)]
    for trial in trials:
        start = 6 * trial.block
        assert trial.calibration[:, 1].tolist() == [*range(start, start + 5)]
        scored = 6 * ((trial.block + 4) % 8)
        assert trial.held_out[:, 1].tolist() == [*range(scored, scored + 6)]
        assert set(trial.held_out[:, 0]) == set(trial.calibration[:, 0])


def test_a_long_recording_has_at_most_twenty_blocks() -> None:
    assert len(list(calibration_trials(simulate(1, 401, seed=0), FleetFit(NO_GAIN), 1))) == 19


def test_a_machine_with_one_block_plays_no_new_machine() -> None:
    assert list(calibration_trials(simulate(3, 9, seed=0), FleetFit(NO_GAIN), 5)) == []


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


def test_five_percent_asked_is_within_a_factor_of_three_on_new_machines_with_five_windows() -> None:
    """The mean over three fleets of 8 machines with 48 windows; 100 new machines and 100 windows
    for each fleet.

    The mean of one fleet is 1 to 8 %, that of one machine 0 to over 20 %.
    """
    rates = []
    for seed in (1, 21, 31):
        training = correlated_machines(8, 48, seed)
        fleet, references = (
            Fleet.fit(training, NO_GAIN),
            fit_references(training, NO_GAIN, "gaussian"),
        )
        for windows in correlated_machines(100, 105, seed + 1):
            head = Head.calibrated(fleet, windows[:5])
            threshold = fitted_threshold(references, head, windows[:5], "5%")
            rates.append(np.mean(head.score(windows[5:]) > threshold.value))
    assert 0.05 / 3 < np.mean(rates) < 0.05 * 3


def test_five_percent_asked_is_within_a_factor_of_two_on_new_machines_with_fifty_windows(
    simulated_fleet: Fleet,
) -> None:
    references, rates = fit_references(correlated_machines(6, 200, seed=3), NO_GAIN, "gaussian"), []
    assert references[-1].windows == 50
    for windows in correlated_machines(60, 150, seed=4):
        head = Head.calibrated(simulated_fleet, windows[:50])
        threshold = fitted_threshold(references, head, windows[:50], "5%")
        rates.append(np.mean(head.score(windows[50:]) > threshold.value))
    assert 0.025 < np.mean(rates) < 0.1


def test_references_are_kept_for_every_size_the_training_windows_allow(
    simulated_references: list[Reference],
) -> None:
    assert [reference.windows for reference in simulated_references] == [0, 1, 2, 3, 4, 5, 10, 20]
    assert all(
        len(r.parts) and r.parts.shape[1:] == r.left_out.shape == (3,) for r in simulated_references
    )


def test_the_reference_for_five_windows_is_scored_by_heads_of_another_time_that_did_not_hear_them(
    simulated_references: list[Reference], simulated_training: list[Float64]
) -> None:
    expected = []
    for m, windows in enumerate(simulated_training):
        for block in range(8):
            calibration, scored = (np.arange(48) // 6 == k for k in (block, (block + 4) % 8))
            held = ~(calibration | scored)
            rest = [
                windows[held] if other == m else simulated_training[other]
                for other in range(len(simulated_training))
            ]
            head = Head.calibrated(Fleet.fit(rest, NO_GAIN), windows[calibration][:5])
            expected += head.parts(windows[scored]).tolist()
    np.testing.assert_allclose(simulated_references[5].parts, expected, rtol=1e-9)


def test_slow_change_of_the_training_machines_is_in_the_threshold() -> None:
    """Machines that drift by two deviations while they are recorded, beside the same that do
    not."""
    values = []
    for drift in (0.0, 2.0):
        machines = [
            windows + drift * np.linspace(-1, 1, 60)[:, None]
            for windows in correlated_machines(4, 60, seed=13)
        ]
        reference = reference_for(fit_references(machines, NO_GAIN, "gaussian"), 5)
        values.append(np.quantile(reference.parts[:, 0] - reference.left_out[0], 0.95))
    assert values[1] > values[0] + 0.1


def test_windows_of_the_training_set_do_not_make_the_machine_seem_calm() -> None:
    """One machine is the whole fleet and calibrates on the windows that the fleet was fitted on."""
    rates = []
    for seed in range(20, 30):
        machine = correlated_machines(1, 124, seed)[0]
        heard, held_out = machine[:24], machine[24:]
        fleet, references = (
            Fleet.fit([heard], NO_GAIN),
            fit_references([heard], NO_GAIN, "gaussian"),
        )
        head = Head.calibrated(fleet, heard)
        value = fitted_threshold(references, head, heard, "5%").value
        reference = max(references, key=lambda r: r.windows).parts @ head.weights
        assert (
            value
            >= np.quantile(reference, 0.95)
            + np.quantile(reference, 0.1)
            - np.median(reference)
            - 1e-6
        )
        rates.append(np.mean(head.score(held_out) > value))
    assert np.mean(rates) < 0.3


def test_too_little_training_sound_is_refused_with_what_would_do() -> None:
    with pytest.raises(ConfigError, match=r"at most 2 windows of one machine; a threshold needs 3"):
        fit_references(correlated_machines(5, 2, seed=11), NO_GAIN, "gaussian")


def test_three_windows_of_one_machine_are_enough_for_a_threshold() -> None:
    machines = correlated_machines(1, 3, seed=12)
    references = fit_references(machines, NO_GAIN, "gaussian")
    head = Head.of_fleet(Fleet.fit(machines, NO_GAIN), machines)
    assert np.isfinite(fit_threshold(references, head, "1/day", WINDOW, windows=0).value)


def test_the_order_of_the_machines_does_not_move_the_straying() -> None:
    machines = [
        scale * windows
        for scale, windows in zip((1, 1, 2, 2), correlated_machines(4, 120, seed=14), strict=True)
    ]
    told = [
        reference_for(fit_references(order, NO_GAIN, "gaussian"), 5).left_out
        for order in (machines, machines[::-1])
    ]
    np.testing.assert_allclose(told[0], told[1], atol=0.02)


def test_a_machine_that_the_network_did_not_train_on_at_all_is_no_error() -> None:
    machines = correlated_machines(2, 12, seed=15)
    held_out = [np.ones(12, bool), np.zeros(12, bool)]
    assert all(len(r.parts) for r in fit_references(machines, NO_GAIN, "gaussian", held_out))


def test_what_is_new_to_the_network_raises_the_references() -> None:
    """Of two machines with 40 windows, eight each were not trained on; the network leaves more
    of them."""
    rng, size = np.random.default_rng(0), 13
    machines = [rng.standard_normal((40, size)) for _ in range(2)]
    held_out = [np.arange(40) % 5 == 0] * 2
    further = [windows.copy() for windows in machines]
    for windows in further:
        windows[::5, 1 + size // 2 :] *= 3  # the residual's view
    gain = np.empty((0, size))

    def raised(found: list[Float64]) -> Float64:
        plain, new = (fit_references(found, gain, "gaussian", marks) for marks in (None, held_out))
        return np.asarray(new[5].parts.mean(axis=0) - plain[5].parts.mean(axis=0))

    assert (raised(machines) < 0.3).all()
    np.testing.assert_array_equal(raised(further)[:2], 0)  # the views of the input
    assert raised(further)[2] > 1


def with_parts(spectrum: float, variation: float, residual: float) -> list[Reference]:
    """A reference whose distances lie evenly below these, with 0.8 times each to its median."""
    shares = np.linspace(0, 1, 101)[:, None] / 0.4
    parts = shares * [spectrum, variation, residual]
    return [Reference(0, parts, np.zeros(3))]


def test_the_weights_standardise_the_distances_of_the_views() -> None:
    """A view that varies twice as much in normal sound counts half; the network's half of that."""
    views = weighted_views(views_of(4), with_parts(1.0, 2.0, 2.0), np.zeros(3))
    assert [view.weight for view in views] == pytest.approx([1.0, 0.5, 0.25])


def test_a_generalisation_gap_lowers_the_weight_of_the_network() -> None:
    gap = np.array([0.0, 0.0, np.log(5)])
    views = weighted_views(views_of(4), with_parts(1.0, 1.0, 1.0), gap)
    assert [view.weight for view in views] == pytest.approx([1.0, 1.0, 0.1])


def test_an_artifact_states_its_views_and_their_weights() -> None:
    fitted = fit_fleet(correlated_machines(3, 20, seed=1), NO_GAIN, "gaussian", 10.0, "5%")
    views = fitted.head.fleet.views
    assert [view.name for view in views] == ["spectrum", "variation", "residual"]
    assert max(view.weight for view in views[:2]) == 1
    assert 0 < views[2].weight < 1
