"""Is this another kind of machine? The mean sound against the machines that an artifact knows.

Two figures must both be large, because each alone also is for machines of the same kind:

    spectrum    root mean square over the bands, dB, of the difference of the mean spectra without
                what they share, which is gain or distance. A machine at another load or speed
                reaches 6 dB, but the machines of the training then vary as much.
    residual    root mean square over the bands of the difference of the network's error, in
                deviations within a machine. A machine that the network does not know reaches 6,
                but its spectrum then is that of its kind.

The limits were measured on all pairs of ToyCar 01 and 02, the fans and slide rails of MIMII (which
share room and microphone and cannot be told apart), three brushless motors and a drone's motor;
each model was trained on one of these machines alone and calibrated on each minute of the others.
In units of its limit the smaller of the two figures was .92 at the most for machines of the same
kind: none of 1393 calibrations is refused. Of 3524 calibrations on others 99.5 % are; the rest is
the drone's motor, or a part of the fan's sound, by the model of one brushless motor that was
trained on four windows. The limits were chosen on these same recordings, so how far other machines
are from them is not known. A model of few windows knows little of its kind, so its limit is larger.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.model.sections import MASKED_BAND_STD_DB
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float64

MAX_SPECTRUM_DB = 3.4  # of a fleet of many windows
MAX_RESIDUAL_DEVIATIONS = 2.0
# The limit of the spectrum is larger by sqrt(1 + this / windows of the fleet).
FEW_WINDOWS = 5.5
MIN_SHARE_OF_WINDOWS = 0.75  # that are too far away, where a sound is of another kind


@dataclass(frozen=True)
class KindDistance:
    """How far a mean sound is from the nearest machine that the artifact knows."""

    spectrum_db: float
    spectrum_limit_db: float
    residual_deviations: float

    @property
    def exceeds(self) -> bool:
        """True if machines of the same kind are not so far away."""
        return self.excess > 1

    @property
    def excess(self) -> float:
        """The smaller of both figures, in units of its limit."""
        return min(
            self.spectrum_db / self.spectrum_limit_db,
            self.residual_deviations / MAX_RESIDUAL_DEVIATIONS,
        )


def distance_of_other_kind(
    detector: Detector, windows: Float64, *, add: bool = False
) -> KindDistance | None:
    """The distance of the windows (n, n_features) if they are of another kind of machine, or None.

    Their mean and most of them must be too far away: half a minute before the machine was switched
    on is no other machine.
    """
    distance = kind_distance(detector, windows.mean(axis=0), add=add)
    if not distance.exceeds:
        return None
    share = np.mean([kind_distance(detector, window, add=add).exceeds for window in windows])
    return distance if share >= MIN_SHARE_OF_WINDOWS else None


def kind_distance(detector: Detector, mean: Float64, *, add: bool = False) -> KindDistance:
    """The distance of the mean features (n_features,) from the nearest known machine.

    add: only the machine of the calibration counts.
    """
    references = [detector.head.mean] if add else known_machines(detector)
    distances = [_distance(detector, mean, reference) for reference in references]
    return min(distances, key=lambda distance: distance.excess)


def known_machines(detector: Detector) -> list[Float64]:
    """The mean features (n_features,) of the fleet and of the machines that the head holds.

    Before calibration these are the machines of the training, afterwards the machine.
    """
    head = detector.head
    fleet = head.fleet
    if detector.machine is not None:
        return [fleet.mean, head.mean]
    n_machines = len(head.machine_factor)
    deviations = head.machine_factor * fleet.within_std * math.sqrt(max(1, n_machines - 1))
    return [fleet.mean, *(fleet.mean + deviations)]


def _distance(detector: Detector, mean: Float64, reference: Float64) -> KindDistance:
    n_mels = detector.spec.n_mels
    fleet = detector.head.fleet
    used = detector.band_std < MASKED_BAND_STD_DB
    difference = mean - reference
    spectrum = (difference[1 : 1 + n_mels] * detector.band_std)[used]
    bands = fleet.residual_means
    residual = (difference[bands] / fleet.within_std[bands])[used]
    return KindDistance(
        spectrum_db=float(np.std(spectrum)),
        spectrum_limit_db=MAX_SPECTRUM_DB * math.sqrt(1 + FEW_WINDOWS / max(1, fleet.windows)),
        residual_deviations=float(np.sqrt(np.mean(np.square(residual)))),
    )
