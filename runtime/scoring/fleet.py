"""The statistics of the training machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..system.arrays import Float64
from .window_features import n_mels_of, view_slices

LEAST_DEVIATION = (
    0.03  # of a coordinate: real sound has more, a band that no recording reaches has less
)


GAIN_DIRECTIONS = (
    8  # of a change of gain; the network makes more than one of it, and int8 turns the weaker ones
)


SHRINKAGE = (
    0.25  # of what is best for the covariance's error: faults lie where the fleet hardly varies
)


def oas_shrinkage(correlation: Float64, n: int) -> float:
    """Share of the identity to blend into a covariance from ``n`` samples.

    Oracle approximating shrinkage, Chen, Wiesel, Eldar and Hero (2010), equation 23.
    """
    p, square, trace = len(correlation), float(np.sum(correlation**2)), float(np.trace(correlation))
    numerator = (1 - 2 / p) * square + trace**2
    denominator = (n + 1 - 2 / p) * (square - trace**2 / p)
    return 1.0 if denominator <= numerator else numerator / denominator


@dataclass(frozen=True)
class Fleet:
    """How windows vary within machines of this kind."""

    mean: Float64  # (size,) of all machines
    within_std: Float64  # (size,) standard deviation of each coordinate within a machine
    gain_directions: Float64  # (directions, size): gain' gain is what changes of the microphone's gain add to the covariance
    within_correlation: Float64  # (2, n, n) of the features of each view within a machine
    windows: int  # behind the correlations, less one for the mean of each machine

    @classmethod
    def fit(cls, machines: Sequence[Float64], gain: Float64) -> Self:
        """From the features (n_windows, size) of each training machine, each machine weighing the same.

        gain: (n, size) by which the features change where the gain of the microphone does, n examples.
        """
        centred = [windows - windows.mean(axis=0) for windows in machines if len(windows) > 1]
        if not centred:
            raise ValueError("no machine has two windows")
        variance = np.mean([windows.var(axis=0, ddof=1) for windows in centred], axis=0)
        deviation = np.maximum(np.sqrt(variance), LEAST_DEVIATION)
        scaled = [windows / deviation / np.sqrt(len(windows) - 1) for windows in centred]
        views = [[windows[:, view] for windows in scaled] for view in view_slices(len(deviation))]
        correlations = [
            np.mean([windows.T @ windows for windows in view], axis=0) for view in views
        ]
        mean = np.mean([windows.mean(axis=0) for windows in machines], axis=0)
        _, strength, directions = np.linalg.svd(gain / deviation, full_matrices=False)
        few = slice(GAIN_DIRECTIONS)
        strongest = strength[few, None] * directions[few] * deviation
        return cls(
            mean,
            deviation,
            strongest,
            np.array(correlations),
            sum(len(windows) - 1 for windows in centred),
        )

    def domain_shift(self, mean: Float64, windows: int) -> float:
        """How little the network knows a machine, from the mean (size,) of so many of its windows.

        About 0 for a machine of the fleet; the chance of a mean of few windows is taken off.
        """
        first = view_slices(len(mean))[1].start
        bands = slice(first, first + n_mels_of(len(mean)))  # the means of the residual
        away = (mean - self.mean)[bands] / self.within_std[bands]
        _, strength, directions = np.linalg.svd(
            self.gain_directions[:, bands] / self.within_std[bands], full_matrices=False
        )
        by_gain = directions[strength > 0.2 * strength.max(initial=0)]
        away -= by_gain.T @ (by_gain @ away)
        return max(0.0, float(np.mean(np.square(away))) - 1 / windows)
