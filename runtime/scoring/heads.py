"""The kinds of head: what each computes from the features of a window, and what it is able to do.

    gaussian    ln distance of both views; the weight of the residual's depends on the domain shift
    no_network  ln distance of the input alone: the baseline that the network has to beat
    mse         the energy, as in the DCASE baselines and MLPerf Tiny

A new kind is a new class here and one more name in `edgeae.runtime.model.sections.HeadKind`; all
other code asks for the properties of a kind, never for its name.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import numpy as np

from ..model.sections import HeadKind
from ..system.arrays import Float64

Kind = HeadKind


class MachineStatistics(Protocol):
    """What a kind of head computes its score from; `edgeae.runtime.scoring.head.Head` is one."""

    @property
    def domain_shift(self) -> float:
        """How far the machine is from those of the training, see `Fleet.domain_shift`."""
        ...

    def distances(self, windows: Float64) -> Float64:
        """Features (..., n_features) -> ln distance (..., 2) of the input and of the residual."""
        ...


class KindOfHead(ABC):
    """One way to compute a score: the weighted mean of parts."""

    name: ClassVar[Kind]
    description: ClassVar[str]  # of the score, for the model card
    # True if a calibration fits a threshold to it: the artifact holds references for this kind.
    is_calibratable: ClassVar[bool]
    # True if the score is a distance from the machine's mean; the first part is the input's.
    is_distance: ClassVar[bool]

    @abstractmethod
    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        """Features (..., n_features) -> parts of the score (..., n_parts)."""

    def weights(self, machine: MachineStatistics) -> Float64:
        """(n_parts,) of the parts in the score; they add up to 1."""
        return np.ones(1)


class GaussianHead(KindOfHead):
    """The distances of both views."""

    name = "gaussian"
    description = (
        "distance of the statistics of the sound, and of those of the residual, from the "
        "machine's normal sound"
    )
    is_calibratable = True
    is_distance = True

    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        return machine.distances(windows)

    def weights(self, machine: MachineStatistics) -> Float64:
        """1 to exp(-domain_shift)."""
        residual = np.exp(-machine.domain_shift)
        return np.asarray(np.array([1.0, residual]) / (1 + float(residual)))


class MseHead(KindOfHead):
    """The energy of the residual, the first feature."""

    name = "mse"
    description = "logarithm of the mean squared residual"
    is_calibratable = True
    is_distance = False

    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        return windows[..., :1]


class NoNetworkHead(KindOfHead):
    """The distance of the input view; only its AUC is compared, so it needs no threshold."""

    name = "no_network"
    description = (
        "distance of the statistics of the sound from the machine's normal sound, "
        "without the network"
    )
    is_calibratable = False
    is_distance = True

    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        return machine.distances(windows)[..., :1]


KINDS_OF_HEAD: dict[Kind, KindOfHead] = {
    kind.name: kind for kind in (GaussianHead(), MseHead(), NoNetworkHead())
}
CALIBRATABLE_KINDS: tuple[Kind, ...] = tuple(
    name for name, kind in KINDS_OF_HEAD.items() if kind.is_calibratable
)
