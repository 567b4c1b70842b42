"""What the tracker may learn and how far it may go, on made-up windows and on a synthetic machine's week."""

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
from edgeae.runtime.monitoring.drift import DELAY, DRIFTED, MINUTE, SHARE, Tracker
from edgeae.runtime.monitoring.states import WORSE, State
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector, Result
from edgeae.runtime.scoring.head import Head, Kind
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64
from edgeae.train.synth.dataset import FAULTS, Fault, Machine, render
from tests.runtime.conftest import plain_fleet

SIZE = 25  # eight mel bands
LIMIT = 1.5
DAY = 86400.0
fixed = settings(derandomize=True, deadline=None, max_examples=60)
finite = st.floats(-1e6, 1e6)
anywhere = npst.arrays(np.float64, SIZE, elements=finite)


def detector_of(
    kind: Kind = "gaussian", machine: str | None = "pump-3", domain_shift: float = 0.0
) -> Any:
    """What a tracker needs of a detector, with features that vary together."""
    mixing = np.random.default_rng(0).standard_normal((2, 12, 12))
    correlations = mixing @ mixing.transpose(0, 2, 1) / 12
    fleet = replace(
        plain_fleet(SIZE, 0.25, mean=domain_shift * 0.25), within_correlation=correlations
    )
    head = Head(fleet, np.zeros(SIZE), np.empty((0, SIZE)), 0.0, 5, kind)
    return SimpleNamespace(
        head=head, threshold=Threshold(LIMIT, "1%", 0.01, 100, False), machine=machine
    )


def hear(
    tracker: Tracker,
    detector: Any,
    window: Window,
    seconds: float = 1.0,
    *,
    alarm: bool = False,
    health: State = "ok",
) -> Result:
    """Score as `edgeae run` does, and let the tracker hear."""
    score = float(detector.head.score(tracker.compensated(window).features))
    limit = detector.threshold.value
    result = Result(window.end, score, limit, score > limit, window.level, 0.0, window, health)
    tracker.hear(window, result, seconds, alarm=alarm)
    return result


def window_at(features: Float64, **values: Any) -> Window:
    return Window(0.0, features, values.pop("level", -30.0), **values)


def near(detector: Any, direction: int = 3, score: float = 0.0) -> Float64:
    """(size,) a place whose score is ``score``."""
    step = np.ones(SIZE)
    step[direction] += 1
    return step * np.exp((score - float(detector.head.score(detector.head.mean + step))) / 2)


@pytest.mark.parametrize("detector", [detector_of(machine=None), detector_of("mse")])
def test_only_the_mean_of_a_calibrated_machine_is_tracked(detector: Any) -> None:
    with pytest.raises(ConfigError, match="run `edgeae calibrate`"):
        Tracker(detector)


def test_compensating_scores_around_a_moved_mean() -> None:
    detector = detector_of()
    tracker = Tracker(detector)
    tracker.move(near(detector, score=-1.0))
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
        assert head.score(tracker.compensated(window_at(x)).features) == pytest.approx(
            distances, abs=1e-9
        )


def test_drift_follows_with_the_time_constant_and_waits() -> None:
    detector = detector_of()
    tracker, place = Tracker(detector, days=1.0), near(detector, score=-1.0)
    for _ in range(int(MINUTE + DELAY) // 10 - 1):
        hear(tracker, detector, window_at(place), 10.0)
    assert tracker.learned == 0
    for _ in range(int(DAY) // 10):
        hear(tracker, detector, window_at(place), 10.0)
    assert DAY - MINUTE <= tracker.learned <= DAY
    np.testing.assert_allclose(tracker.drift, place * -np.expm1(-tracker.learned / DAY), rtol=1e-9)


@pytest.mark.parametrize("cause", ["alarm", "high"])
def test_an_alarm_or_a_high_window_drops_the_minutes_before_it(cause: str) -> None:
    detector = detector_of()
    tracker, place = Tracker(detector), near(detector, score=0.0)
    for _ in range(20):  # never ten quiet minutes
        for _ in range(int(DELAY) // 10):
            hear(tracker, detector, window_at(place), 10.0)
        high = near(detector, score=LIMIT + 0.01) if cause == "high" else place
        hear(tracker, detector, window_at(high), alarm=cause == "alarm")
    assert tracker.learned == 0
    assert not tracker.drift.any()


@pytest.mark.parametrize("health", WORSE)
@pytest.mark.parametrize("full", [True, False])
def test_only_whole_windows_of_sound_that_is_ok_teach(health: State, full: bool) -> None:
    detector = detector_of()
    tracker, window = Tracker(detector), window_at(near(detector, score=0.0), full=full)
    for _ in range(int(3 * DELAY)):
        hear(tracker, detector, window, seconds=5.0, health=health)
    assert (tracker.learned > 0) == (full and health == "ok")


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
    tracker = Tracker(detector, days=0.1)
    for place, seconds, normal in places:  # even if nothing that comes were an anomaly
        result = Result(0.0, 0.0, LIMIT, not normal, -30.0, 0.0, window_at(place))
        tracker.hear(window_at(place), result, seconds, alarm=False)
        assert np.isfinite(tracker.drift).all()
        assert tracker.distance <= 1 + 1e-9
        bound = LIMIT + 2 * np.log(SHARE)
        assert (
            detector.head.score(detector.head.mean + tracker.drift) <= bound + 1e-9
        )  # below the threshold


@fixed
@given(drift=anywhere, place=anywhere)
def test_beyond_the_allowance_every_drift_alarms(drift: Float64, place: Float64) -> None:
    detector = detector_of("no_network")
    tracker = Tracker(detector)
    tracker.move(drift)
    if detector.head.score(place) > LIMIT + 2 * np.log(1 + SHARE) + 1e-9:
        assert detector.head.score(tracker.compensated(window_at(place)).features) > LIMIT


@fixed
@given(steps=st.lists(st.tuples(st.floats(-2, 4), st.booleans(), st.floats(0, 2000)), max_size=60))
def test_nothing_is_learned_during_an_alarm_or_from_the_ten_minutes_before(
    steps: list[tuple[float, bool, float]],
) -> None:
    detector = detector_of()
    tracker = Tracker(detector)
    quiet = 0.0  # seconds since the last alarm or high window
    for score, alarm, seconds in steps:
        before, learned = tracker.drift, tracker.learned
        result = hear(
            tracker, detector, window_at(near(detector, score=score)), seconds, alarm=alarm
        )
        quiet = 0.0 if alarm or result.anomaly else quiet + seconds
        if quiet < DELAY:
            assert tracker.learned == learned
            np.testing.assert_array_equal(tracker.drift, before)


def test_at_the_bound_the_status_says_what_to_do() -> None:
    detector = detector_of()
    tracker = Tracker(detector)
    assert tracker.status() == {"state": "tracking", "drift": 0.0}
    tracker.move(np.full(SIZE, 1e3))
    assert tracker.status() == {"state": "drifted", "drift": 1.0, "sentence": DRIFTED}


# --- a week of a synthetic machine ----------------------------------------------------------------

CLIP = 4.128  # seconds, one window of the artifact
LEVELS = (0.0, 0.5, 1.0)
HOURS = 168
RISING = np.arange(HOURS) / HOURS  # 0 to 1 in a week
BUDGET = "5%"


class Week:
    """Windows of a synthetic machine, as it wears or gets a fault.

    Rendering takes a while, so an hour is a window of the healthy machine to which is added by how much the
    same clip changes when the machine is worn, or has a fault, to a degree.
    """

    def __init__(self, detector: Detector, machine: int) -> None:
        self.base, self._detector = Machine.draw(machine, 1), detector
        windows = self._render(self.base, range(8))
        self.detector = calibrated(detector, windows, false_alarms=BUDGET, machine="id_03")
        self.normal = self._render(self.base, range(8, 32))  # (n, size)
        self.changes = {"wear": self._change([worn(self.base, u) for u in LEVELS], [None] * 3)}
        for kind in FAULTS:
            self.changes[kind] = self._change([self.base] * 3, [Fault(kind, u) for u in LEVELS])

    def _render(
        self, machine: Machine, clips: Iterable[int], fault: Fault | None = None
    ) -> Float64:
        sounds = [render(machine, np.random.default_rng(clip), CLIP, fault) for clip in clips]
        return np.array(
            [w.features for sound in sounds for w in self._detector.windows([sound], 16000)]
        )

    def _change(self, machines: list[Machine], faults: list[Fault | None]) -> Float64:
        """(levels, clips, size) from the healthy machine."""
        found = [
            self._render(m, (40, 41), fault) for m, fault in zip(machines, faults, strict=True)
        ]
        return np.array(found) - found[0]

    def hours(self, change: str, degrees: Float64) -> Float64:
        """(n, size): an hour each, changed to ``degrees`` (n,) of 0 to 1."""
        rng = np.random.default_rng(len(degrees))
        table, clip = self.changes[change], rng.integers(0, 2, len(degrees))
        low, share = np.minimum((2 * degrees).astype(int), 1), 2 * degrees
        added = table[low, clip] + (share - low)[:, None] * (
            table[low + 1, clip] - table[low, clip]
        )
        return self.normal[rng.integers(0, len(self.normal), len(degrees))] + added

    def play(self, hours: Float64, tracker: Tracker | None) -> tuple[NDArray[np.bool_], bool]:
        """(n,) above the threshold, and whether an alarm came; each of ``hours`` stands for an hour of sound."""
        alarm, above, came = Alarm(self.detector), [], False
        for hour, features in enumerate(hours):
            window = Window(3600.0 * hour, features, -30.0)
            result = self.detector.result(tracker.compensated(window) if tracker else window)
            alarm.update(result)
            if tracker:
                tracker.hear(window, result, 3600.0, alarm=alarm.active)
            above.append(result.anomaly)
            came |= alarm.active
        return np.array(above), came


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
def week(trained: Any) -> Week:
    return Week(Detector.load(trained.int8), machine=3)


def test_a_week_of_wear_raises_false_alarms_only_without_the_tracker(week: Week) -> None:
    hours = week.hours("wear", RISING)
    calibrated_above, calibrated_alarm = week.play(hours, None)
    tracked_above, tracked_alarm = week.play(hours, Tracker(week.detector))
    assert calibrated_above[:24].mean() <= 0.1
    assert calibrated_above[-24:].mean() > 0.5
    assert calibrated_alarm
    assert (
        tracked_above[-24:].mean() <= calibrated_above[:24].mean() + 0.05
    )  # as on the first day, but for a window
    assert not tracked_alarm


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_after_a_week_of_wear_is_found_as_at_the_start(week: Week, fault: str) -> None:
    tracker, faults = Tracker(week.detector), week.hours(fault, np.ones(24))
    week.play(week.hours("wear", RISING), tracker)
    drift = tracker.drift
    at_start, _ = week.play(faults, None)
    at_end, alarm = week.play(faults + week.changes["wear"][-1].mean(axis=0), tracker)
    assert alarm
    assert at_end.mean() >= at_start.mean() - 0.05
    np.testing.assert_array_equal(tracker.drift, drift)  # nothing is learned of it


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_grows_for_a_week_still_ends_in_an_alarm(week: Week, fault: str) -> None:
    hours = week.hours(fault, np.concatenate([RISING, np.ones(24)]))
    assert week.play(hours, Tracker(week.detector))[1]
