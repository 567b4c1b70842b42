"""Charts on windows from a normal distribution: what they report, and what they learn."""

import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from charted_machine import (
    DEVIATION,
    MEAN,
    N_FEATURES,
    SPEC,
    changed,
    charted_detector,
    normal_windows,
    windows_of,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.charts.charts import Charts, Reading
from edgeae.runtime.charts.normal_sound import MAX_MINUTES
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32, Float64
from tests.conftest import Trained
from tests.runtime.conftest import read_samples

MINUTE = 60  # windows
SPECTRUM, _, RESIDUAL = views_of(SPEC.n_mels)


def in_view(amount: float, features: slice = SPECTRUM.features) -> Float64:
    """(N_FEATURES,) a shift of these features by ``amount`` deviations of a window."""
    shift = np.zeros(N_FEATURES)
    shift[features] = amount
    return shift


def play(
    charts: Charts, features: Float64, *, learnable: bool = True, start: float = 0.0
) -> list[list[Reading]]:
    """The readings after each window."""
    return [
        charts.push(window, learnable=learnable) for window in windows_of(features, start=start)
    ]


def highest_ratio(readings: Iterable[list[Reading]]) -> float:
    return max((reading.ratio for row in readings for reading in row), default=-np.inf)


def first_above(readings: Iterable[list[Reading]]) -> tuple[int, Reading]:
    """The first window with a chart above its limit, and that chart."""
    for k, row in enumerate(readings):
        for reading in row:
            if reading.ratio > 1:
                return k, reading
    pytest.fail("no chart is above its limit")


# --- what is reported -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hours_of_normal_sound_stay_near_or_below_the_limits(seed: int) -> None:
    """In 24 h of twelve such machines at 1/week, two reach 1.01; .14 alarms are expected."""
    charts = Charts(charted_detector(seed=seed))
    assert highest_ratio(play(charts, normal_windows(2 * 60 * MINUTE, seed))) < 1.1
    assert charts.active_minutes == (1, 4, 15)


def test_there_is_no_reading_before_a_minute_is_complete() -> None:
    readings = play(Charts(charted_detector()), normal_windows(MINUTE))
    assert [len(row) for row in readings] == [0] * (MINUTE - 1) + [3]
    assert {(reading.view, reading.minutes) for reading in readings[-1]} == {
        ("spectrum", 1),
        ("variation", 1),
        ("residual", 1),
    }


@pytest.mark.parametrize("view", views_of(SPEC.n_mels), ids=lambda view: view.name)
def test_a_lasting_shift_is_reported_by_its_view_with_its_onset(view: Any) -> None:
    onset = 20 * MINUTE
    shift = in_view(1.5, view.features)
    features = changed(normal_windows(25 * MINUTE), shift, onset, 25 * MINUTE)
    readings = play(Charts(charted_detector()), features)
    k, reading = first_above(readings)
    assert onset < k <= onset + 2 * MINUTE
    assert reading.view == view.name
    assert reading.since == pytest.approx(onset, abs=MINUTE)
    moved = (readings[-1][0].features[view.features] - MEAN) / DEVIATION
    assert 0.7 < moved.mean() < 1.6  # of the windows that are nearest to normal


def test_a_small_shift_is_reported_by_a_longer_scale_than_a_minute() -> None:
    charts = Charts(charted_detector())
    assert highest_ratio(play(charts, normal_windows(4 * 60 * MINUTE))) < 1
    small = normal_windows(60 * MINUTE, seed=9) + DEVIATION * in_view(0.4)
    _, reading = first_above(play(charts, small, start=4 * 60 * MINUTE))
    assert reading.minutes > 1


def test_the_machine_s_own_sound_makes_the_charts_more_sensitive() -> None:
    shift = DEVIATION * in_view(0.5)
    new = Charts(charted_detector())
    experienced = Charts(charted_detector())
    play(experienced, normal_windows(60 * MINUTE))
    assert not new.detects(shift, 60.0)
    assert experienced.detects(shift, 240.0)


@settings(derandomize=True, deadline=None, max_examples=8)
@given(
    strength=st.floats(0.5, 1e6),
    start=st.integers(10 * MINUTE, 12 * MINUTE),
    n_patches=st.integers(1, 31),
)
@example(strength=1e3, start=10 * MINUTE + 20, n_patches=31)
def test_a_burst_of_half_a_minute_moves_no_chart_and_is_not_learned(
    strength: float, start: int, n_patches: int
) -> None:
    """Half a minute of sound is part of 31 patches of 1.024 s, if it begins within one."""
    normal = normal_windows(20 * MINUTE)
    charts = Charts(charted_detector(patch_seconds=1.024))
    burst = changed(normal, np.full(N_FEATURES, strength), start, n_patches)
    assert highest_ratio(play(charts, burst)) < 1
    learned = np.array(charts.sound.minutes)[:, 1:]  # the energy is in no view
    assert len(learned) > 5
    assert np.abs(learned - MEAN / DEVIATION).max() < 2


# --- what is learned ------------------------------------------------------------------------------


def test_calm_minutes_are_learned_two_minutes_later() -> None:
    charts = Charts(charted_detector())
    counts = []
    for _ in range(6):
        play(charts, normal_windows(MINUTE))
        counts.append(charts.sound.n_learned)
    assert counts == [0, 0, 1, 2, 3, 4]


def test_what_one_source_learns_changes_nothing_for_another_of_the_same_machine() -> None:
    detector = charted_detector()
    windows = normal_windows(2 * MINUTE)
    before = highest_ratio(play(Charts(detector), windows))
    charts = Charts(detector)
    play(charts, normal_windows(20 * MINUTE, seed=1))
    assert charts.sound.n_learned
    assert highest_ratio(play(Charts(detector), windows)) == before


def test_sound_that_is_not_learnable_is_not_learned() -> None:
    charts = Charts(charted_detector())
    play(charts, normal_windows(60 * MINUTE), learnable=False)
    assert charts.sound.n_learned == 0
    assert charts.active_minutes == (1,)


def test_a_minute_with_more_than_a_few_windows_that_are_not_learnable_is_not_learned() -> None:
    charts = Charts(charted_detector())
    unlearnable = range(6 * MINUTE, 6 * MINUTE + MINUTE // 4)
    for k, window in enumerate(windows_of(normal_windows(12 * MINUTE))):
        charts.push(window, learnable=k not in unlearnable)
    assert charts.sound.n_learned == 10 - 1


def test_a_single_window_that_is_not_learnable_does_not_keep_its_minute_from_being_learned() -> (
    None
):
    charts = Charts(charted_detector())
    for k, window in enumerate(windows_of(normal_windows(12 * MINUTE))):
        charts.push(window, learnable=k != 6 * MINUTE)
    assert charts.sound.n_learned == 10


def test_no_minute_around_an_alarm_is_learned() -> None:
    charts = Charts(charted_detector())
    for k, window in enumerate(windows_of(normal_windows(12 * MINUTE))):
        charts.push(window, in_alarm=k == 6 * MINUTE)
    # The seventh minute is one of those around the fifth to the eighth.
    assert charts.sound.n_learned == 10 - 4


def test_a_change_is_not_learned_however_long_it_lasts() -> None:
    charts = Charts(charted_detector())
    play(charts, normal_windows(10 * MINUTE))
    n_before = charts.sound.n_learned
    play(charts, normal_windows(120 * MINUTE, 1) + DEVIATION * in_view(1.5))
    assert charts.sound.n_learned <= n_before + 2  # that were complete before


def test_accepted_minutes_are_learned_once_and_normal_from_then_on() -> None:
    charts = Charts(charted_detector())
    play(charts, normal_windows(10 * MINUTE))
    other = normal_windows(30 * MINUTE, 1) + DEVIATION * in_view(1.2)
    assert highest_ratio(play(charts, other)) > 1
    n_learned = charts.sound.n_learned
    assert charts.accept() == 40 - n_learned
    assert charts.sound.n_learned == 40
    assert charts.accept() == 0
    again = normal_windows(10 * MINUTE, 2) + DEVIATION * in_view(1.2)
    assert highest_ratio(play(charts, again)[MINUTE:]) < 1


@pytest.mark.parametrize("n_present", [0, 1, 20, 30, 31, 59])
@pytest.mark.parametrize("n_between", [0, 1, 10, 59])
def test_no_minute_is_learned_twice_by_accepting_twice_within_a_minute(
    n_present: int, n_between: int
) -> None:
    charts = Charts(charted_detector())
    strange = normal_windows(10 * MINUTE) + 5 * DEVIATION
    play(charts, strange[: 3 * MINUTE + n_present])
    assert charts.accept() == 3 + (n_present > 30)
    play(charts, strange[:n_between])
    # Those that are not accepted yet are never more than a minute.
    assert charts.accept() <= 1
    heard_minutes = (3 * MINUTE + n_present + n_between) / MINUTE
    assert charts.sound.n_learned <= heard_minutes + 0.5
    play(charts, strange[: 2 * MINUTE])
    charts.accept()
    assert charts.sound.n_learned <= heard_minutes + 2.5


def test_the_last_60_seconds_are_accepted_at_once_and_again_after_a_minute() -> None:
    charts = Charts(charted_detector())
    strange = normal_windows(10 * MINUTE) + 5 * DEVIATION
    play(charts, strange[: MINUTE + 40])
    assert charts.accept() == 2
    play(charts, strange[:5])
    assert charts.accept() == 0
    play(charts, strange[:MINUTE])
    assert charts.accept() == 1


def test_minutes_that_are_taught_are_learned() -> None:
    taught = Charts(charted_detector())
    minutes = taught.minutes(windows_of(normal_windows(5 * MINUTE + 30)))
    assert len(minutes) == 5
    assert taught.sound.n_learned == 0
    np.testing.assert_allclose(np.mean(minutes), MEAN, atol=0.1)
    for minute in minutes:
        taught.sound.learn(minute)
    assert taught.sound.n_learned == 5
    assert taught.active_minutes == (1, 4)


def test_the_memory_stays_bounded() -> None:
    """A patch lasts 10 s here, so a minute has six windows."""
    charts = Charts(charted_detector(patch_seconds=10.0))
    sizes = []
    rng = np.random.default_rng(0)
    for k in range(4):
        for row in MEAN + DEVIATION / 2 * rng.standard_normal((200 * 6, N_FEATURES)):
            charts.push(Window(float(k), row, -30.0), learnable=True)
        sizes.append(len(pickle.dumps(charts)))
    assert charts.sound.n_learned > 400
    assert len(charts.sound.minutes) == MAX_MINUTES
    n_bytes = np.array(sizes) - len(pickle.dumps(charts._head))
    assert n_bytes.max() < 220_000
    # Of each minute nothing is added but three deviations, for a day; some distances, too.
    assert n_bytes[1:].max() - n_bytes[1:].min() < 400 * 3 * 9 + 10_000


# --- gaps -----------------------------------------------------------------------------------------


def test_no_minute_contains_both_sides_of_a_gap() -> None:
    charts = Charts(charted_detector())
    play(charts, normal_windows(MINUTE - 1) + 1e3)
    charts.reset()
    readings = play(charts, normal_windows(MINUTE))
    assert readings[:-1] == [[]] * (MINUTE - 1)
    [expected] = play(Charts(charted_detector()), normal_windows(MINUTE))[-1:]
    assert [reading.deviation for reading in readings[-1]] == [
        reading.deviation for reading in expected
    ]


def test_sound_before_a_gap_does_not_keep_a_minute_after_it_from_being_learned() -> None:
    charts = Charts(charted_detector())
    play(charts, normal_windows(30), learnable=False)
    charts.reset()
    play(charts, normal_windows(3 * MINUTE))
    assert charts.sound.n_learned == 1


def test_short_windows_are_not_pooled() -> None:
    charts = Charts(charted_detector())
    for row in normal_windows(2 * MINUTE) + 1e3:
        assert charts.push(Window(0.0, row, -30.0, is_full=False), learnable=True) == []


# --- blocks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(trained: Trained) -> Detector:
    clips = audio_files(trained.new / "train")
    return calibrate_files(Detector.load(trained.int8), clips, machine="id_03", report=print)


def deviations(machine: Detector, blocks: Iterable[Float32]) -> list[list[float]]:
    charts = Charts(machine)
    return [
        [reading.deviation for reading in charts.push(window, learnable=True)]
        for window in machine.windows(blocks, 16000)
    ]


@pytest.mark.slow
def test_blocks_do_not_matter(machine: Detector, trained: Trained) -> None:
    clips = audio_files(trained.new / "train")
    clip = np.concatenate([read_samples(path, 16000) for path in clips])
    sound = np.resize(clip, 66 * 16000)
    whole = deviations(machine, [sound])
    assert len(whole[-1]) == 3
    for size in (3333, 100_003):
        blocks = np.split(sound, range(size, len(sound), size))
        assert deviations(machine, blocks) == whole


# --- known sensitivity ----------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 1000),
    amounts=st.tuples(st.floats(0, 20), st.floats(0, 20)).map(sorted),
    seconds=st.sampled_from([60.0, 240.0, 900.0, 3600.0]),
)
def test_a_larger_shift_and_a_longer_time_are_detected_if_less_is(
    seed: int, amounts: list[float], seconds: float
) -> None:
    charts = Charts(charted_detector())
    direction = np.random.default_rng(seed).standard_normal(N_FEATURES) * DEVIATION
    smaller, larger = (charts.detects(amount * direction, seconds) for amount in amounts)
    assert larger or not smaller
    assert charts.detects(amounts[0] * direction, 2 * seconds) or not smaller


def test_nothing_is_detected_of_no_shift_and_before_the_shortest_scale() -> None:
    charts = Charts(charted_detector())
    assert not charts.detects(np.zeros(N_FEATURES), 3600.0)
    assert charts.detects(DEVIATION * in_view(50.0), 60.0)
    assert not charts.detects(DEVIATION * in_view(50.0), 59.0)


@pytest.mark.parametrize("direction", [SPECTRUM.features, RESIDUAL.features])
def test_what_charts_say_they_detect_they_do_detect(direction: slice) -> None:
    detector = charted_detector()
    smallest = next(
        amount
        for amount in np.arange(0.1, 5, 0.1)
        if Charts(detector).detects(DEVIATION * in_view(amount, direction), 60.0)
    )
    n_detected = 0
    for seed in range(10):
        features = normal_windows(3 * MINUTE, seed) + DEVIATION * in_view(1.2 * smallest, direction)
        n_detected += highest_ratio(play(Charts(detector), features)) > 1
    assert n_detected >= 8


@pytest.mark.parametrize(("is_of_fleet", "n_learned"), [(True, 4), (False, 0)])
def test_after_a_calibration_on_training_clips_the_first_minutes_say_what_is_normal(
    is_of_fleet: bool, n_learned: int
) -> None:
    """A machine that runs differently than in the training must not stay unknown."""
    detector = charted_detector()
    detector.artifact.head.machine_sound.__dict__["is_of_fleet"] = is_of_fleet
    charts = Charts(detector)
    readings = play(charts, normal_windows(6 * MINUTE) + 12 * DEVIATION)
    assert (highest_ratio(readings) < 1) == is_of_fleet
    assert charts.sound.n_learned == n_learned


# --- what a day of minutes shows ------------------------------------------------------------------


def play_minutes(charts: Charts, deviations: Iterable[float], minutes: Float64) -> None:
    """Minutes (n, 6, N_FEATURES) that lie so many deviations from the mean."""
    for deviation, rows in zip(deviations, minutes, strict=True):
        for row in rows + deviation * DEVIATION:
            charts.push(Window(0.0, row, -30.0))


def test_the_limit_follows_what_a_day_of_minutes_shows() -> None:
    """A patch lasts 10 s here, so a minute has six windows."""
    rng = np.random.default_rng(3)
    minutes = MEAN + DEVIATION / 2 * rng.standard_normal((400, 6, N_FEATURES))
    limits = []
    for spread in (0.0, 0.15):
        charts = Charts(charted_detector("1/day", patch_seconds=10.0))
        play_minutes(charts, spread * rng.standard_exponential(400), minutes)
        [spectrum, *_] = charts.push(Window(0.0, minutes[0, 0], -30.0))
        limits.append(spectrum.limit)
    assert limits[1] > limits[0] + 0.3


def test_normal_deviations_survive_a_restart() -> None:
    detector = charted_detector("1/day", patch_seconds=10.0)
    rng = np.random.default_rng(4)
    minutes = MEAN + DEVIATION / 2 * rng.standard_normal((200, 6, N_FEATURES))
    charts = Charts(detector)
    play_minutes(charts, np.zeros(200), minutes)
    state = charts.state()
    assert len(state.normal_deviations) > 120
    restored = Charts(detector)
    restored.restore(state)
    np.testing.assert_array_equal(restored.state().normal_deviations, state.normal_deviations)
    assert [chart.minute.tail for chart in restored._charts] == [
        chart.minute.tail for chart in charts._charts
    ]


def test_an_accepted_minute_counts_once() -> None:
    charts = Charts(charted_detector(patch_seconds=10.0))
    rng = np.random.default_rng(5)
    play_minutes(
        charts, np.zeros(100), MEAN + DEVIATION / 2 * rng.standard_normal((100, 6, N_FEATURES))
    )
    n_before = len(charts.state().normal_deviations)
    n_uncounted = sum(not minute.counted for minute in charts._recent)
    assert charts.accept() > 0
    assert n_before < len(charts.state().normal_deviations) <= n_before + n_uncounted
    assert charts.accept() == 0


# --- the threshold of windows ---------------------------------------------------------------------


def test_without_learned_sound_the_threshold_does_not_rise() -> None:
    assert Charts(charted_detector()).threshold_rise == 0


def test_sound_like_that_of_the_calibration_hardly_raises_the_threshold() -> None:
    charts = Charts(charted_detector())
    play(charts, normal_windows(30 * MINUTE))
    assert charts.sound.n_learned > 20
    assert 0 <= charts.threshold_rise < 0.2


def test_sound_that_was_called_normal_raises_the_threshold_so_that_it_stays_below() -> None:
    detector = charted_detector()
    charts = Charts(detector)
    strange = normal_windows(10 * MINUTE) + 5 * DEVIATION
    play(charts, strange)
    charts.accept()
    scores = detector.head.score(strange)
    margin = detector.threshold.value - charts._calibration_score
    assert charts.threshold_rise == pytest.approx(
        np.median(scores) - charts._calibration_score, abs=0.3
    )
    assert (scores < charts._calibration_score + charts.threshold_rise + margin).all()
