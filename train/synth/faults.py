"""The faults of a synthetic machine, each with the sound that it adds.

    imbalance    shakes the housing once per turn                 within 0.2 to 0.6 kHz
    lost_blade   one gap per turn in the wake                     within 0.5 to 2 kHz
    rubbing      friction noise over a part of every turn         within 1 to 4 kHz
    bearing      impacts that excite a resonance                  within 2 to 7 kHz

A fault changes how the sound varies within a turn, and shifts the spectrum a little along
directions in which healthy clips hardly vary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.errors import ConfigError

from .machine import Array, Machine, Rotation, frequencies, noise, pulses, resonance


@dataclass(frozen=True)
class Fault:
    """A fault and how far it has gone; ``severity`` scales the amplitude of its sound."""

    kind: str
    severity: float = 1.0  # 0 is healthy, 1 the worst that the data sets contain

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ConfigError(f"fault: {self.kind!r} is unknown; allowed are {', '.join(FAULTS)}")
        if not 0 <= self.severity <= 1:
            raise ConfigError(f"fault: the severity is {self.severity}; allowed is 0 to 1")

    def sound(self, machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
        """(n,) what this fault adds to the sound of the machine."""
        return self.severity * FAULTS[self.kind](machine, rotation, rng)


def fault_band(machine: Machine, fault: str) -> tuple[float, float]:
    """(low, high) Hz: the band of at least four fifths of the energy that a fault changes."""
    centre, octaves = {
        "imbalance": (machine.housing, 0.35),
        "bearing": (machine.bearing, 0.3),
        "rubbing": (machine.friction, 0.4),
        "lost_blade": (machine.wake, 0.4),
    }[Fault(fault).kind]
    return centre * 2 ** (-1.5 * octaves), centre * 2 ** (1.5 * octaves)


def _imbalance(machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
    """The centrifugal force of a heavy spot loads and relieves the housing once per turn."""
    return 0.8 * np.cos(2 * np.pi * rotation.phase) * rotation.shaking


def _lost_blade(machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
    """One of the blades no longer cuts the air: a gap in the wake."""
    gap = (rotation.phase * machine.blades + 0.5) % machine.blades < 1
    return np.where(gap, -rotation.wake, 0.0)


def _rubbing(machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
    """The shaft touches the housing over a fifth of every turn."""
    n = rotation.phase.size
    bins = frequencies(n, rotation.samplerate)
    friction = noise(rng, resonance(bins, machine.friction, 0.4), n)
    return 0.65 * pulses(rotation.phase + rng.uniform(), 0.2) * friction


def _bearing(machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
    """Balls roll over a dent in the outer race and slip; every impact excites a resonance.

    Impacts at BPFO with a slip of 1 to 2 % (Randall and Antoni, MSSP 25, 2011). The rotating load
    of the fan presses the balls on the dent once per turn.
    """
    phase = rotation.phase
    count = int(np.ptp(phase) * machine.bearing_order * 1.1) + 2
    impacts = phase[0] + np.cumsum(1 + rng.normal(0, 0.02, count)) / machine.bearing_order
    impacts = impacts[impacts < phase[-1]]  # in turns
    starts = np.interp(impacts, phase, np.arange(phase.size)).astype(np.intp)
    heights = (1 + 0.8 * np.cos(2 * np.pi * impacts)) * np.exp(rng.normal(0, 0.3, impacts.size))

    t = np.arange(rotation.samplerate // 50) / rotation.samplerate
    angular = 2 * np.pi * machine.bearing
    response = np.exp(-0.05 * angular * t) * np.sin(angular * t)

    sound = np.zeros(phase.size + response.size)
    np.add.at(sound, starts[:, None] + np.arange(response.size), heights[:, None] * response)
    return np.asarray(1.6 * rotation.load**0.5 * sound[: phase.size])


FAULTS: dict[str, Callable[[Machine, Rotation, np.random.Generator], Array]] = {
    "imbalance": _imbalance,
    "bearing": _bearing,
    "rubbing": _rubbing,
    "lost_blade": _lost_blade,
}
