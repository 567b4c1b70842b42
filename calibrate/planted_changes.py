"""Changes that are planted into the normal sound of a machine, as a fault could make them.

    BandGain         a range of frequencies is louder or quieter
    Tone             a steady tone is added
    Knocks           an impulse is added, again and again
    Modulation       the sound gets louder and quieter, many times a second
    WhiteNoise       noise of all frequencies is added

Each has a strength: dB by which it changes a range, dB against the level of the machine (the RMS of
its normal sound), or a share in %. A larger strength is a larger change.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.scoring.explain import hertz
from edgeae.runtime.system.arrays import Float64

from .excerpt import Excerpt, FrequencyRange

Unit = Literal["dB", "%"]

LOWEST_EDGE_HZ = 62.5
LOWEST_RANGE_OCTAVES = 2.0  # mel bands are about as wide as a lower octave
MIN_RANGE_OCTAVES = 0.5  # of what is left at the top
LOSS_SHARE = 0.25  # of the usable range: frequencies above are lost
TONE_SHARES = (0.125, 0.4)  # of the usable range
KNOCKS_PER_SECOND = 2.0
KNOCK_DECAY_SECONDS = 0.005
KNOCK_LEVEL_SECONDS = 0.01  # the level of a knock is measured over its first part
MODULATION_HZ = 4.0


class PlantedChange(ABC):
    """One type of change."""

    unit: ClassVar[Unit] = "dB"
    resolution: ClassVar[float] = 0.5  # of the strengths that are reported
    strengths: ClassVar[tuple[float, ...]]  # that are planted, ascending
    ordinary_strength: ClassVar[float | None] = None  # of an ordinary fault; None: not one

    @property
    @abstractmethod
    def name(self) -> str:
        """The type in words, without a strength."""

    @abstractmethod
    def describe(self, strength: float) -> str:
        """The change in words, such as ``+3 dB at 2 to 4 kHz``."""

    @abstractmethod
    def plant(self, excerpt: Excerpt, strength: float, machine_level: float) -> Excerpt:
        """The excerpt with this change; machine_level: RMS of the normal sound, full scale 1."""


@dataclass(frozen=True)
class BandGain(PlantedChange):
    """A range of frequencies is louder, or quieter."""

    strengths = (0.5, 3.0, 12.0)
    ordinary_strength = 6.0

    band: FrequencyRange
    louder: bool

    @property
    def name(self) -> str:
        return f"{'louder' if self.louder else 'quieter'} {self.place}"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"at {hertz(self.band.low_hz, self.band.high_hz)}"

    def describe(self, strength: float) -> str:
        return f"{'+' if self.louder else '-'}{strength:g} dB {self.place}"

    def plant(self, excerpt: Excerpt, strength: float, machine_level: float) -> Excerpt:
        return excerpt.filtered(self.band, strength if self.louder else -strength)


@dataclass(frozen=True)
class HighLoss(BandGain):
    """All high frequencies are quieter, as behind a cover."""

    strengths = (0.5, 6.0, 24.0)

    @property
    def name(self) -> str:
        return f"a loss {self.place}"

    @property
    def place(self) -> str:
        return f"above {self.band.low_hz:.0f} Hz"


class _Added(PlantedChange):
    """A sound is added; its strength is its level against that of the machine."""

    strengths = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0)

    @property
    @abstractmethod
    def sound(self) -> str:
        """What is added, in words."""

    @property
    def name(self) -> str:
        return f"{self.sound}, against the machine's level"

    def describe(self, strength: float) -> str:
        if strength == 0:
            return f"{self.sound}, as loud as the machine"
        direction = "above" if strength > 0 else "below"
        return f"{self.sound}, {abs(strength):g} dB {direction} the machine's level"

    def plant(self, excerpt: Excerpt, strength: float, machine_level: float) -> Excerpt:
        return excerpt.mixed(self.waveform, machine_level * 10 ** (strength / 20))

    @abstractmethod
    def waveform(self, n_samples: int, samplerate: int) -> Float64:
        """(n_samples,) of the added sound, level 1."""


@dataclass(frozen=True)
class Tone(_Added):
    """A steady tone."""

    ordinary_strength = 10.0

    frequency_hz: float

    @property
    def sound(self) -> str:
        return f"a tone at {self.frequency_hz:g} Hz"

    def waveform(self, n_samples: int, samplerate: int) -> Float64:
        phase = 2 * np.pi * self.frequency_hz / samplerate * np.arange(n_samples)
        return np.asarray(np.sqrt(2) * np.sin(phase))


@dataclass(frozen=True)
class Knocks(_Added):
    """A short impulse of all frequencies twice a second; its level is that of its first 10 ms."""

    strengths = (-20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
    ordinary_strength = 10.0

    @property
    def sound(self) -> str:
        return "a knock twice a second"

    def waveform(self, n_samples: int, samplerate: int) -> Float64:
        times = np.arange(round(8 * KNOCK_DECAY_SECONDS * samplerate)) / samplerate
        noise = np.random.default_rng(0).standard_normal(len(times))
        knock = noise * np.exp(-times / KNOCK_DECAY_SECONDS)
        first_part = knock[times < KNOCK_LEVEL_SECONDS]
        knock /= np.sqrt(np.mean(np.square(first_part)))
        period = round(samplerate / KNOCKS_PER_SECOND)
        return np.resize(np.concatenate([knock, np.zeros(period - len(knock))]), n_samples)


@dataclass(frozen=True)
class WhiteNoise(_Added):
    """Noise with the same density at all frequencies, as of a leak."""

    @property
    def sound(self) -> str:
        return "white noise"

    def waveform(self, n_samples: int, samplerate: int) -> Float64:
        return np.random.default_rng(0).standard_normal(n_samples)


@dataclass(frozen=True)
class Modulation(PlantedChange):
    """The whole sound gets louder and quieter; the strength is the depth."""

    unit = "%"
    resolution = 5.0
    strengths = (5.0, 25.0, 50.0, 100.0)

    rate_hz: float = MODULATION_HZ

    @property
    def name(self) -> str:
        return f"a modulation {self.rate_hz:g} times a second"

    def describe(self, strength: float) -> str:
        return f"{self.name} by {strength:g} %"

    def plant(self, excerpt: Excerpt, strength: float, machine_level: float) -> Excerpt:
        return excerpt.modulated(self.rate_hz, strength / 100)


def planted_changes(spec: MelSpec, max_hz: float) -> list[PlantedChange]:
    """The changes to try on a machine whose recordings hold frequencies up to ``max_hz``."""
    top = min(spec.f_max, max_hz)
    edges = _range_edges(max(spec.f_min, LOWEST_EDGE_HZ), top)
    bands = [FrequencyRange(low, high) for low, high in pairwise(edges)]
    return [
        *(BandGain(band, louder) for band in bands for louder in (True, False)),
        HighLoss(FrequencyRange(LOSS_SHARE * top, top), louder=False),
        *(Tone(round(share * top, -1)) for share in TONE_SHARES),
        Knocks(),
        Modulation(),
        WhiteNoise(),
    ]


def _range_edges(low_hz: float, high_hz: float) -> list[float]:
    """Hz: two octaves, then one octave each; the last takes what is too narrow for its own."""
    edges = [low_hz, low_hz * 2**LOWEST_RANGE_OCTAVES]
    while edges[-1] * 2 ** (1 + MIN_RANGE_OCTAVES) <= high_hz:
        edges.append(edges[-1] * 2)
    if edges[-1] * 2**MIN_RANGE_OCTAVES <= high_hz:
        return [*edges, high_hz]
    return [*edges[:-1], high_hz]
