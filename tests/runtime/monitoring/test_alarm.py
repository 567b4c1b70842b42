"""Alarms from made-up scores."""

from dataclasses import replace

import numpy as np
import pytest
from charted_machine import (
    N_FEATURES,
    changed,
    charted_detector,
    normal_windows,
    windows_of,
)

from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.monitoring.alarm import Alarm, AlarmEvent, ChartName
from edgeae.runtime.scoring.detector import Result
from edgeae.runtime.scoring.explain import Explainer
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.scoring.window_features import n_features_of
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64
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


# --- with charts ----------------------------------------------------------------------------------


def play_windows(alarm: Alarm, features: Float64, score: float = LOW) -> list[AlarmEvent]:
    """The events of windows of these features, which all have the same score."""
    events = []
    for window in windows_of(features):
        result = Result(window.end, score, LIMIT, score > LIMIT, -20.0, 0.0, window)
        if event := alarm.update(result):
            events.append(event)
    return events


@pytest.fixture
def charted() -> Alarm:
    """An alarm with charts, and the usual rule for single windows."""
    detector = charted_detector()
    detector.threshold = replace(detector.threshold, value=LIMIT)
    return Alarm.of(detector)


MINUTE = 60  # windows, a second apart
ONSET = 10 * MINUTE
SHIFT = np.concatenate([[0.0], np.full(16, 2.0), np.zeros(N_FEATURES - 17)])  # of the spectrum


def shifted(minutes: int, last: int, amount: float = 1.0) -> Float64:
    """(n, N_FEATURES): normal until ONSET, changed for ``minutes``, and ``last`` normal minutes."""
    n = ONSET + (minutes + last) * MINUTE
    return changed(normal_windows(n), amount * SHIFT, ONSET, minutes * MINUTE)


def test_a_chart_raises_an_alarm_that_names_it(charted: Alarm) -> None:
    start, *updates, end = play_windows(charted, shifted(minutes=10, last=20))
    assert (start.phase, start.kind, start.duration) == ("start", "persistent", 0.0)
    assert ONSET < start.t < ONSET + 2 * MINUTE
    assert start.chart == ChartName("spectrum", 60.0)
    assert start.since == pytest.approx(ONSET, abs=MINUTE)
    assert [update.phase for update in updates] == ["update"] * len(updates)
    assert updates[0].t == start.t + 60
    assert {update.since for update in updates} == {start.since}
    assert (end.phase, end.kind, end.chart) == ("end", "persistent", start.chart)
    assert end.t > ONSET + 10 * MINUTE
    assert not charted.active


def test_nothing_is_learned_during_an_alarm(charted: Alarm) -> None:
    assert charted.charts is not None
    play_windows(charted, shifted(minutes=60, last=0))
    assert charted.active
    assert charted.charts.sound.n_learned <= ONSET / MINUTE


def test_no_chart_raises_an_alarm_within_the_cool_down() -> None:
    detector = charted_detector()
    detector.threshold = replace(detector.threshold, value=LIMIT, cooldown=1e6)
    alarm = Alarm.of(detector)
    sound = np.concatenate([shifted(minutes=6, last=30), shifted(minutes=6, last=0)])
    phases = [event.phase for event in play_windows(alarm, sound) if event.phase != "update"]
    assert phases == ["start", "end"]


def test_a_gap_keeps_an_alarm_of_a_chart_on_until_a_minute_is_complete(charted: Alarm) -> None:
    play_windows(charted, shifted(minutes=4, last=0))
    assert charted.active
    charted.reset()
    assert all(event.phase == "update" for event in play_windows(charted, normal_windows(59)))
    assert charted.active


BURST = [LOW] * 10 + [HIGH] * 8 + [LOW] * 10


def test_a_few_windows_above_are_one_burst_when_it_is_over(explainer: Explainer) -> None:
    rule = Threshold(LIMIT, "1%", 0.01, 100, False)
    alarm = Alarm(rule, explainer)
    [burst] = play(alarm, BURST)
    assert (burst.phase, burst.kind, burst.chart) == ("burst", "burst", None)
    assert (burst.since, burst.t, burst.peak) == (10, 22, HIGH)
    assert burst.duration == 8  # until the last window above, not until it is known to be over
    assert ", for 8 s" in burst.sentence
    assert not alarm.active


def test_the_length_of_a_burst_is_that_of_its_sound(explainer: Explainer) -> None:
    """Of windows of 10 s, a second apart, 12 hold some of a sound of 2 s."""
    alarm = Alarm(Threshold(LIMIT, "1%", 0.01, 100, False, window=10.0), explainer)
    [burst] = play(alarm, [LOW] * 10 + [HIGH] * 12 + [LOW] * 10)
    assert burst.duration == 2
    assert ", for 2 s" in burst.sentence


@pytest.mark.parametrize(("k", "n"), [(5, 5), (4, 5), (4, 4), (8, 8)])
def test_also_an_alarm_rule_of_few_windows_leaves_bursts(
    explainer: Explainer, k: int, n: int
) -> None:
    rule = Threshold(LIMIT, "1%", 0.01, 100, False, alarm_windows=k, of_windows=n)
    events = play(Alarm(rule, explainer), [LOW] * 10 + [HIGH] * 3 + [LOW] * 10)
    assert [(event.phase, event.since, event.t) for event in events] == [("burst", 10, 17)]


def test_a_short_alarm_is_not_reported_as_a_burst_too(alarm: Alarm) -> None:
    events = play(alarm, [LOW] * 10 + [HIGH] * 8 + [LOW] * 30)
    assert [event.phase for event in events] == ["start", "end"]


@pytest.mark.parametrize("n_high", [1, 2])
def test_an_outlier_is_no_burst(explainer: Explainer, n_high: int) -> None:
    alarm = Alarm(Threshold(LIMIT, "1%", 0.01, 100, False), explainer)
    assert play(alarm, [LOW] * 10 + [HIGH] * n_high + [LOW] * 20) == []


def test_a_burst_during_an_alarm_is_part_of_it(charted: Alarm) -> None:
    features = shifted(minutes=10, last=0)
    events = play_windows(charted, features)
    assert charted.active
    for window in windows_of(features[-60:], start=len(features)):
        score = HIGH if 20 <= window.end - len(features) < 30 else LOW
        result = Result(window.end, score, LIMIT, score > LIMIT, -20.0, 0.0, window)
        event = charted.update(result)
        events += [event] if event else []
    assert {event.phase for event in events} == {"start", "update"}
    assert events[-1].peak == HIGH


def test_windows_above_are_an_alarm_of_no_chart_until_the_charts_show_a_minute(
    charted: Alarm,
) -> None:
    start, update = play_windows(charted, normal_windows(2 * MINUTE), score=HIGH)
    assert (start.phase, start.t, start.since, start.chart) == ("start", 40.0, 1.0, None)
    assert update.phase == "update"
    _, event = charted.accept()
    assert event is not None
    assert event.phase == "end"
    # From now on the charts show minutes, and they are calm.
    assert play_windows(charted, normal_windows(2 * MINUTE), score=HIGH) == []


def test_an_alarm_that_a_person_calls_normal_ends_and_stays_off_while_its_sound_lasts(
    alarm: Alarm,
) -> None:
    play(alarm, [HIGH] * 10)
    n_minutes, event = alarm.accept()
    assert n_minutes == 0  # without a calibration there are no charts that learn
    assert event is not None
    assert (event.phase, event.t) == ("end", 9)
    assert event.sentence.startswith("called normal by a person; it was: ")
    assert not alarm.active
    assert play(alarm, [HIGH] * 200, start=10.0) == []
    events = play(alarm, [LOW] * 10 + [HIGH] * 10, start=210.0)
    assert [event.phase for event in events] == ["start"]


def test_without_an_alarm_nothing_ends(alarm: Alarm) -> None:
    assert alarm.accept() == (0, None)
    play(alarm, [LOW] * 5)
    assert alarm.accept() == (0, None)


# --- bursts that come back ------------------------------------------------------------------------

DAY_RULE = Threshold(LIMIT, "1/day", 10 / 86400, 100, True, window=10.0)
KNOCK = [HIGH] * 10  # windows that a short sound is in


def knocks(n: int, every: int) -> list[float]:
    """Scores of ``n`` short sounds, ``every`` so many windows."""
    return n * (KNOCK + [LOW] * (every - len(KNOCK)))


def test_a_knock_every_two_minutes_raises_one_alarm(explainer: Explainer) -> None:
    alarm = Alarm(DAY_RULE, explainer)
    events = play(alarm, [LOW] * 7200 + knocks(60, every=120) + [LOW] * 3600)
    started = next(k for k, event in enumerate(events) if event.phase == "start")
    bursts, start, rest = events[:started], events[started], events[started + 1 :]
    assert {event.phase for event in bursts} == {"burst"}
    assert len(bursts) == 9
    assert (start.kind, start.chart, start.since, start.peak) == ("persistent", None, 7200, HIGH)
    assert start.t < 7200 + 1800
    assert start.sentence.startswith("short sounds keep coming back: 10 in the last hour; the last")
    *updates, end = rest
    assert {event.phase for event in updates} == {"update"}
    assert "short sounds keep coming back: 30 in the last hour" in updates[60].sentence
    assert end.phase == "end"
    assert 7200 + 7200 < end.t < 7200 + 7200 + 900
    assert end.sentence.startswith("normal again; short sounds kept coming back, the last: ")
    assert not alarm.active


def test_a_few_bursts_an_hour_raise_no_alarm(explainer: Explainer) -> None:
    events = play(Alarm(DAY_RULE, explainer), knocks(20, every=900))
    assert {event.phase for event in events} == {"burst"}
    assert len(events) == 20


def test_bursts_that_a_person_calls_normal_raise_no_alarm_again(explainer: Explainer) -> None:
    alarm = Alarm(DAY_RULE, explainer)
    play(alarm, knocks(30, every=120))
    assert alarm.active
    _, event = alarm.accept()
    assert event is not None
    assert event.phase == "end"
    assert event.sentence.startswith("called normal by a person; short sounds kept coming back")
    events = play(alarm, knocks(90, every=120), start=3600)
    assert {event.phase for event in events} == {"burst"}


def test_the_cool_down_holds_for_bursts_that_come_back(explainer: Explainer) -> None:
    alarm = Alarm(replace(DAY_RULE, cooldown=1e6), explainer)
    events = play(alarm, knocks(20, every=120) + [LOW] * 3600 + knocks(20, every=120))
    assert [event.phase for event in events].count("start") == 1
