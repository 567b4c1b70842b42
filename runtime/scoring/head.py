"""From the log-mel input and the residual of a window to one anomaly score.

A window is described by its features, pooled over all of its patches, the same for two views of
it, the log-mel input and the residual of the network, both in standard deviations of the training
sound:

    energy   ln of the mean squared residual                         1
    mean     mean over time                                          n_mels        }
    spread   ln of the standard deviation over time                  n_mels / 4    } of each view
    change   ln of the root mean square of x[t+1] - x[t]             n_mels / 4    }

Spread and change are smoothed over the bands: the first quarter of their cosine coefficients is
kept. Mean, spread and change find different faults: a new tone, a rattle, an impulse. All of it
follows from three sums over the time of each patch, which the network itself gives
(`edgeae.runtime.model.network`); no frame has to be kept.

A view's distance is (f - mean)' C^-1.2 (f - mean) / n, with C^-1.2 by eigenvalues. The heads:

    gaussian    ln distance of both views, the residual's weighing as much as the network knows the machine
    no_network  ln distance of the input alone: the baseline that the network has to beat
    mse         the energy, as in the DCASE baselines and MLPerf Tiny

A machine's mean is learned in a minute; a covariance is not. C is therefore the correlation of the
**fleet** (how windows vary within the machines of the training set), to which the machine's own
covariance is added as far as its few windows can be trusted. A change of the microphone's gain is no
fault: what it does to the features of healthy sound, heard through the network, is added to C, too.

The residual of a machine that the network was trained on tells more than the input, that of a
stranger less. How strange a machine is shows without hearing a fault: it is the mean square, in
deviations of the fleet, of what the network leaves of its mean sound, but for what a gain would do.
The residual's weight against the input's is exp(-domain_shift). All scores are natural logarithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from ..errors import ArtifactError
from ..model.sections import FleetSection, HeadSection
from ..system.arrays import Float64
from .fleet import SHRINKAGE, Fleet, oas_shrinkage
from .heads import KINDS_OF_HEAD, Kind, KindOfHead
from .window_features import view_slices

EXPONENT = 1.2  # > 1: directions of small variance carry the faults
OWN_WEIGHT = 0.2  # the most that a machine's own covariance counts
LARGEST = 1e6  # of a number in an artifact's head; with those of healthy sound all stay below 100


@dataclass(frozen=True)
class Head:
    """A fitted score. ``mean`` and ``machine_factor`` are the machine's, ``fleet`` the training set's."""

    fleet: Fleet
    mean: Float64  # (size,)
    machine_factor: (
        Float64  # (rows, size) in fleet deviations; own' own is the machine's covariance
    )
    machine_weight: float
    windows: int  # that the mean is made of
    kind: Kind = "gaussian"
    _factors: list[Float64] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def calibrated(cls, fleet: Fleet, windows: Float64, kind: Kind = "gaussian") -> Self:
        """The head of one machine from the features (n, size) of its normal windows."""
        n, mean = len(windows), windows.mean(axis=0)
        own = np.empty((0, len(mean)))
        if n > 1:  # R of the QR decomposition holds the covariance in at most `size` rows
            own = np.linalg.qr((windows - mean) / fleet.within_std, mode="r") / np.sqrt(n - 1)
        weight = min(n / (n + 100), OWN_WEIGHT) if n > 1 else 0.0
        return cls(fleet, mean, own, weight, n, kind)

    def extended(self, windows: Float64) -> Self:
        """The head of the same machine, calibrated on these windows (n, size), too.

        Mean and covariance are those of all windows at once: scatter matrices add up, and the step
        between the two means is one more row (Chan, Golub and LeVeque 1983).
        """
        old, new = self.windows, len(windows)
        mean, n = windows.mean(axis=0), old + new
        within = [self.machine_factor * np.sqrt(old - 1), (windows - mean) / self.fleet.within_std]
        step = np.sqrt(old * new / n) * (mean - self.mean) / self.fleet.within_std
        own = np.linalg.qr(np.vstack([*within, step]), mode="r") / np.sqrt(n - 1)
        total = self.mean + (mean - self.mean) * new / n
        return replace(
            self,
            mean=total,
            machine_factor=own,
            machine_weight=min(n / (n + 100), OWN_WEIGHT),
            windows=n,
        )

    @classmethod
    def of_fleet(cls, fleet: Fleet, machines: Sequence[Float64], kind: Kind = "gaussian") -> Self:
        """The head before calibration: any machine of the training set is normal."""
        means = np.array([windows.mean(axis=0) for windows in machines])
        own = (means - means.mean(axis=0)) / fleet.within_std / np.sqrt(max(1, len(means) - 1))
        return cls(
            fleet,
            means.mean(axis=0),
            own,
            0.5 if len(means) > 1 else 0.0,
            sum(map(len, machines)),
            kind,
        )

    def with_kind(self, kind: Kind) -> Self:
        """The same statistics with another kind of score."""
        return replace(self, kind=kind)

    @property
    def method(self) -> KindOfHead:
        """How the score is computed, and what this kind of head is able to do."""
        return KINDS_OF_HEAD[self.kind]

    @property
    def domain_shift(self) -> float:
        """How far the machine is from those of the training, see `Fleet.domain_shift`."""
        return self.fleet.domain_shift(self.mean, max(1, self.windows))

    def _factor(self, view: int) -> Float64:
        """(n, n): projects a view's deviations from the mean so that their mean square is the distance."""
        if not self._factors:
            self._factors.extend(self._factorise(k) for k in range(2))
        return self._factors[view]

    def covariance(self, view: int) -> Float64:
        """(n, n): how the features of a view vary while nothing is wrong, in deviations of the fleet."""
        used = view_slices(len(self.mean))[view]
        fleet, own = self.fleet.within_correlation[view], self.machine_factor[:, used]
        blend = (1 - self.machine_weight) * fleet + self.machine_weight * (own.T @ own)
        ridge = SHRINKAGE * oas_shrinkage(fleet, self.fleet.windows)
        gain = self.fleet.gain_directions[:, used] / self.fleet.within_std[used]
        return np.asarray((1 - ridge) * blend + ridge * np.eye(len(blend)) + gain.T @ gain)

    def _factorise(self, view: int) -> Float64:
        variance, directions = np.linalg.eigh(self.covariance(view))
        factor = directions * np.maximum(variance, 1e-9) ** (-EXPONENT / 2)
        return np.asarray(factor / self.fleet.within_std[view_slices(len(self.mean))[view], None])

    @cached_property
    def weights(self) -> Float64:
        """(n_parts,) of `parts` in the score; they add up to 1."""
        return self.method.weights(self)

    def distances(self, windows: Float64) -> Float64:
        """Features (..., size) -> ln distance (..., 2) of the input and of the residual."""
        deviations = windows - self.mean
        views = enumerate(view_slices(len(self.mean)))
        squares = np.stack(
            [np.square(deviations[..., used] @ self._factor(k)) for k, used in views], axis=-2
        )
        return np.asarray(np.log(np.add.reduce(squares, axis=-1) / squares.shape[-1] + 1e-12))

    def parts(self, windows: Float64) -> Float64:
        """Features (..., size) -> what the score is the weighted mean of, (..., n_parts)."""
        return np.asarray(self.method.parts(self, windows))

    def score(self, windows: Float64) -> Float64:
        """Features (..., size) -> scores (...), natural logarithm."""
        return np.asarray(self.parts(windows) @ self.weights)

    def _checked(self) -> Self:
        """The head; ValueError unless its numbers are such that every window gets a finite score."""
        fleet = self.fleet
        numbers = (
            self.mean,
            self.machine_factor,
            fleet.mean,
            fleet.within_std,
            fleet.gain_directions,
        )
        if (
            any(np.abs(array).max(initial=0) > LARGEST for array in numbers)
            or fleet.within_std.min() < 1 / LARGEST
        ):
            raise ValueError(f"a deviation is not above 0, or a number beyond {LARGEST:g}")
        if np.abs(fleet.within_correlation).max(initial=0) > 2 or not 0 <= self.machine_weight <= 1:
            raise ValueError("a correlation is beyond 2, or a weight beyond 1")
        if not (0 <= self.windows <= 1 << 40 and 1 <= fleet.windows <= 1 << 40):
            raise ValueError(
                f"it is made of {self.windows:g} windows, its fleet of {fleet.windows:g}"
            )
        for view in range(2):
            np.linalg.cholesky(self.covariance(view))  # LinAlgError is a ValueError
        return self

    def to_section(self, window: float) -> HeadSection:
        """The head as a section of an artifact whose decision window is ``window`` seconds."""
        upper = np.triu_indices(self.fleet.within_correlation.shape[1])
        fleet = FleetSection(
            mean=self.fleet.mean,
            within_std=self.fleet.within_std,
            gain_directions=self.fleet.gain_directions,
            within_correlation_upper=np.array(
                [view[upper] for view in self.fleet.within_correlation]
            ),
            windows=self.fleet.windows,
        )
        return HeadSection(
            kind=self.kind,
            exponent=EXPONENT,
            window=window,
            mean=self.mean,
            machine_factor=self.machine_factor,
            machine_weight=self.machine_weight,
            windows=self.windows,
            fleet=fleet,
        )

    @classmethod
    def from_section(cls, section: HeadSection) -> Self:
        """The head of an artifact; ArtifactError if its parts do not fit together."""
        try:
            return cls._from_section(section)._checked()
        except (ValueError, IndexError) as error:
            raise ArtifactError(
                f"the scoring head is damaged ({error}); export the artifact again"
            ) from error

    @classmethod
    def _from_section(cls, section: HeadSection) -> Self:
        fleet = section.fleet
        if section.exponent != EXPONENT:
            raise ValueError(f"the exponent {section.exponent} is unknown")
        n_features = len(section.mean)
        n = (n_features - 1) // 2
        vectors = (section.mean, fleet.mean, fleet.within_std)
        rows = (fleet.gain_directions, section.machine_factor)
        fits = (
            fleet.within_correlation_upper.shape == (2, n * (n + 1) // 2)
            and all(vector.shape == (n_features,) for vector in vectors)
            and all(matrix.shape[1:] == (n_features,) for matrix in rows)
        )
        if not fits:
            raise ValueError("its arrays do not fit together")
        correlations = np.zeros((2, n, n))
        correlations[:, *np.triu_indices(n)] = fleet.within_correlation_upper
        correlations += np.triu(correlations, 1).transpose(0, 2, 1)
        return cls(
            Fleet(fleet.mean, fleet.within_std, fleet.gain_directions, correlations, fleet.windows),
            section.mean,
            section.machine_factor,
            section.machine_weight,
            section.windows,
            section.kind,
        )
