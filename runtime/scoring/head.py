"""From the log-mel input and the residual of a window to one anomaly score.

A window is described by features, pooled over all of its patches, of the log-mel input of the
network and of its residual, both in standard deviations of the training sound:

    energy   ln of the mean squared residual                         1
    mean     mean over time                                          n_mels        }
    spread   ln of the standard deviation over time                  n_mels / 4    } of each
    change   ln of the root mean square of x[t+1] - x[t]             n_mels / 4    }

Spread and change are smoothed over the bands: the first quarter of their cosine coefficients is
kept. Mean, spread and change detect different faults: a new tone, a rattle, an impulse. All of
them follow from three sums over the frames of each patch, which the network itself computes
(`edgeae.runtime.model.network`); no frame has to be stored.

The features form views (`edgeae.runtime.scoring.views`). No view suits every kind of machine, and
which of them will show a fault cannot be learned from normal sound. So each has a distance of its
own, (f - mean)' C^-1.2 (f - mean) / n with C^-1.2 by eigenvalues, and the kinds of head
(`edgeae.runtime.scoring.heads`) make a score of the distances or of the energy. The features of a
view are first corrected for what the other views of the same source explain, by regression: what
disturbs the spectrum, such as background noise, disturbs the variation too (Hawkins, "Multivariate
quality control based on regression-adjusted variables", Technometrics 33, 1991).

The score is the weighted mean of the ln distances. A view whose distance varies much in normal
sound needs a large one to mean anything: its weight is divided by the distance between median and
90th percentile in simulated calibrations of the training machines, so that each view is
standardised by its own reference. A view of the network counts less, the more it changes from
recordings that the network was trained on to others (`edgeae.quantize.fit_fleet`).

The mean of a machine can be estimated from a minute of sound, its covariance cannot. C is
therefore the correlation of the **fleet** (how windows vary within the machines of the training
set), blended with the covariance of the machine itself; the weight of the latter grows with the
number of its windows. A change of the microphone's gain is not a fault: the effect of gains on the
features of normal sound is added to C, too, and so is that of background noise.

The residual of a machine that the network was trained on carries more information than that of an
unknown machine. This domain shift is measured on normal sound: it is the mean square, in
deviations of the fleet, of the residual of the machine's mean sound, without what a gain explains.
The weight of the residual is multiplied by exp(-domain_shift). All scores are natural logarithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..model.sections import FleetSection, HeadSection
from ..system.arrays import Float64
from .fleet import EXPONENT, Fleet, own_weight
from .heads import KINDS_OF_HEAD, Kind, KindOfHead
from .views import INPUT, View, from_sections, sources_of, to_sections

MAX_NUMBER = 1e6  # in the head of an artifact; those of real sound are below 100
MAX_CORRELATION = 2.0  # in an artifact; rounding and gains lead above 1


@dataclass(frozen=True)
class Head:
    """A fitted score.

    fleet: statistics of the training set.
    mean: (n_features,) of the machine.
    machine_factor: (n_rows, n_features) R in deviations of the fleet, where R'R is the covariance
        of the machine.
    machine_weight: weight of the machine's covariance against that of the fleet, 0 to 1.
    windows: number of windows behind the mean.
    """

    fleet: Fleet
    mean: Float64
    machine_factor: Float64
    machine_weight: float
    windows: int
    kind: Kind = "gaussian"

    @classmethod
    def calibrated(cls, fleet: Fleet, windows: Float64, kind: Kind = "gaussian") -> Self:
        """The head of one machine from the features (n, n_features) of its normal windows."""
        n = len(windows)
        mean = windows.mean(axis=0)
        if n == 1:
            return cls(fleet, mean, np.empty((0, len(mean))), 0.0, n, kind)
        # R of the QR decomposition holds the covariance in at most n_features rows.
        factor = np.linalg.qr((windows - mean) / fleet.within_std, mode="r") / np.sqrt(n - 1)
        return cls(fleet, mean, factor, own_weight(n), n, kind)

    def extended(self, windows: Float64) -> Self:
        """The head of the same machine, calibrated on more windows (n, n_features).

        Mean and covariance are those of all windows at once: scatter matrices add up, and the step
        between the two means is one more row (Chan, Golub and LeVeque, "Algorithms for computing
        the sample variance", The American Statistician 37, 1983).
        """
        n_old = self.windows
        n_new = len(windows)
        n = n_old + n_new
        new_mean = windows.mean(axis=0)
        std = self.fleet.within_std
        old_scatter = self.machine_factor * np.sqrt(n_old - 1)
        new_scatter = (windows - new_mean) / std
        step = np.sqrt(n_old * n_new / n) * (new_mean - self.mean) / std
        rows = np.vstack([old_scatter, new_scatter, step])
        return replace(
            self,
            mean=self.mean + (new_mean - self.mean) * n_new / n,
            machine_factor=np.linalg.qr(rows, mode="r") / np.sqrt(n - 1),
            machine_weight=own_weight(n),
            windows=n,
        )

    @classmethod
    def of_fleet(cls, fleet: Fleet, machines: Sequence[Float64], kind: Kind = "gaussian") -> Self:
        """The head before calibration: any machine of the training set is normal.

        machines: features (n_windows, n_features) of each of them.
        """
        means = np.array([windows.mean(axis=0) for windows in machines])
        mean = means.mean(axis=0)
        return cls(
            fleet=fleet,
            mean=mean,
            machine_factor=(means - mean) / fleet.within_std / np.sqrt(max(1, len(means) - 1)),
            machine_weight=0.5 if len(means) > 1 else 0.0,
            windows=sum(len(windows) for windows in machines),
            kind=kind,
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

    @property
    def views(self) -> tuple[View, ...]:
        """The groups of features that are scored apart."""
        return self.fleet.views

    @property
    def n_input_views(self) -> int:
        """Number of views of the input; they precede those of the network."""
        return sum(view.source == INPUT for view in self.views)

    @property
    def view_weights(self) -> Float64:
        """(n_views,) how much each view counts; those of the network less for a strange machine."""
        familiarity = np.exp(-self.domain_shift)
        return np.array(
            [view.weight * (1 if view.source == INPUT else familiarity) for view in self.views]
        )

    @cached_property
    def projections(self) -> list[tuple[slice, Float64]]:
        """Of each source: its features, and (n_source, n) which projects their deviations.

        The columns are those of its views side by side. The mean square of the projected deviations
        of a view is its distance.
        """
        return [self._projection(name, source) for name, source in self.fleet.sources.items()]

    def _projection(self, name: str, source: slice) -> tuple[slice, Float64]:
        own = self._own_covariance(source)
        of_views = [
            self.fleet.projection(view, own, self.machine_weight)
            for view in self.views
            if view.source == name
        ]
        return source, np.concatenate(of_views, axis=1) / self.fleet.within_std[source, None]

    def view_projection(self, view: View) -> tuple[slice, Float64]:
        """The features of the source of a view, and (n_source, n_view) which projects them."""
        of_source = dict(zip(self.fleet.sources, self.projections, strict=True))
        source, projection = of_source[view.source]
        first = view.features.start - source.start
        return source, projection[:, first : first + view.n_features]

    @cached_property
    def _view_sizes(self) -> NDArray[np.intp]:
        """(n_views,) number of projected deviations of each view."""
        return np.array([view.n_features for view in self.views])

    @cached_property
    def _view_starts(self) -> NDArray[np.intp]:
        """(n_views,) where the projected deviations of each view begin."""
        return np.asarray(np.cumsum(self._view_sizes) - self._view_sizes)

    def covariance(self, source: str) -> Float64:
        """(n, n) of the features of a source in normal sound, in deviations of the fleet."""
        features = self.fleet.sources[source]
        own = self._own_covariance(features)
        return self.fleet.covariance(features, own, self.machine_weight)

    def _own_covariance(self, features: slice) -> Float64:
        """(n, n) of these features in the sound of the machine, in deviations of the fleet."""
        factor = self.machine_factor[:, features]
        return np.asarray(factor.T @ factor)

    @cached_property
    def weights(self) -> Float64:
        """(n_parts,) of `parts` in the score; they add up to 1."""
        return self.method.weights(self)

    def distances(self, windows: Float64) -> Float64:
        """Features (..., n_features) -> ln distance (..., n_views) of each view."""
        deviations = windows - self.mean
        projected = np.concatenate(
            [deviations[..., source] @ projection for source, projection in self.projections],
            axis=-1,
        )
        squares = np.square(projected, out=projected)
        distances = np.add.reduceat(squares, self._view_starts, axis=-1) / self._view_sizes
        return np.asarray(np.log(distances + 1e-12))

    def parts(self, windows: Float64) -> Float64:
        """Features (..., n_features) -> parts (..., n_parts); the score is their weighted mean."""
        return np.asarray(self.method.parts(self, windows))

    def score(self, windows: Float64) -> Float64:
        """Features (..., n_features) -> scores (...), natural logarithm."""
        return np.asarray(self.parts(windows) @ self.weights)

    def _checked(self) -> Self:
        """The head; ValueError unless every window gets a finite score by its numbers."""
        fleet = self.fleet
        of_machine = (self.mean, self.machine_factor)
        of_fleet = (
            fleet.mean,
            fleet.within_std,
            fleet.gain_directions,
            fleet.noise_directions,
        )
        arrays = (*of_machine, *of_fleet)
        too_large = any(np.abs(array).max(initial=0) > MAX_NUMBER for array in arrays)
        if too_large or fleet.within_std.min() < 1 / MAX_NUMBER:
            raise ValueError(f"a deviation is not above 0, or a number beyond {MAX_NUMBER:g}")
        if any(np.abs(each).max() > MAX_CORRELATION for each in fleet.within_correlation):
            raise ValueError(f"a correlation is beyond {MAX_CORRELATION:g}")
        for source in fleet.sources:
            # LinAlgError, which is a ValueError, unless it is positive definite.
            np.linalg.cholesky(self.covariance(source))
        return self

    def to_section(self, window: float) -> HeadSection:
        """The head as a section of an artifact whose decision window is ``window`` seconds."""
        return HeadSection(
            kind=self.kind,
            exponent=EXPONENT,
            window=window,
            mean=self.mean,
            machine_factor=self.machine_factor,
            machine_weight=self.machine_weight,
            windows=self.windows,
            fleet=_fleet_section(self.fleet),
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
        if section.exponent != EXPONENT:
            raise ValueError(f"the exponent {section.exponent} is unknown")
        n_features = len(section.mean)
        if section.machine_factor.shape[1:] != (n_features,):
            raise ValueError("its arrays do not fit together")
        return cls(
            fleet=_fleet(section.fleet, n_features),
            mean=section.mean,
            machine_factor=section.machine_factor,
            machine_weight=section.machine_weight,
            windows=section.windows,
            kind=section.kind,
        )


def _fleet_section(fleet: Fleet) -> FleetSection:
    upper = [each[np.triu_indices(len(each))] for each in fleet.within_correlation]
    return FleetSection(
        mean=fleet.mean,
        within_std=fleet.within_std,
        gain_directions=fleet.gain_directions,
        noise_directions=fleet.noise_directions,
        within_correlation_upper=np.concatenate(upper),
        windows=fleet.windows,
        views=to_sections(fleet.views),
    )


def _fleet(section: FleetSection, n_features: int) -> Fleet:
    """The fleet of an artifact; ValueError if its arrays are not of ``n_features`` features."""
    views = from_sections(section.views, n_features)
    sizes = [source.stop - source.start for source in sources_of(views).values()]
    lengths = [n * (n + 1) // 2 for n in sizes]
    fits = (
        section.within_correlation_upper.shape == (sum(lengths),)
        and section.mean.shape == (n_features,)
        and section.within_std.shape == (n_features,)
        and section.gain_directions.shape[1:] == (n_features,)
        and section.noise_directions.shape[1:] == (n_features,)
    )
    if not fits:
        raise ValueError("its arrays do not fit together")
    upper = np.split(section.within_correlation_upper, np.cumsum(lengths)[:-1])
    return Fleet(
        mean=section.mean,
        within_std=section.within_std,
        gain_directions=section.gain_directions,
        noise_directions=section.noise_directions,
        within_correlation=tuple(map(_symmetric, upper, sizes)),
        windows=section.windows,
        views=views,
    )


def _symmetric(upper: Float64, n: int) -> Float64:
    """(n, n) from its upper triangle by rows."""
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n)] = upper
    return np.asarray(matrix + np.triu(matrix, 1).T)
