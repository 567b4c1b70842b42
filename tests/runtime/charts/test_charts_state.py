"""The state of charts as a JSON object."""

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from monitored_sound import monitored_windows

from edgeae.runtime.charts.charts import Charts
from edgeae.runtime.charts.charts_state import ChartsState
from edgeae.runtime.scoring.detector import Detector

N_VIEWS = 3


@pytest.fixture(scope="module")
def charts(calibrated: Detector) -> Charts:
    """Charts that have learned for a while."""
    charts = Charts(calibrated)
    for window in monitored_windows(calibrated, 12):
        charts.push(window, learnable=True)
    return charts


@pytest.fixture
def state(charts: Charts) -> ChartsState:
    return charts.state()


def read(state: Any, n_features: int) -> ChartsState:
    return ChartsState.from_json(json.loads(json.dumps(state)), n_features, N_VIEWS)


def test_a_state_is_read_as_it_was_written(state: ChartsState) -> None:
    n_features = state.minutes.shape[1]
    again = read(state.to_json(), n_features)
    np.testing.assert_allclose(again.minutes, state.minutes, rtol=1e-6)
    np.testing.assert_allclose(again.recent, state.recent, rtol=1e-6)
    np.testing.assert_allclose(again.deviations, state.deviations, rtol=1e-6)
    assert len(state.minutes) > 3
    assert len(state.recent) == 12
    assert (again.learned, again.learnable) == (state.learned, state.learnable)
    assert (again.n_learned, again.monitored_minutes) == (state.n_learned, state.monitored_minutes)
    assert again.to_json() == state.to_json()


def test_charts_continue_from_a_state(calibrated: Detector, charts: Charts) -> None:
    state = read(charts.state().to_json(), len(calibrated.head.mean))
    restored = Charts(calibrated)
    restored.restore(state)
    assert restored.sound.n_learned == charts.sound.n_learned
    assert restored.judged_minutes == charts.judged_minutes == (1, 4)
    assert restored.state().to_json() == charts.state().to_json()
    # A minute that the mean was fitted on is taken out of it before it is judged.
    assert any(minute.fitted for minute in restored._recent)
    assert [minute.fitted for minute in restored._recent] == restored.state().learned
    [*_, readings] = [
        restored.push(window, learnable=True) for window in monitored_windows(calibrated, 2)
    ]
    assert {reading.minutes for reading in readings} == {1, 4}


def test_a_full_state_is_small(state: ChartsState) -> None:
    full = replace(
        state,
        minutes=np.full((60, 385), 1.234567),
        recent=np.full((60, 385), 1.234567),
        deviations=np.zeros((60, N_VIEWS)),
        learnable=[True] * 60,
        in_alarm=[True] * 60,
        learned=[True] * 60,
        counted=[True] * 60,
        normal_deviations=np.zeros((1440, 3)),
        long_values=[[1.23456] * 60] * 9,
    )
    assert len(json.dumps(full.to_json())) < 300_000


@pytest.mark.parametrize(
    ("seconds", "n_kept"), [(0, 12), (3600 - 5 * 60, 5), (3600, 0), (1e9, 0), (-3600, 0)]
)
def test_minutes_from_before_a_long_pause_are_not_pooled(
    state: ChartsState, seconds: float, n_kept: int
) -> None:
    later = state.after_pause(seconds)
    assert len(later.recent) == len(later.learned) == len(later.deviations) == n_kept
    np.testing.assert_array_equal(later.recent, state.recent[12 - n_kept :])
    assert later.n_learned == state.n_learned


@pytest.mark.parametrize(
    "change",
    [
        {"n_learned": -1},
        {"n_learned": 0},
        {"n_learned": 1.5},
        {"n_learned": 10**12},
        {"monitored": "many"},
        {"accepted": [[1]]},
        {"accepted": 7},
        {"minutes": "!!!"},
        {"minutes": None},
        {"minutes": "AAAA"},
        {"long": [["x"]]},
        {"long": [[float("nan")]]},
        {"recent": {}},
    ],
)
def test_a_damaged_object_is_refused(state: ChartsState, change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read({**state.to_json(), **change}, state.minutes.shape[1])


@pytest.mark.parametrize("change", [{"learned": "1"}, {"learned": "abc"}, {"vectors": ""}])
def test_last_minutes_that_do_not_fit_together_are_refused(
    state: ChartsState, change: dict[str, Any]
) -> None:
    content = state.to_json()
    content["recent"] = {**content["recent"], **change}
    with pytest.raises(ValueError, match=r"fit together|flags"):
        read(content, state.minutes.shape[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38])
def test_an_impossible_number_is_refused(state: ChartsState, value: float) -> None:
    minutes = np.full((1, state.minutes.shape[1]), value, "<f4")
    content = state.to_json()
    content["minutes"] = base64.b64encode(minutes.tobytes()).decode()
    with pytest.raises(ValueError, match="impossible"):
        read(content, state.minutes.shape[1])


def test_a_state_with_other_scales_is_refused(calibrated: Detector, state: ChartsState) -> None:
    with pytest.raises(ValueError, match="other scales"):
        Charts(calibrated).restore(replace(state, long_values=[[]]))


def test_charts_that_do_not_learn_stay_as_they_were_calibrated(calibrated: Detector) -> None:
    charts = Charts(calibrated, learns=False)
    for window in monitored_windows(calibrated, 8):
        charts.push(window, learnable=True)
    assert charts.sound.n_learned == 0
    assert charts.judged_minutes == (1,)
