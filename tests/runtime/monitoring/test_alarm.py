"""Alarms from made-up scores."""

import numpy as np
import pytest

from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.monitoring.alarm import Alarm, AlarmEvent
from edgeae.runtime.scoring.detector import Result
from edgeae.runtime.scoring.explain import Explainer
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.scoring.window_features import n_features_of
from edgeae.runtime.scoring.window_stream import Window
from tests.runtime.conftest import plain_fleet

SPEC = MelSpec()
SIZE = n_features_of(SPEC.n_mels)
LIMIT = 2.0


# 3 of 5 windows above 2.0, hysteresis 0.5, cool-down 20 s
RULE = Threshold(
    LIMIT, "1%", 0.01, 100, False, alarm_windows=3, of_windows=5, hysteresis=0.5, cooldown=20.0
)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    head = Head(plain_fleet(SIZE, 0.25), np.zeros(SIZE), np.empty((0, SIZE)), 0.0, 5)
    return Explainer(SPEC, head, np.full(SPEC.n_mels, 2.0))


@pytest.fixture
def alarm(explainer: Explainer) -> Alarm:
    return Alarm(RULE, explainer)


def play(alarm: Alarm, scores: list[float], start: float = 0.0) -> list[AlarmEvent]:
    """The events of windows a second apart."""
    events = []
    for k, score in enumerate(scores):
        window = Window(start + k, np.zeros(SIZE), -20.0)
        events.append(
            alarm.update(Result(start + k, score, LIMIT, score > LIMIT, -20.0, 0.0, window))
        )
    return [event for event in events if event]


HIGH = 3.0  # above the threshold
NEAR = 1.7  # within the hysteresis
LOW = 1.0  # below it


@pytest.mark.parametrize("scores", [[HIGH] * 3, [HIGH, LOW, HIGH, LOW, HIGH]])
def test_three_of_five_windows_above_start_an_alarm(alarm: Alarm, scores: list[float]) -> None:
    events = play(alarm, scores)
    assert [(event.phase, event.t) for event in events] == [("start", len(scores) - 1)]


@pytest.mark.parametrize(
    "scores", [[HIGH, HIGH, LOW, LOW, LOW, HIGH, HIGH], [LIMIT] * 10, [NEAR] * 10]
)
def test_fewer_windows_above_start_no_alarm(alarm: Alarm, scores: list[float]) -> None:
    assert play(alarm, scores) == []


def test_an_alarm_goes_on_within_the_hysteresis(alarm: Alarm) -> None:
    assert [event.phase for event in play(alarm, [HIGH] * 3 + [NEAR] * 30)] == ["start"]


def test_an_alarm_ends_after_five_windows_below_the_hysteresis(alarm: Alarm) -> None:
    start, end = play(alarm, [HIGH] * 3 + [LOW] * 10)
    assert (start.phase, start.t, start.duration) == ("start", 2, 0)
    assert (end.phase, end.t, end.duration) == ("end", 7, 5)


def test_an_alarm_that_lasts_is_reported_every_minute(alarm: Alarm) -> None:
    events = play(alarm, [HIGH] * 150)
    assert [(event.phase, event.t, event.duration) for event in events] == [
        ("start", 2, 0),
        ("update", 62, 60),
        ("update", 122, 120),
    ]


def test_events_hold_the_highest_score_so_far(alarm: Alarm) -> None:
    start, end = play(alarm, [HIGH, HIGH, 2.5, 9.0, 4.0] + [LOW] * 6)
    assert (start.peak, end.peak) == (2.5, 9.0)


def test_no_alarm_starts_within_the_cool_down(alarm: Alarm) -> None:
    events = play(alarm, [HIGH] * 3 + [LOW] * 5 + [HIGH] * 40)
    assert [(event.phase, event.t) for event in events] == [("start", 2), ("end", 7), ("start", 27)]


def test_windows_before_a_gap_do_not_count(alarm: Alarm) -> None:
    assert play(alarm, [HIGH] * 2) == []
    alarm.reset()
    assert play(alarm, [HIGH] * 2, start=100) == []


def test_an_alarm_outlasts_a_gap(alarm: Alarm) -> None:
    play(alarm, [HIGH] * 3)
    alarm.reset()
    assert alarm.active
    assert play(alarm, [HIGH] * 3, start=10) == []


def test_one_low_window_after_a_gap_does_not_end_an_alarm(alarm: Alarm) -> None:
    play(alarm, [HIGH] * 3)
    alarm.reset()
    assert play(alarm, [LOW] * 4, start=10) == []
    assert [event.phase for event in play(alarm, [LOW], start=14)] == ["end"]


def test_an_event_says_what_changed_and_since_when(alarm: Alarm) -> None:
    features = np.zeros(SIZE)
    features[41:51] = 3.0  # bands 40 to 49, 6 dB
    edges = band_edges(SPEC)
    start, update, end = [
        event
        for t, score in enumerate([LOW, LOW, HIGH, LOW, HIGH, HIGH] + [HIGH] * 60 + [LOW] * 5)
        if (
            event := alarm.update(
                Result(t, score, LIMIT, score > LIMIT, -20.0, 0.0, Window(t, features, -20.0))
            )
        )
    ]
    band = start.bands[0]
    assert edges[39] < band.low_hz < edges[42]
    assert edges[49] < band.high_hz < edges[53]
    assert band.change_db == pytest.approx(6, abs=1)
    assert band.kind == "steady"
    assert [(event.phase, event.t) for event in (start, update, end)] == [
        ("start", 5),
        ("update", 65),
        ("end", 70),
    ]
    assert "dB louder, steady" in start.sentence
    assert "began 3 s before this event" in start.sentence
    assert "began 63 s before this event" in update.sentence
    assert end.sentence.startswith("normal again; it was: ")
    assert end.bands == update.bands
