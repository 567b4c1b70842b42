"""The distance of pooled sound from normal sound in one view, and how it varies in control.

Pooled sound is the mean x of the features of some windows. Its distance from the mean m of the
normal sound is compared with what chance explains:

    d = ln((x - m)' C^-1.2 (x - m) / p)  -  ln(v / n_minute + 1/n_m + SLOW_SHARE)
    v = (1 - s) / minutes + s

with the covariance C of windows, which background noise widens too (`Fleet.covariance`), n_minute
windows in a minute and n_m behind m. s is the share of a minute's variance that the next minute
repeats: load and weather change slowly, and their part does not average out. Where it is estimated
well, d has the same distribution however long the sound was pooled. SLOW_SHARE is what no minute
shows.

The chart is self-starting (Hawkins and Maboudou-Tchao, "Self-starting multivariate exponentially
weighted moving average control charting", Technometrics 49, 2007; Sullivan and Jones, Technometrics
44, 2002): normal sound is learned while the machine is monitored, and each value of d is judged by
those of earlier normal sound. Mean and spread of d in control begin with what is known of other
machines, and come from the machine's own minutes by cross-validation as soon as there are any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..scoring.fleet import MIN_VARIANCE, Fleet, own_weight, whitening
from ..scoring.views import View
from ..system.arrays import Float64
from .control_limits import t_quantile
from .normal_sound import NormalSound

SLOW_SHARE = 0.005  # of the variance of windows, that pooling does not reduce
N_FOLDS = 5
MIN_TAIL_VALUES = 30  # of distances, from which their tail is known
TAIL_SHARE = 0.1  # of the distances, that the tail is fitted to ...
MAX_TAIL_VALUES = 30  # ... and how many of them at most
PRIOR_PAIRS = 3  # of minutes without a slow share, that the estimate of it begins with
MIN_MINUTES = 3  # for a cross-validation


@dataclass(frozen=True)
class Tail:
    """An exponential tail: what a machine does that varies more than a normal distribution.

    It is the generalised Pareto distribution with shape 0 (Pickands, Annals of Statistics 3, 1975).
    """

    start: float  # standard deviations
    scale: float  # standard deviations, mean excess over the start
    share: float  # of the deviations, that exceed the start

    @classmethod
    def of(cls, deviations: Float64) -> Self:
        """The tail of the highest tenth of these deviations (n,), at most MAX_TAIL_VALUES."""
        n = len(deviations)
        n_tail = min(max(2, round(TAIL_SHARE * n)), MAX_TAIL_VALUES)
        ascending = np.sort(deviations)
        start = float(ascending[-n_tail - 1])
        return cls(start, float(ascending[-n_tail:].mean()) - start, n_tail / n)

    def quantile(self, probability: float) -> float:
        """The deviation that is exceeded with ``probability``."""
        return self.start + self.scale * max(0.0, math.log(self.share / probability))


@dataclass(frozen=True)
class InControl:
    """How a distance varies in normal sound."""

    mean: float
    mean_weight: float  # number of values that the mean is worth
    spread: float  # standard deviation
    degrees: float  # of freedom, of the spread
    tail: Tail | None = None  # of the deviations, where enough of them are known

    def limit(self, probability: float) -> float:
        """The deviation that normal sound exceeds with ``probability``."""
        limit = t_quantile(probability, self.degrees)
        return limit if self.tail is None else max(limit, self.tail.quantile(probability))

    def deviation(self, distance: float) -> float:
        """``distance`` in standard deviations of the next value; it follows Student's t."""
        predictive = self.spread * math.sqrt(1 + 1 / self.mean_weight)
        return (distance - self.mean) / predictive

    def updated(self, values: Float64) -> "InControl":
        """With the distances (n,) of normal sound."""
        n = len(values)
        if n == 0:
            return self
        weight = self.mean_weight + n
        mean = (self.mean_weight * self.mean + values.sum()) / weight
        squares = self.degrees * self.spread**2 + np.square(values - values.mean()).sum()
        degrees = self.degrees + n - 1
        spread = float(np.sqrt(squares / degrees))
        tail = Tail.of((values - mean) / spread) if n >= MIN_TAIL_VALUES else None
        return InControl(float(mean), weight, spread, degrees, tail)


@dataclass(frozen=True)
class ChartPrior:
    """What is known of the distances of a view before the machine was monitored."""

    offset: float = -0.1  # mean of a minute's less mean of the calibration windows'
    spread: float = 0.35  # of a minute's
    degrees: float = 20.0  # of freedom, of the spread
    mean_weight: float = 0.5  # number of minutes that the calibration windows are worth


def mean_square(projected: Float64) -> float:
    """The squared distance from the mean, of a projected deviation (n,)."""
    return float(projected @ projected) / len(projected) + MIN_VARIANCE


class ViewChart:
    """One view of the charts of one machine."""

    def __init__(
        self,
        fleet: Fleet,
        view: View,
        prior: ChartPrior,
        windows_per_minute: float,
        sound: NormalSound,
    ) -> None:
        """sound: the calibration of the machine, with or without learned minutes."""
        self.view = view
        self._prior = prior
        self.slow_share = 0.0  # of a minute's variance, that the next minute repeats
        self._windows_per_minute = windows_per_minute
        self._fleet = fleet
        self._start = self._prior_in_control(sound)
        self.fit(sound)

    def fit(self, sound: NormalSound) -> None:
        """Take mean, covariance and variation in control from this normal sound."""
        self.mean, self.n_windows = self._mean(sound)
        self._factor = self._whitening(sound, self.mean)
        self.minute = self._start.updated(self.minute_distances(sound))

    def project(self, deviations: Float64) -> Float64:
        """Deviations (..., n) from the mean -> the same in whitened directions (..., n)."""
        return deviations @ self._factor

    def distance(self, pooled: Float64, minutes: float, removed: Float64) -> float:
        """d of pooled sound.

        pooled: (n,) the mean features of the sound, of this view.
        minutes: its duration.
        removed: (n_minutes, n) those of its minutes that the mean was fitted on.
        """
        mean = self.mean
        n_windows = self.n_windows
        if len(removed):
            weight = self._windows_per_minute * len(removed)
            mean = (n_windows * mean - weight * removed.mean(axis=0)) / (n_windows - weight)
            n_windows -= weight
        square = mean_square(self.project(pooled - mean))
        return math.log(square) - self.chance(minutes, n_windows)

    def squares(self, deviations: Float64) -> Float64:
        """Deviations (..., n) from the mean -> their squared distances (...)."""
        return np.asarray(np.square(self.project(deviations)).mean(axis=-1) + MIN_VARIANCE)

    def minute_distance(self, projected: Float64) -> float:
        """d of a minute whose deviation (n,) from the mean is projected already."""
        return math.log(mean_square(projected)) - self.chance(1.0)

    def chance(self, minutes: float, n_windows: float | None = None) -> float:
        """The second term of d, for sound of this duration."""
        behind_mean = n_windows or self.n_windows
        of_minute = (1 - self.slow_share) / minutes + self.slow_share
        return math.log(of_minute / self._windows_per_minute + 1 / behind_mean + SLOW_SHARE)

    def fit_slow_share(self, pairs: Sequence[tuple[Float64, Float64]]) -> None:
        """Estimate which share of a minute's variance the next minute repeats.

        That share does not average out over a longer scale. It is the autocorrelation of the
        deviations at a lag of one minute, in whitened directions.

        pairs: (n_features,) of normal minutes, each with the one that followed.
        """
        if not pairs:
            self.slow_share = 0.0
            return
        products = 0.0
        squares = 0.0
        for pair in pairs:
            projected = self.project(np.stack(pair)[:, self.view.features] - self.mean)
            products += float(projected[0] @ projected[1])
            squares += float(np.square(projected).sum()) / 2
        credible = len(pairs) / (len(pairs) + PRIOR_PAIRS)
        self.slow_share = max(0.0, credible * products / squares)

    def _mean(self, sound: NormalSound) -> tuple[Float64, float]:
        """(n,) the mean of normal sound, and the number of windows behind it."""
        n_minutes = len(sound.minutes)
        total = sound.n_windows * sound.windows_mean[self.view.features]
        weight = self._windows_per_minute * n_minutes
        if n_minutes:
            total = total + weight * self._minutes(sound).mean(axis=0)
        return total / (sound.n_windows + weight), sound.n_windows + weight

    def _minutes(self, sound: NormalSound) -> Float64:
        return np.array(sound.minutes)[:, self.view.features]

    def _whitening(self, sound: NormalSound, mean: Float64) -> Float64:
        """(n, n) projects deviations so that their mean square is the squared distance."""
        own = sound.windows[:, self.view.features] - mean
        if sound.minutes:
            # The deviation of a minute has the variance of a window divided by its windows.
            minutes = np.sqrt(self._windows_per_minute) * (self._minutes(sound) - mean)
            own = np.concatenate([own, minutes])
        n = len(own)
        own_covariance = own.T @ own / max(n - 1, 1)
        covariance = self._fleet.covariance(
            self.view.features, own_covariance, own_weight(n), with_noise=True
        )
        return whitening(covariance)

    def _prior_in_control(self, sound: NormalSound) -> InControl:
        """From the calibration windows, each against the others."""
        windows = sound.windows
        distances: list[float] = []
        for fold in np.array_split(np.arange(len(windows)), min(2 * N_FOLDS, len(windows))):
            others = np.delete(windows, fold, axis=0)
            if not len(others):
                continue
            rest = NormalSound(others, len(others), others.mean(axis=0))
            mean = rest.windows_mean[self.view.features]
            factor = self._whitening(rest, mean)
            for window in windows[fold][:, self.view.features]:
                square = np.square((window - mean) @ factor).mean()
                distances.append(np.log(square) - np.log(1 + 1 / len(others) + SLOW_SHARE))
        centre = float(np.mean(distances)) if distances else 0.0
        prior = self._prior
        return InControl(centre + prior.offset, prior.mean_weight, prior.spread, prior.degrees)

    def minute_distances(self, sound: NormalSound) -> Float64:
        """(n_minutes,) d of each learned minute, judged by the others; empty for too few."""
        n_minutes = len(sound.minutes)
        distances: list[float] = []
        if n_minutes < MIN_MINUTES:
            return np.array(distances)
        minutes = self._minutes(sound)
        for fold in np.array_split(np.arange(n_minutes), min(N_FOLDS, n_minutes)):
            rest = sound.without(fold.tolist())
            mean, n_windows = self._mean(rest)
            factor = self._whitening(rest, mean)
            squares = np.square((minutes[fold] - mean) @ factor).mean(axis=1)
            distances.extend(np.log(squares) - self.chance(1.0, n_windows))
        return np.array(distances)
