"""The statistics of the training machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..system.arrays import Float64
from .window_features import n_mels_of, view_slices

EXPONENT = 1.2  # > 1: directions of small variance carry the faults
MAX_OWN_WEIGHT = 0.2  # of a machine's own covariance
HALF_WEIGHT_WINDOWS = 100  # of a machine, at which its own covariance would weigh one half
MIN_VARIANCE = 1e-9  # of a direction of the covariance
# Standard deviation of a feature, at least. Every real sound has more, except in a band that no
# recording reaches.
MIN_WITHIN_STD = 0.03
# Directions that a change of gain has in the features, at most. The network makes several of one
# gain, and int8 turns the weaker ones.
MAX_GAIN_DIRECTIONS = 8
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
    within_correlation: (2, n, n) of the features of each view within a machine.
    windows: number of windows behind the correlations, minus one for the mean of each machine.
    """

    mean: Float64
    within_std: Float64
    gain_directions: Float64
    within_correlation: Float64
    windows: int

    @classmethod
    def fit(cls, machines: Sequence[Float64], gain: Float64) -> Self:
        """The statistics of these machines; every machine has the same weight.

        machines: features (n_windows, n_features) of each training machine.
        gain: (n, n_features) changes of the features by a change of gain, n examples.

        Raises ValueError if no machine has two windows.
        """
        centred = [windows - windows.mean(axis=0) for windows in machines if len(windows) > 1]
        if not centred:
            raise ValueError("no machine has two windows")
        variance = np.mean([windows.var(axis=0, ddof=1) for windows in centred], axis=0)
        within_std = np.maximum(np.sqrt(variance), MIN_WITHIN_STD)
        return cls(
            mean=np.mean([windows.mean(axis=0) for windows in machines], axis=0),
            within_std=within_std,
            gain_directions=_gain_directions(gain, within_std),
            within_correlation=_within_correlation(centred, within_std),
            windows=sum(len(windows) - 1 for windows in centred),
        )

    def correlation_of(self, features: slice) -> Float64:
        """(n, n) of these features, which are of the input or of the residual, in a machine."""
        for view, correlation in zip(
            view_slices(len(self.mean)), self.within_correlation, strict=True
        ):
            if view.start <= features.start and features.stop <= view.stop:
                inside = slice(features.start - view.start, features.stop - view.start)
                return np.asarray(correlation[inside, inside])
        raise ValueError(f"the features {features} are not of one view")

    def covariance(self, features: slice, own: Float64, own_weight: float) -> Float64:
        """(n, n) of these features in normal sound of a machine, in deviations of the fleet.

        features: of the input or of the residual.
        own: (n, n) covariance of the machine itself.
        own_weight: its weight against that of the fleet, 0 to 1.
        """
        fleet = self.correlation_of(features)
        blend = (1 - own_weight) * fleet + own_weight * own
        ridge = SHRINKAGE * oas_shrinkage(fleet, self.windows)
        gain = self.gain_directions[:, features] / self.within_std[features]
        return np.asarray((1 - ridge) * blend + ridge * np.eye(len(blend)) + gain.T @ gain)

    def domain_shift(self, mean: Float64, windows: int) -> float:
        """How far a machine is from those that the network was trained on.

        The mean square, in deviations of the fleet, of the means of the residual, without what a
        gain explains and without what chance explains in a mean of few windows. About 0 for a
        machine of the fleet.

        mean: (n_features,) of the machine.
        windows: number of windows behind the mean.
        """
        start = view_slices(len(mean))[1].start
        bands = slice(start, start + n_mels_of(len(mean)))  # the means of the residual
        shift = (mean - self.mean)[bands] / self.within_std[bands]
        gain = self.gain_directions[:, bands] / self.within_std[bands]
        _, strengths, directions = np.linalg.svd(gain, full_matrices=False)
        by_gain = directions[strengths > MIN_GAIN_STRENGTH * strengths.max(initial=0)]
        shift -= by_gain.T @ (by_gain @ shift)
        return max(0.0, float(np.mean(np.square(shift))) - 1 / windows)


def _gain_directions(gain: Float64, within_std: Float64) -> Float64:
    """(n_directions, n_features) the strongest directions of ``gain``, scaled by their strength."""
    _, strengths, directions = np.linalg.svd(gain / within_std, full_matrices=False)
    strongest = slice(MAX_GAIN_DIRECTIONS)
    return np.asarray(strengths[strongest, None] * directions[strongest] * within_std)


def _within_correlation(centred: Sequence[Float64], within_std: Float64) -> Float64:
    """(2, n, n) mean correlation of the features of each view over the machines."""
    scaled = [windows / within_std / np.sqrt(len(windows) - 1) for windows in centred]
    views = [[windows[:, view] for windows in scaled] for view in view_slices(len(within_std))]
    return np.array([np.mean([each.T @ each for each in view], axis=0) for view in views])
