"""What the tracker learns and how far it goes: synthetic windows, and the week of a machine."""

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.monitoring.alarm import Alarm
from edgeae.runtime.monitoring.drift import DEFAULT_LIMITS, DRIFTED, DriftStatus, DriftTracker
from edgeae.runtime.monitoring.states import SOUND_STATES, SoundState
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector, Result
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.heads import Kind
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64
from edgeae.train.synth.dataset import render
from edgeae.train.synth.faults import FAULTS, Fault
from edgeae.train.synth.machine import Machine
from tests.conftest import Trained
from tests.runtime.conftest import plain_fleet

SIZE = 25  # eight mel bands
LIMIT = 1.5
DAY = 86400.0
fixed = settings(derandomize=True, deadline=None, max_examples=60)
finite = st.floats(-1e6, 1e6)
anywhere = npst.arrays(np.float64, SIZE, elements=finite)


def detector_of(
    kind: Kind = "gaussian",
    machine: str | None = "pump-3",
    domain_shift: float = 0.0,
    *,
    one_view: bool = False,
) -> Any:
    """What a tracker needs of a detector, with features that vary together.

    one_view: only the spectrum counts.
    """
    mixing = np.random.default_rng(0).standard_normal((2, 12, 12))
    correlations = mixing @ mixing.transpose(0, 2, 1) / 12
    plain = plain_fleet(SIZE, 0.25, mean=domain_shift * 0.25)
    views = plain.views
    if one_view:
        views = (views[0], *(replace(view, weight=0.0) for view in views[1:]))
    fleet = replace(plain, within_correlation=tuple(correlations), views=views)
    head = Head(fleet, np.zeros(SIZE), np.empty((0, SIZE)), 0.0, 5, kind)
    return SimpleNamespace(
        head=head, threshold=Threshold(LIMIT, "1%", 0.01, 100, False), machine=machine
    )


def learn(
    tracker: DriftTracker,
    detector: Any,
    window: Window,
    seconds: float = 1.0,
    *,
    alarm: bool = False,
    health: SoundState = "ok",
) -> Result:
    """Score as `edgeae run` does, and let the tracker learn."""
    score = float(detector.head.score(tracker.compensate(window).features))
    limit = detector.threshold.value
    result = Result(window.end, score, limit, score > limit, window.level, 0.0, window, health)
    tracker.update(window, result, seconds, alarm=alarm)
    return result


def window_at(features: Float64, **values: Any) -> Window:
    return Window(0.0, features, values.pop("level", -30.0), **values)


def near(detector: Any, direction: int = 3, score: float = 0.0) -> Float64:
    """(size,) a place whose score is ``score``."""
    step = np.ones(SIZE)
    step[direction] += 1
    distance = score - float(detector.head.score(detector.head.mean + step))
    return np.asarray(step * np.exp(distance / 2))


@pytest.mark.parametrize("detector", [detector_of(machine=None), detector_of("mse")])
def test_only_the_mean_of_a_calibrated_machine_is_tracked(detector: Any) -> None:
    with pytest.raises(ConfigError, match="run `edgeae calibrate`"):
        DriftTracker(detector)


def test_compensating_scores_around_a_moved_mean() -> None:
    detector = detector_of()
    tracker = DriftTracker(detector)
    tracker.set_drift(near(detector, score=-1.0))
    head = detector.head
    moved = Head(
        head.fleet,
        head.mean + tracker.drift,
        head.machine_factor,
        head.machine_weight,
        head.windows,
    )
    windows = np.random.default_rng(1).standard_normal((5, SIZE))
    for x in windows:
        distances = moved.distances(x) @ head.weights  # the weights stay as calibrated
        assert head.score(tracker.compensate(window_at(x)).features) == pytest.approx(
            distances, abs=1e-9
        )


def test_drift_follows_with_the_time_constant_and_waits() -> None:
    detector = detector_of()
    tracker = DriftTracker(detector, days=1.0)
    place = near(detector, score=-1.0)
    for _ in range(int(DEFAULT_LIMITS.minute_seconds + DEFAULT_LIMITS.delay_seconds) // 10 - 1):
        learn(tracker, detector, window_at(place), 10.0)
    assert tracker.learned_seconds == 0
    for _ in range(int(DAY) // 10):
        learn(tracker, detector, window_at(place), 10.0)
    assert DAY - DEFAULT_LIMITS.minute_seconds <= tracker.learned_seconds <= DAY
    np.testing.assert_allclose(
        tracker.drift, place * -np.expm1(-tracker.learned_seconds / DAY), rtol=1e-9
    )


@pytest.mark.parametrize("cause", ["alarm", "high"])
def test_an_alarm_or_a_high_window_drops_the_minutes_before_it(cause: str) -> None:
    detector = detector_of()
    tracker = DriftTracker(detector)
    place = near(detector, score=0.0)
    for _ in range(20):  # never ten quiet minutes
        for _ in range(int(DEFAULT_LIMITS.delay_seconds) // 10):
            learn(tracker, detector, window_at(place), 10.0)
        high = near(detector, score=LIMIT + 0.01) if cause == "high" else place
        learn(tracker, detector, window_at(high), alarm=cause == "alarm")
    assert tracker.learned_seconds == 0
    assert not tracker.drift.any()


@pytest.mark.parametrize("health", SOUND_STATES)
@pytest.mark.parametrize("full", [True, False])
def test_only_whole_windows_of_sound_that_is_ok_teach(health: SoundState, full: bool) -> None:
    detector = detector_of()
    tracker = DriftTracker(detector)
    window = window_at(near(detector, score=0.0), is_full=full)
    for _ in range(int(3 * DEFAULT_LIMITS.delay_seconds)):
        learn(tracker, detector, window, seconds=5.0, health=health)
    assert (tracker.learned_seconds > 0) == (full and health == "ok")


@fixed
@given(
    places=st.lists(st.tuples(anywhere, st.floats(0, 1e5), st.booleans()), max_size=30),
    kind=st.sampled_from(["gaussian", "no_network"]),
    domain_shift=st.sampled_from([0.0, 1.0, 3.0]),
)
def test_the_drift_is_bounded_whatever_is_heard(
    places: list[tuple[Float64, float, bool]], kind: Kind, domain_shift: float
) -> None:
    detector = detector_of(kind, domain_shift=domain_shift)
    tracker = DriftTracker(detector, days=0.1)
    for place, seconds, normal in places:  # even if nothing that comes were an anomaly
        result = Result(0.0, 0.0, LIMIT, not normal, -30.0, 0.0, window_at(place))
        tracker.update(window_at(place), result, seconds, alarm=False)
        assert np.isfinite(tracker.drift).all()
        assert tracker.distance <= 1 + 1e-9
        bound = LIMIT + 2 * np.log(DEFAULT_LIMITS.max_share)
        assert (
            detector.head.score(detector.head.mean + tracker.drift) <= bound + 1e-9
        )  # below the threshold


@fixed
@given(drift=anywhere, place=anywhere)
def test_beyond_the_allowance_every_drift_alarms(drift: Float64, place: Float64) -> None:
    detector = detector_of("no_network", one_view=True)
    tracker = DriftTracker(detector)
    tracker.set_drift(drift)
    if detector.head.score(place) > LIMIT + 2 * np.log(1 + DEFAULT_LIMITS.max_share) + 1e-9:
        assert detector.head.score(tracker.compensate(window_at(place)).features) > LIMIT


@fixed
@given(steps=st.lists(st.tuples(st.floats(-2, 4), st.booleans(), st.floats(0, 2000)), max_size=60))
def test_nothing_is_learned_during_an_alarm_or_from_the_ten_minutes_before(
    steps: list[tuple[float, bool, float]],
) -> None:
    detector = detector_of()
    tracker = DriftTracker(detector)
    quiet = 0.0  # seconds since the last alarm or high window
    for score, alarm, seconds in steps:
        before = tracker.drift
        learned = tracker.learned_seconds
        result = learn(
            tracker, detector, window_at(near(detector, score=score)), seconds, alarm=alarm
        )
        quiet = 0.0 if alarm or result.anomaly else quiet + seconds
        if quiet < DEFAULT_LIMITS.delay_seconds:
            assert tracker.learned_seconds == learned
            np.testing.assert_array_equal(tracker.drift, before)


def test_at_the_bound_the_status_says_what_to_do() -> None:
    detector = detector_of()
    tracker = DriftTracker(detector)
    assert tracker.status() == DriftStatus("tracking", 0.0)
    tracker.set_drift(np.full(SIZE, 1e3))
    assert tracker.status() == DriftStatus("drifted", 1.0, DRIFTED)
    assert tracker.status().details() == {"drift": 1.0, "sentence": DRIFTED}


CLIP_SECONDS = 4.128  # one window of the artifact
CHANGE_CLIPS = range(40, 44)
NORMAL_CLIPS = range(100, 164)
FAULT_DEGREES = (0.0, 0.5, 1.0)
WEAR_DEGREES = (0.0, 0.5, 1.0, 1.5, 2.0)
HOURS = 168
RISING = np.arange(HOURS) / HOURS  # 0 to 1 in a week
WORN_SHARE = 0.55  # of the windows of the last day that are above the threshold without a tracker


class Week:
    """Windows of a synthetic machine, as it wears or gets a fault.

    Rendering takes a while, so an hour is a window of the healthy machine to which is added by how
    much the same clip changes when the machine is worn, or has a fault, to a degree.
    """

    def __init__(self, detector: Detector, machine: int, clips: int, false_alarms: str) -> None:
        """clips: to calibrate on; false_alarms: the budget."""
        self._machine = Machine.draw(machine, 1)
        self._detector = detector
        windows = self._render(self._machine, range(clips))
        self.detector = calibrated(detector, windows, false_alarms=false_alarms, machine="id_03")
        self._normal = self._render(self._machine, NORMAL_CLIPS)  # (n, n_features)
        self._changes: dict[str, Float64] = {}
        self.wear = self._harmful_wear() * RISING  # (HOURS,) degrees

    def _render(
        self, machine: Machine, clips: Iterable[int], fault: Fault | None = None
    ) -> Float64:
        sounds = [
            render(machine, np.random.default_rng(clip), CLIP_SECONDS, fault) for clip in clips
        ]
        return np.array(
            [w.features for sound in sounds for w in self._detector.windows([sound], 16000)]
        )

    def _changes_of(self, kind: str) -> Float64:
        """(degrees, clips, n_features) difference from the healthy machine; rendered once."""
        if kind not in self._changes:
            if kind == "wear":
                windows = [
                    self._render(worn(self._machine, degree), CHANGE_CLIPS)
                    for degree in WEAR_DEGREES
                ]
            else:
                windows = [
                    self._render(self._machine, CHANGE_CLIPS, Fault(kind, degree))
                    for degree in FAULT_DEGREES
                ]
            self._changes[kind] = np.array(windows) - windows[0]
        return self._changes[kind]

    def _harmful_wear(self) -> float:
        """The degree of wear at the end of the week that needs a tracker.

        How much wear a network notices depends on its training, and so on the processor.
        """
        for degree in np.arange(0.05, WEAR_DEGREES[-1], 0.05):
            if self.share_above("wear", degree * RISING[-24:]) > WORN_SHARE:
                return float(degree)
        pytest.fail("no wear of this machine needs a tracker")

    def change(self, kind: str, degree: float) -> Float64:
        """(clips, n_features): by how much each clip changes."""
        degrees = WEAR_DEGREES if kind == "wear" else FAULT_DEGREES
        k = min(int(np.searchsorted(degrees, degree, "right")) - 1, len(degrees) - 2)
        share = (degree - degrees[k]) / (degrees[k + 1] - degrees[k])
        table = self._changes_of(kind)
        return np.asarray(table[k] + share * (table[k + 1] - table[k]))

    def share_above(self, kind: str, degrees: Float64, drift: Float64 | float = 0.0) -> float:
        """Share above the threshold, of every healthy window with every change of every degree."""
        shares = []
        for degree in degrees:
            for added in self.change(kind, degree):
                scores = self.detector.head.score(self._normal + added - drift)
                shares.append(np.mean(scores > self.detector.threshold.value))
        return float(np.mean(shares))

    def hours(self, kind: str, degrees: Float64) -> Float64:
        """(n, n_features): an hour each, changed to ``degrees`` (n,)."""
        rng = np.random.default_rng(len(degrees))
        windows = self._normal[rng.integers(0, len(self._normal), len(degrees))]
        clips = rng.integers(0, len(CHANGE_CLIPS), len(degrees))
        added = [
            self.change(kind, degree)[clip] for degree, clip in zip(degrees, clips, strict=True)
        ]
        return np.asarray(windows + np.array(added))

    def play(self, hours: Float64, tracker: DriftTracker | None) -> tuple[NDArray[np.bool_], bool]:
        """(n,) above the threshold, and whether an alarm started; one window an hour.

        There are no charts: they would take 60 hours for a minute.
        """
        rule = replace(self.detector.threshold, alarm_windows=3, of_windows=5)
        alarm = Alarm(rule, self.detector.explainer)
        above = []
        started = False
        for hour, features in enumerate(hours):
            window = Window(3600.0 * hour, features, -30.0)
            result = self.detector.result(tracker.compensate(window) if tracker else window)
            alarm.update(result)
            if tracker:
                tracker.update(window, result, 3600.0, alarm=alarm.active)
            above.append(result.anomaly)
            started |= alarm.active
        return np.array(above), started


def worn(machine: Machine, degree: float) -> Machine:
    """Faster by 12 %, 4 dB louder, resonances that moved and a brighter flow noise."""
    return replace(
        machine,
        speed=machine.speed * (1 + 0.12 * degree),
        level=machine.level + 4 * degree,
        flow_slope=machine.flow_slope + 1.8 * degree,
        housing=machine.housing * (1 + 0.09 * degree),
        wake=machine.wake * (1 + 0.07 * degree),
    )


@pytest.fixture(scope="module")
def week(trained: Trained) -> Week:
    """Of a machine that is calibrated well, and seldom above its threshold."""
    return Week(Detector.load(trained.int8), machine=3, clips=24, false_alarms="1%")


@pytest.fixture(scope="module")
def sensitive_week(trained: Trained) -> Week:
    """Of a machine that is calibrated on a few seconds, with a budget that finds every fault."""
    return Week(Detector.load(trained.int8), machine=3, clips=8, false_alarms="5%")


def test_a_week_of_wear_raises_false_alarms_only_without_the_tracker(week: Week) -> None:
    hours = week.hours("wear", week.wear)
    tracker = DriftTracker(week.detector)
    _, calibrated_alarm = week.play(hours, None)
    _, tracked_alarm = week.play(hours, tracker)
    first_day = week.share_above("wear", week.wear[:24])
    last_day = week.share_above("wear", week.wear[-24:])
    tracked_last_day = week.share_above("wear", week.wear[-24:], tracker.drift)
    assert first_day <= 0.1
    assert last_day > 0.5
    assert calibrated_alarm
    assert tracked_last_day <= first_day + 0.1
    assert not tracked_alarm


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_after_a_week_of_wear_is_found_as_at_the_start(
    sensitive_week: Week, fault: str
) -> None:
    tracker = DriftTracker(sensitive_week.detector)
    faults = sensitive_week.hours(fault, np.ones(24))
    sensitive_week.play(sensitive_week.hours("wear", sensitive_week.wear), tracker)
    drift = tracker.drift
    at_start, _ = sensitive_week.play(faults, None)
    at_end, alarm = sensitive_week.play(
        faults + sensitive_week.change("wear", sensitive_week.wear[-1]).mean(axis=0), tracker
    )
    assert alarm
    assert at_end.mean() >= at_start.mean() - 0.05
    np.testing.assert_array_equal(tracker.drift, drift)  # nothing is learned of it


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_grows_for_a_week_still_ends_in_an_alarm(
    sensitive_week: Week, fault: str
) -> None:
    hours = sensitive_week.hours(fault, np.concatenate([RISING, np.ones(24)]))
    assert sensitive_week.play(hours, DriftTracker(sensitive_week.detector))[1]
