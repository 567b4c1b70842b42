"""Control charts: is the sound of the last minute, quarter of an hour, hour still normal?

A single window cannot carry a rare alarm: a threshold for 1/week lies far beyond all normal sound
that was ever recorded. A fault lasts, so its features are pooled before they are judged:

    windows  | | | | | | | | | | | | | | | |     one a second
    minute   [== the share of them that is nearest to normal: one vector ==]
    scales   [1 minute]  [4 minutes]  [15 minutes]  [1 hour]

A minute is the mean of those of its windows that are nearest to normal, so no door or voice moves
it (`edgeae.runtime.charts.minute_pool`). Each view (`edgeae.runtime.scoring.views`) at each scale
is a **chart** with an equal share of the budget of false alarms. Any chart can raise the alarm.

The machine's own normal sound is learned while it is monitored (`NormalSound`): a minute is learned
when the minutes around it were calm, no alarm was on and the microphone worked. That makes the
charts more sensitive from minute to minute. A scale of more than four minutes becomes active when
three times as much sound was monitored, so that the machine has shown how it varies over such
times.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..scoring.detector import Detector
from ..scoring.threshold import quantile
from ..scoring.window_stream import Window
from ..system.arrays import Float64
from .charts_setup import calibrated_charts, calibration_score, calibration_sound
from .charts_state import ChartsState
from .minute_pool import MINUTE_SECONDS, MinutePool, PooledMinute
from .normal_sound import MAX_MINUTES
from .view_chart import MIN_TAIL_VALUES, InControl, Tail, mean_square

SCALES_MINUTES = (1, 4, 15, 60)
MAX_CALM_DEVIATION = 1.2  # mean over the minutes around one that is learned
# The first minutes after a calibration count as calm up to here: that the machine is normal is then
# known better than where its normal lies.
MAX_START_DEVIATION = 2.5
# Of a calibration on clips of the training even that is not known: up to this share of the limit.
MAX_FLEET_START_RATIO = 0.85
N_START_MINUTES = 5
PATIENCE_MINUTES = 60  # without an alarm, after which sound that was not calm is learned, too
MAX_CALM_RATIO = 0.5  # of the limit of the longer scales
MAX_UNLEARNABLE_SHARE = 0.1  # of the windows of a minute that is learned
CALM_MINUTES_BEFORE = 1
CALM_MINUTES_AFTER = 2
LONG_SPREAD_RATIO = 0.8  # spread of a longer scale to that of a minute, before it was seen
MAX_LONG_DEGREES = 20.0  # of freedom that this ratio is worth
MAX_MEAN_WEIGHT = 4.0  # of the minutes, in the mean of a longer scale
MAX_LONG_VALUES = 360  # distances that are kept of each longer scale
MAX_NORMAL_DEVIATIONS = 1440  # deviations of normal minutes that are kept of each view, a day
MIN_NORMAL_DEVIATIONS = 120  # from which their tail is known better than by the learned minutes
REFIT_GROWTH = 1.2  # the charts are fitted again when so many times more was learned
# A chart is read anew while most of its sound is the same: worth so many independent looks at each
# scale.
LOOKS_PER_SCALE = 3.0
MAX_PROBABILITY = 0.1  # of a false alarm for one independent look at one chart
ARMING_SCALES = 3  # a long scale is active after so many times its duration ...
MAX_READY_MINUTES = 4  # ... a scale of up to so many minutes after its duration
RISE_QUANTILE = 0.9  # of the learned minutes, whose windows score below the threshold
MAX_ACCEPTED_MINUTES = 60  # that a person can call normal in a day
ACCEPTED_PERIOD_MINUTES = 1440  # of sound


@dataclass(frozen=True)
class Reading:
    """The state of one chart."""

    view: str
    minutes: int  # the scale
    deviation: float  # from normal, in standard deviations
    limit: float  # above which it is an alarm
    features: Float64  # (n_features,) pooled over the scale, as of a window
    since: float  # seconds from the start: the estimated onset of the deviation

    @property
    def ratio(self) -> float:
        """The deviation as a share of the limit."""
        return self.deviation / self.limit


@dataclass
class _Minute:
    """A minute of sound."""

    vector: Float64  # (n_features,) deviations of the fleet
    deviations: Float64  # (n_views,)
    learnable: bool  # the microphone worked
    in_alarm: bool  # at any time
    learned: bool = False
    counted: bool = False  # its deviations are among those of normal minutes
    fitted: bool = False  # the charts were fitted with it


class Charts:
    """The charts of one source of sound."""

    def __init__(self, detector: Detector, *, learns: bool = True) -> None:
        """detector: calibrated, with `has_charts`.

        learns: False to compare with the sound of the calibration alone.
        """
        self._learns = learns
        head = detector.head
        self._head = head
        sound = detector.artifact.head.machine_sound
        self._is_of_fleet = sound is not None and sound.is_of_fleet
        self._std = head.fleet.within_std
        self._views = head.fleet.views
        self.sound = calibration_sound(detector)
        self._fitted_minutes = self.sound.n_learned
        self._windows_per_minute = MINUTE_SECONDS / detector.window
        self._charts = [copy(chart) for chart in calibrated_charts(detector)]
        self._probability_per_window = detector.threshold.probability
        self._pool = MinutePool(
            self._charts,
            self._std,
            window_seconds=detector.window,
            patch_seconds=detector.network.patch_frames / detector.spec.frames_per_second,
        )
        self._n_unlearnable = 0  # windows of the present minute
        self._in_alarm = False  # at any time of the present minute
        self._present_is_learned = False  # most of the present minute was accepted
        self._accepted_windows = 0  # of the pool, when its last 60 seconds were accepted
        self._last_t = 0.0  # seconds, of the last window
        self._minutes_without_alarm = 0  # since a minute was learned
        self._recent: deque[_Minute] = deque(maxlen=SCALES_MINUTES[-1])
        # Of each longer scale of each view: distances of sound that does not overlap.
        self._long_values = {
            (i, scale): deque[float](maxlen=MAX_LONG_VALUES)
            for i in range(len(self._views))
            for scale in SCALES_MINUTES[1:]
        }
        # Of each view: deviations of normal minutes, as they were when the minute came.
        self._normal_deviations = [deque[float](maxlen=MAX_NORMAL_DEVIATIONS) for _ in self._views]
        self._long_readings: list[Reading] = []
        self._readings: list[Reading] = []
        self._monitored_minutes = 1 + self.sound.n_learned
        self._accepted: list[tuple[int, int]] = []  # (monitored minutes, how many were accepted)
        self._elevated_since: list[float | None] = [None] * len(self._views)
        self._calibration_score = calibration_score(detector)
        # How much learned sound raises the threshold of single windows.
        self.threshold_rise = self._threshold_rise()

    @property
    def learns(self) -> bool:
        """Whether normal sound is learned."""
        return self._learns

    @property
    def monitored_minutes(self) -> int:
        """The minutes of sound that were ever monitored; the calibration counts as one at least."""
        return self._monitored_minutes

    @property
    def n_views(self) -> int:
        """The number of views, each with a chart at each scale."""
        return len(self._views)

    @property
    def active_minutes(self) -> tuple[int, ...]:
        """The scales that can raise an alarm, as soon as so much sound is pooled."""
        return tuple(scale for scale in SCALES_MINUTES if self._is_active(scale))

    @property
    def judged_minutes(self) -> tuple[int, ...]:
        """The scales that can raise an alarm now."""
        return tuple(scale for scale in SCALES_MINUTES if self.minutes_until_judged(scale) == 0)

    def minutes_until_judged(self, scale: int) -> int:
        """After how many minutes of normal sound a scale, minutes, can raise an alarm; 0: it can.

        About: it is supposed that each of these minutes is learned.
        """
        if scale == 1:
            return 0
        n_unpooled = max(0, scale - len(self._recent))
        missing = self._n_normal_needed(scale) - self._n_normal(scale)
        if missing <= 0:
            return n_unpooled
        # A minute counts when it was learned and has left the pool of this scale.
        pooled = list(self._recent)[-scale:]
        pending = len(pooled) - CALM_MINUTES_AFTER
        for n_left, minute in enumerate(pooled, 1):
            missing -= minute.learned or n_left > pending
            if missing == 0:
                return n_unpooled + n_left
        return n_unpooled + len(pooled) + missing

    def push(
        self, window: Window, *, learnable: bool = True, in_alarm: bool = False
    ) -> list[Reading]:
        """Add a window; returns the state of each active chart.

        in_alarm: True while an alarm is on: nothing is learned around it.
        learnable: False for sound that must not be learned, because the
            microphone does not work as it should.
        """
        self._last_t = window.end
        if not self._pool.push(window):
            return self._readings
        self._n_unlearnable += not learnable
        self._in_alarm = self._in_alarm or in_alarm
        if not self._pool.is_full:
            return []
        pooled = self._pool.pooled()
        minute_readings = self._read_minute(pooled, window.end)
        if self._pool.is_complete:
            self._complete_minute(pooled.vector, minute_readings, window.end)
        self._readings = minute_readings + self._long_readings
        return self._readings

    def minutes(self, windows: Iterable[Window]) -> list[Float64]:
        """The whole minutes of one recording: their mean features (n_features,) each.

        Nothing is learned, and the sound before is forgotten as by `reset`.
        """
        self.reset()
        minutes = [
            self._pool.pooled().vector * self._std
            for window in windows
            if self._pool.push(window) and self._pool.is_complete
        ]
        self.reset()
        return minutes

    def reset(self) -> None:
        """Continue after a gap or sound that is not judged: no minute contains both sides of it."""
        self._pool.reset()
        self._n_unlearnable = 0
        self._in_alarm = False
        self._present_is_learned = False
        self._accepted_windows = 0
        self._readings = []
        self._elevated_since = [None] * len(self._views)

    def accept(self) -> int:
        """Learn the minutes of the last hour that were not learned; returns how many.

        For sound that a person has called normal; at most MAX_ACCEPTED_MINUTES in a day of sound,
        the last ones.
        """
        day_start = self._monitored_minutes - ACCEPTED_PERIOD_MINUTES
        self._accepted = [(at, n) for at, n in self._accepted if at > day_start]
        n_allowed = MAX_ACCEPTED_MINUTES - sum(n for _, n in self._accepted)
        candidates = [minute for minute in self._recent if not minute.learned]
        last = self._last_minute() if n_allowed else None
        if last:
            # They stand for the minute that most of them belong to.
            n_replaced = int(self._is_of_previous() and bool(candidates))
            candidates = [*candidates[: len(candidates) - n_replaced], last]
        accepted = candidates[max(0, len(candidates) - n_allowed) :]
        if not accepted:
            return 0
        for minute in accepted:
            self._count(minute)
            minute.learned = True
            self.sound.learn(minute.vector)
        if last:
            self._accept_last()
        self._accepted.append((self._monitored_minutes, len(accepted)))
        self._fit()
        self._readings = []
        self._long_readings = []
        return len(accepted)

    def _last_minute(self) -> _Minute | None:
        """The last 60 seconds; None if they are a complete minute, or most of them was learned."""
        is_new = self._pool.n_added - self._accepted_windows >= self._pool.n_windows
        if self._is_of_previous() and self._recent:
            is_new = is_new and not self._recent[-1].learned
        if not self._pool.is_full or not self._pool.n_present or not is_new:
            return None
        pooled = self._pool.pooled()
        readings = self._read_minute(pooled, self._last_t)
        deviations = np.array([reading.deviation for reading in readings])
        return _Minute(pooled.vector, deviations, learnable=True, in_alarm=False)

    def _is_of_previous(self) -> bool:
        """Whether most of the last 60 seconds belong to the last complete minute."""
        return 2 * self._pool.n_present <= self._pool.n_windows

    def _accept_last(self) -> None:
        """The last 60 seconds were learned: the minute that most of them belong to is not again."""
        self._accepted_windows = self._pool.n_added
        if not self._is_of_previous():
            self._present_is_learned = True
        elif self._recent:
            self._recent[-1].learned = True
            self._recent[-1].counted = True

    def state(self) -> ChartsState:
        """What was learned and pooled so far."""
        n_views = len(self._views)
        recent = list(self._recent)
        return ChartsState(
            minutes=np.reshape(self.sound.minutes, (-1, len(self._std))),
            n_learned=self.sound.n_learned,
            monitored_minutes=self._monitored_minutes,
            accepted=list(self._accepted),
            recent=np.reshape([minute.vector for minute in recent], (-1, len(self._std))),
            deviations=np.reshape([minute.deviations for minute in recent], (-1, n_views)),
            learnable=[minute.learnable for minute in recent],
            in_alarm=[minute.in_alarm for minute in recent],
            learned=[minute.learned for minute in recent],
            counted=[minute.counted for minute in recent],
            normal_deviations=np.reshape(self._normal_deviations, (n_views, -1)).T,
            long_values=[list(values) for values in self._long_values.values()],
        )

    def restore(self, state: ChartsState) -> None:
        """Continue from the state of charts of the same machine; ValueError if it does not fit."""
        if len(state.long_values) != len(self._long_values) or len(state.minutes) > MAX_MINUTES:
            raise ValueError("a state of charts with other scales")
        self.reset()
        self.sound.restore(list(state.minutes), state.n_learned)
        self._monitored_minutes = state.monitored_minutes
        self._accepted = list(state.accepted)
        for of_view, deviations in zip(
            self._normal_deviations, state.normal_deviations.T, strict=True
        ):
            of_view.clear()
            of_view.extend(deviations.tolist())
        for own, values in zip(self._long_values.values(), state.long_values, strict=True):
            own.clear()
            own.extend(values)
        minutes = zip(
            state.recent,
            state.deviations,
            state.learnable,
            state.in_alarm,
            state.learned,
            state.counted,
            strict=True,
        )
        self._recent.clear()
        self._recent.extend(_Minute(*minute) for minute in minutes)
        in_memory = {minute.tobytes(): minute for minute in self.sound.minutes}
        for recent in self._recent:
            if recent.learned:
                recent.vector = in_memory.get(recent.vector.tobytes(), recent.vector)
        self._long_readings = []
        self._fit()

    def detects(self, shift: Float64, seconds: float) -> bool:
        """Whether a change is expected to raise an alarm within ``seconds`` after its onset.

        shift: (n_features,) of the mean features of this machine.
        """
        scaled = shift / self._std
        for i, (view, chart) in enumerate(zip(self._views, self._charts, strict=True)):
            square = mean_square(chart.project(scaled[view.features]))
            for scale in SCALES_MINUTES:
                if scale * MINUTE_SECONDS > seconds:
                    continue
                in_control = self._in_control(i, scale)
                chance = chart.chance(scale)
                expected = np.log(square + np.exp(in_control.mean + chance)) - chance
                if in_control.deviation(expected) > self._limit(scale, in_control):
                    return True
        return False

    def _read_minute(self, pooled: PooledMinute, t: float) -> list[Reading]:
        features = pooled.vector * self._std
        readings: list[Reading] = []
        for i, chart in enumerate(self._charts):
            deviation = chart.minute.deviation(chart.minute_distance(pooled.projected[i]))
            since = self._onset(i, deviation, t)
            limit = self._limit(1, chart.minute)
            readings.append(Reading(chart.view.name, 1, deviation, limit, features, since))
        return readings

    def _onset(self, view: int, deviation: float, t: float) -> float:
        """When the deviation of a view began, as far as its minutes show it."""
        if deviation < MAX_CALM_DEVIATION:
            self._elevated_since[view] = None
            return t
        if self._elevated_since[view] is None:
            self._elevated_since[view] = max(0.0, t - self._pool.lag_seconds)
        return self._elevated_since[view] or 0.0

    def _complete_minute(self, pooled: Float64, readings: Sequence[Reading], t: float) -> None:
        deviations = np.array([reading.deviation for reading in readings])
        learnable = self._n_unlearnable <= MAX_UNLEARNABLE_SHARE * self._pool.n_windows
        minute = _Minute(pooled, deviations, learnable, self._in_alarm)
        minute.learned = minute.counted = self._present_is_learned
        self._recent.append(minute)
        self._n_unlearnable = 0
        self._in_alarm = False
        self._present_is_learned = False
        self._monitored_minutes += 1
        self._long_readings = [
            reading
            for scale in SCALES_MINUTES[1:]
            for i in range(len(self._views))
            if (reading := self._read_long(i, scale, t)) is not None
        ]
        self._learn_calm_minute()

    def _read_long(self, view: int, scale: int, t: float) -> Reading | None:
        """The chart of a longer scale; None while it is not active."""
        if len(self._recent) < scale:
            return None
        chart = self._charts[view]
        minutes = list(self._recent)[-scale:]
        pooled = np.mean([minute.vector for minute in minutes], axis=0)
        removed = np.array([minute.vector for minute in minutes if minute.fitted])
        removed = removed[:, chart.view.features] if len(removed) else removed
        distance = chart.distance(pooled[chart.view.features], scale, removed)
        in_control = self._in_control(view, scale)
        deviation = in_control.deviation(distance)
        is_new = self._monitored_minutes % scale == 0  # shares no minute with the value before
        if self._learns and is_new and deviation < self._limit(scale, in_control):
            self._long_values[view, scale].append(distance)
        if not self._is_active(scale):
            return None
        since = self._elevated_since[view]
        onset = t - scale * MINUTE_SECONDS if since is None else since
        return Reading(
            chart.view.name,
            scale,
            deviation,
            self._limit(scale, in_control),
            pooled * self._std,
            max(0.0, onset),
        )

    def _in_control(self, view: int, scale: int) -> InControl:
        minute = self._charts[view].minute
        if scale == 1:
            return minute
        prior = InControl(
            mean=minute.mean,
            mean_weight=min(minute.mean_weight, MAX_MEAN_WEIGHT),
            spread=LONG_SPREAD_RATIO * minute.spread,
            degrees=min(minute.degrees, MAX_LONG_DEGREES),
        )
        return prior.updated(np.array(self._long_values[view, scale]))

    def _is_active(self, scale: int) -> bool:
        return scale == 1 or self._n_normal(scale) >= self._n_normal_needed(scale)

    def _n_normal(self, scale: int) -> int:
        """The number of normal minutes that a scale is compared with, the calibration's one."""
        n_in_pool = sum(minute.learned for minute in list(self._recent)[-scale:])
        return 1 + self.sound.n_learned - n_in_pool

    def _n_normal_needed(self, scale: int) -> int:
        return scale * (1 if scale <= MAX_READY_MINUTES else ARMING_SCALES)

    def _limit(self, scale: int, in_control: InControl) -> float:
        """The deviation that normal sound exceeds as often as the budget allows this chart."""
        n_charts = len(self._views) * len(SCALES_MINUTES)
        looks = scale * self._windows_per_minute  # of windows, that one of this chart stands for
        share = self._probability_per_window * looks / (n_charts * LOOKS_PER_SCALE)
        probability = min(MAX_PROBABILITY, share)
        return in_control.limit(probability)

    def _learn_calm_minute(self) -> None:
        """Learn the minute before the last ones, if those around it were calm."""
        if not self._learns:
            return
        n_around = CALM_MINUTES_BEFORE + 1 + CALM_MINUTES_AFTER
        around = list(self._recent)[-n_around:]
        if len(around) <= CALM_MINUTES_AFTER:
            return
        candidate = around[-1 - CALM_MINUTES_AFTER]
        if candidate.learned or not candidate.learnable:
            return
        self._minutes_without_alarm += 1
        if any(minute.in_alarm for minute in around):
            self._minutes_without_alarm = 0
            return
        self._count(candidate)
        self._fit_tails()
        if not self._are_calm(around) and self._minutes_without_alarm < PATIENCE_MINUTES:
            return
        self._minutes_without_alarm = 0
        candidate.learned = True
        self.sound.learn(candidate.vector)
        if self.sound.n_learned >= max(
            self._fitted_minutes + 1, int(REFIT_GROWTH * self._fitted_minutes)
        ):
            self._fit()

    def _count(self, minute: _Minute) -> None:
        """Add a minute to those that show how far normal ones deviate."""
        if minute.counted or self.sound.n_learned < MIN_TAIL_VALUES:
            return
        minute.counted = True
        for values, deviation in zip(self._normal_deviations, minute.deviations, strict=True):
            values.append(float(deviation))

    def _fit_tails(self) -> None:
        for chart, values in zip(self._charts, self._normal_deviations, strict=True):
            if len(values) >= MIN_NORMAL_DEVIATIONS:
                chart.minute = replace(chart.minute, tail=Tail.of(np.array(values)))

    def _are_calm(self, minutes: Sequence[_Minute]) -> bool:
        """Whether none of these minutes, nor any longer scale, shows a beginning of an alarm."""
        deviations = np.mean([minute.deviations for minute in minutes], axis=0)
        if self.sound.n_learned < N_START_MINUTES:
            limits = [
                MAX_FLEET_START_RATIO * self._limit(1, chart.minute)
                if self._is_of_fleet
                else MAX_START_DEVIATION
                for chart in self._charts
            ]
            return bool((deviations <= limits).all())
        long_are_calm = all(reading.ratio <= MAX_CALM_RATIO for reading in self._long_readings)
        return long_are_calm and bool((deviations <= MAX_CALM_DEVIATION).all())

    def _fit(self) -> None:
        self._fitted_minutes = self.sound.n_learned
        for chart in self._charts:
            chart.fit(self.sound)
        self._pool.refit()
        pairs = [
            (first.vector, second.vector)
            for first, second in pairwise(self._recent)
            if first.learned and second.learned
        ]
        for chart in self._charts:
            chart.fit_slow_share(pairs)
        self._fit_tails()
        self.threshold_rise = self._threshold_rise()
        in_memory = {id(minute) for minute in self.sound.minutes}
        for minute in self._recent:
            minute.fitted = id(minute.vector) in in_memory

    def _threshold_rise(self) -> float:
        """How much higher windows score in most of the learned minutes than in the calibration.

        Scores are logarithms of squared distances, and the squared distance of a window is that of
        its minute's mean, on top of what windows differ within a minute.
        """
        if not self.sound.minutes:
            return 0.0
        minutes = self._head.score(np.array(self.sound.minutes) * self._std)
        excess = np.log1p(np.exp(minutes - self._calibration_score))
        by_chance = np.log1p(1 / self._windows_per_minute)
        return max(0.0, quantile(excess, RISE_QUANTILE) - float(by_chance))
