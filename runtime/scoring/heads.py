"""The kinds of head: what each computes from the features of a window, and what it is able to do.

    gaussian    ln distances of all views; the weight of the network's depends on the domain shift
    no_network  ln distances of the input's views: the baseline that the network has to beat
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
    def n_input_views(self) -> int:
        """Number of views of the input; they precede those of the network."""
        ...

    @property
    def view_weights(self) -> Float64:
        """(n_views,) how much each view counts."""
        ...

    def distances(self, windows: Float64) -> Float64:
        """Features (..., n_features) -> ln distance (..., n_views) of each view."""
        ...


class KindOfHead(ABC):
    """One way to compute a score: the weighted mean of parts."""

    name: ClassVar[Kind]
    description: ClassVar[str]  # of the score, for the model card
    # True if a calibration fits a threshold to it: the artifact holds references for this kind.
    is_calibratable: ClassVar[bool]
    # True if the score is a distance from the machine's mean; the first parts are the input's.
    is_distance: ClassVar[bool]

    @abstractmethod
    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        """Features (..., n_features) -> parts of the score (..., n_parts)."""

    def weights(self, machine: MachineStatistics) -> Float64:
        """(n_parts,) of the parts in the score; they add up to 1."""
        return np.ones(1)


class GaussianHead(KindOfHead):
    """The distances of all views."""

    name = "gaussian"
    description = (
        "distances of the spectrum of the sound, of its variation, and of the residual, from the "
        "machine's normal sound"
    )
    is_calibratable = True
    is_distance = True

    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        return machine.distances(windows)

    def weights(self, machine: MachineStatistics) -> Float64:
        return np.asarray(machine.view_weights / machine.view_weights.sum())


class MseHead(KindOfHead):
    """The energy of the residual, the first feature."""

    name = "mse"
    description = "logarithm of the mean squared residual"
    is_calibratable = True
    is_distance = False

    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        return windows[..., :1]


class NoNetworkHead(KindOfHead):
    """The distances of the input's views; only their AUC is compared: no threshold is needed."""

    name = "no_network"
    description = (
        "distances of the spectrum of the sound and of its variation from the machine's normal "
        "sound, without the network"
    )
    is_calibratable = False
    is_distance = True

    def parts(self, machine: MachineStatistics, windows: Float64) -> Float64:
        return machine.distances(windows)[..., : machine.n_input_views]

    def weights(self, machine: MachineStatistics) -> Float64:
        of_input = machine.view_weights[: machine.n_input_views]
        return np.asarray(of_input / of_input.sum())


KINDS_OF_HEAD: dict[Kind, KindOfHead] = {
    kind.name: kind for kind in (GaussianHead(), MseHead(), NoNetworkHead())
}
CALIBRATABLE_KINDS: tuple[Kind, ...] = tuple(
    name for name, kind in KINDS_OF_HEAD.items() if kind.is_calibratable
)
