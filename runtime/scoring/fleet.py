"""The statistics of the training machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..system.arrays import Float64
from .views import RESIDUAL, View, sources_of, views_of
from .window_features import n_mels_of

EXPONENT = 1.2  # > 1: directions of small variance carry the faults
MAX_OWN_WEIGHT = 0.2  # of a machine's own covariance
HALF_WEIGHT_WINDOWS = 100  # of a machine, at which its own covariance would weigh one half
MIN_VARIANCE = 1e-9  # of a direction of the covariance
# Standard deviation of a feature, at least. Every real sound has more, except in a band that no
# recording reaches.
MIN_WITHIN_STD = 0.03
# Standard deviation that rounding adds to a feature, at most, in deviations within a machine.
MAX_ROUNDING_STD = 1.0
# Directions that a change of gain has in the features, at most. The network makes several of one
# gain, and int8 turns the weaker ones.
MAX_GAIN_DIRECTIONS = 8
# Directions that background noise has, at most. With 8, false alarms in noise are twice as many.
MAX_NOISE_DIRECTIONS = 16
# Directions weaker than this share of the strongest are not taken for a gain in a domain shift.
MIN_GAIN_STRENGTH = 0.2
# Share of the shrinkage that is best for the error of the covariance. The directions in which the
# fleet hardly varies carry the faults, so they must not be widened by more.
SHRINKAGE = 0.25


def oas_shrinkage(correlation: Float64, n: int) -> float:
    """Share of the identity to blend into a covariance from ``n`` samples.

    Oracle approximating shrinkage: Chen, Wiesel, Eldar and Hero, "Shrinkage algorithms for MMSE
    covariance estimation", IEEE Trans. Signal Processing 58, 2010, equation 23.
    """
    p = len(correlation)
    square = float(np.sum(correlation**2))
    trace = float(np.trace(correlation))
    numerator = (1 - 2 / p) * square + trace**2
    denominator = (n + 1 - 2 / p) * (square - trace**2 / p)
    return 1.0 if denominator <= numerator else numerator / denominator


def own_weight(windows: int) -> float:
    """Weight of a machine's own covariance against the fleet's, from so many of its windows."""
    return min(windows / (windows + HALF_WEIGHT_WINDOWS), MAX_OWN_WEIGHT)


def whitening(covariance: Float64) -> Float64:
    """(n, n) projects deviations so that their mean square is the distance, C^-EXPONENT."""
    variances, directions = np.linalg.eigh(covariance)
    return np.asarray(directions * np.maximum(variances, MIN_VARIANCE) ** (-EXPONENT / 2))


@dataclass(frozen=True)
class Fleet:
    """How windows vary within the machines of the training set.

    mean: (n_features,) of all machines.
    within_std: (n_features,) standard deviation of each feature within a machine.
    gain_directions: (n_directions, n_features) G, where changes of the microphone's gain add G'G to
        the covariance.
    noise_directions: (n_directions, n_features) N, where background noise adds N'N to the
        covariance that a score is based on.
    within_correlation: (n, n) of the features of each source (`edgeae.runtime.scoring.views`)
        within a machine, with what rounding in an int8 network adds.
    windows: number of windows behind the correlations, minus one for the mean of each machine.
    views: the groups of features that are scored apart.
    """

    mean: Float64
    within_std: Float64
    gain_directions: Float64
    noise_directions: Float64
    within_correlation: tuple[Float64, ...]
    windows: int
    views: tuple[View, ...]

    @classmethod
    def fit(
        cls,
        machines: Sequence[Float64],
        gain: Float64,
        views: tuple[View, ...] | None = None,
        noise: Float64 | None = None,
        rounding: Float64 | None = None,
    ) -> Self:
        """The statistics of these machines; every machine has the same weight.

        machines: features (n_windows, n_features) of each training machine.
        gain: (n, n_features) changes of the features by a change of gain, n examples.
        views: by default those of a network without an identity embedding.
        noise: (n, n_features) changes of the features by background noise, by default none.
        rounding: (n, n_features) changes R of the features by rounding in an int8 network, where
            R'R is their covariance; by default none.

        Raises ValueError if no machine has two windows.
        """
        centred = [windows - windows.mean(axis=0) for windows in machines if len(windows) > 1]
        if not centred:
            raise ValueError("no machine has two windows")
        variance = np.mean([windows.var(axis=0, ddof=1) for windows in centred], axis=0)
        within_std = np.maximum(np.sqrt(variance), MIN_WITHIN_STD)
        views = views or views_of(n_mels_of(len(within_std)))
        if noise is None:
            noise = np.empty((0, len(within_std)))
        return cls(
            mean=np.mean([windows.mean(axis=0) for windows in machines], axis=0),
            within_std=within_std,
            gain_directions=strongest_directions(gain, within_std, MAX_GAIN_DIRECTIONS),
            noise_directions=strongest_directions(noise, within_std, MAX_NOISE_DIRECTIONS),
            within_correlation=_within_correlation(
                centred, within_std, sources_of(views), rounding
            ),
            windows=sum(len(windows) - 1 for windows in centred),
            views=views,
        )

    @cached_property
    def sources(self) -> dict[str, slice]:
        """Where the features of each source are in the feature vector of a window."""
        return sources_of(self.views)

    def correlation_of(self, features: slice) -> Float64:
        """(n, n) of these features, which are of one source, in a machine."""
        for source, correlation in zip(self.sources.values(), self.within_correlation, strict=True):
            if source.start <= features.start and features.stop <= source.stop:
                inside = slice(features.start - source.start, features.stop - source.start)
                return np.asarray(correlation[inside, inside])
        raise ValueError(f"the features {features} are not of one source")

    def covariance(
        self, features: slice, own: Float64, own_weight: float, *, with_noise: bool = False
    ) -> Float64:
        """(n, n) of these features in normal sound of a machine, in deviations of the fleet.

        features: of one source.
        own: (n, n) covariance of the machine itself.
        own_weight: its weight against that of the fleet, 0 to 1.
        with_noise: whether background noise is added, as for scores and charts.
        """
        fleet = self.correlation_of(features)
        blend = (1 - own_weight) * fleet + own_weight * own
        ridge = SHRINKAGE * oas_shrinkage(fleet, self.windows)
        gain = self.gain_directions[:, features] / self.within_std[features]
        covariance = (1 - ridge) * blend + ridge * np.eye(len(blend)) + gain.T @ gain
        if with_noise:
            noise = self.noise_directions[:, features] / self.within_std[features]
            covariance += noise.T @ noise
        return np.asarray(covariance)

    def projection(self, view: View, own: Float64, own_weight: float) -> Float64:
        """(n_source, n_features of the view): deviations of its source -> whitened directions.

        The mean square of the directions is the distance of the view, without what the other views
        of the source explain.

        own: (n_source, n_source) covariance of the machine itself, of the features of the source.
        own_weight: its weight against that of the fleet, 0 to 1.
        """
        source = self.sources[view.source]
        covariance = self.covariance(source, own, own_weight, with_noise=True)
        inside = np.zeros(len(covariance), bool)
        inside[view.features.start - source.start : view.features.stop - source.start] = True
        if inside.all():
            return whitening(covariance)
        of_view = covariance[np.ix_(inside, inside)]
        of_both = covariance[np.ix_(~inside, inside)]
        explained = np.linalg.solve(covariance[np.ix_(~inside, ~inside)], of_both)
        remaining = of_view - of_both.T @ explained
        factor = whitening((remaining + remaining.T) / 2)
        projection = np.empty((len(covariance), len(factor)))
        projection[inside] = factor
        projection[~inside] = -explained @ factor
        return projection

    @property
    def residual_means(self) -> slice:
        """Where the means of the residual are in the feature vector of a window."""
        start = self.sources[RESIDUAL].start
        return slice(start, start + self.views[0].n_features)

    def domain_shift(self, mean: Float64, windows: int) -> float:
        """How far a machine is from those that the network was trained on.

        The mean square, in deviations of the fleet, of the means of the residual, without what a
        gain explains and without what chance explains in a mean of few windows. About 0 for a
        machine of the fleet.

        mean: (n_features,) of the machine.
        windows: number of windows behind the mean.
        """
        bands = self.residual_means
        shift = (mean - self.mean)[bands] / self.within_std[bands]
        gain = self.gain_directions[:, bands] / self.within_std[bands]
        _, strengths, directions = np.linalg.svd(gain, full_matrices=False)
        by_gain = directions[strengths > MIN_GAIN_STRENGTH * strengths.max(initial=0)]
        shift -= by_gain.T @ (by_gain @ shift)
        return max(0.0, float(np.mean(np.square(shift))) - 1 / windows)


def strongest_directions(changes: Float64, within_std: Float64, n_directions: int) -> Float64:
    """(n_directions, n_features) the strongest of ``changes``, scaled by their strength."""
    _, strengths, directions = np.linalg.svd(changes / within_std, full_matrices=False)
    strongest = slice(n_directions)
    return np.asarray(strengths[strongest, None] * directions[strongest] * within_std)


def _within_correlation(
    centred: Sequence[Float64],
    within_std: Float64,
    sources: Mapping[str, slice],
    rounding: Float64 | None,
) -> tuple[Float64, ...]:
    """(n, n) of each source: the mean correlation over the machines, with that of ``rounding``.

    Few windows leave directions in which no machine varies, but rounding does. Such directions
    would count most.
    """
    scaled = [windows / within_std / np.sqrt(len(windows) - 1) for windows in centred]
    if rounding is None:
        rounding = np.empty((0, len(within_std)))
    changes = rounding / within_std
    stds = np.sqrt(np.square(changes).sum(axis=0))
    changes = changes / np.maximum(stds / MAX_ROUNDING_STD, 1)
    correlations: list[Float64] = []
    for source in sources.values():
        of_machines = [windows[:, source].T @ windows[:, source] for windows in scaled]
        of_rounding = changes[:, source].T @ changes[:, source]
        correlations.append(np.mean(of_machines, axis=0) + of_rounding)
    return tuple(correlations)
