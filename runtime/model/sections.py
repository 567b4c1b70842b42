"""The sections of an artifact as dataclasses: what each may hold, and how it is read.

An artifact carries its sections as JSON (`edgeae.runtime.model.artifact`). Readers ask for a
dataclass of this module. A section that does not fit is an ArtifactError with one sentence.
Keys that a section does not have here are ignored, as docs/artifact.md demands of a reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Literal, Self, TypeVar

import numpy as np

from ..errors import ArtifactError, ConfigError
from ..features.mel import MelSpec, band_edges
from ..system.arrays import Float64
from ..system.schema import Between, MaxLength, build

HeadKind = Literal["gaussian", "mse", "no_network"]
MASKED_BAND_STD_DB = 1e3  # a band with at least this standard deviation is masked by training
MAX_WINDOW_SECONDS = 3600.0
MIN_BAND_STD_DB = 1e-3
MAX_BAND_STD_DB = 1e9
MAX_WINDOWS = 1 << 40  # a count in an artifact
Count = Annotated[int, Between(0, MAX_WINDOWS)]
PositiveCount = Annotated[int, Between(1, MAX_WINDOWS)]
TITLES = {
    "head": "the scoring head",
    "threshold": "the threshold",
    "selftest": "the self-test",
    "quantization": "the input range of the int8 network",
}
T = TypeVar("T")


@dataclass(frozen=True)
class ViewSection:
    """A group of features that is scored apart, see `edgeae.runtime.scoring.views`."""

    name: Annotated[str, MaxLength(40)]
    source: Annotated[str, MaxLength(40)]
    n_features: PositiveCount
    weight: Annotated[float, Between(0, 1e6)]


@dataclass(frozen=True)
class FleetSection:
    """The statistics of the training machines, see `edgeae.runtime.scoring.fleet`."""

    mean: Float64  # (n_features,)
    within_std: Float64  # (n_features,)
    gain_directions: Float64  # (n_directions, n_features)
    noise_directions: Float64  # (n_directions, n_features)
    # Upper triangles by rows, n (n + 1) / 2 numbers of each source, one source after the other.
    within_correlation_upper: Float64
    windows: PositiveCount
    views: tuple[ViewSection, ...]  # in the order of their features


@dataclass(frozen=True)
class ReferenceSection:
    """Scores of normal windows, see `edgeae.runtime.scoring.threshold.Reference`."""

    windows: Count
    parts: Float64  # (n, n_parts)
    left_out: Float64  # (n_parts,)


@dataclass(frozen=True)
class SessionSection:
    """One calibration of the machine."""

    date: str | None  # ISO 8601
    windows: Count
    seconds: float | None  # of sound
    excess_over_fleet: Float64 | None  # (n_parts,) mean leave-one-out score less the fleet's


@dataclass(frozen=True)
class StabilitySection:
    """How uncertain a calibration is."""

    mean_error: float  # standard error of the mean, standard deviations of a window
    mean_error_next: float  # the same with one more minute
    threshold_change: float | None  # by one more minute; None where unknown


@dataclass(frozen=True)
class MachineSoundSection:
    """The normal sound that a machine was calibrated on, for its charts."""

    windows: Float64  # (n, n_features) that do not overlap; none of them is part of a minute
    n_windows: PositiveCount  # behind their mean; more than ``windows`` holds where it is thinned
    minutes: Float64 | None = None  # (n_minutes, n_features) mean features of whole minutes
    is_of_fleet: bool = False  # the fleet was fitted on these windows, so they deviate too little


@dataclass(frozen=True)
class ChartPriorSection:
    """How the distances of a view vary in the training machines."""

    view: Annotated[str, MaxLength(40)]
    offset: Annotated[float, Between(-100, 100)]  # ln, a minute's mean less single windows' mean
    spread: Annotated[float, Between(1e-3, 100)]  # ln, standard deviation of a minute's


@dataclass(frozen=True)
class SensitivitySection:
    """The smallest change of one type that raises an alarm within some time."""

    kind: Annotated[str, MaxLength(100)]  # such as "louder at 2 to 4 kHz"
    change: Annotated[str, MaxLength(100)]  # the same with its strength
    strength: Annotated[float, Between(-1000, 1000)]  # the largest that was tried if not detected
    unit: Literal["dB", "%"]
    within_seconds: Annotated[float, Between(0, 1e6)]
    is_detected: bool


@dataclass(frozen=True)
class HeadSection:
    """The scoring head and what a calibration needs."""

    kind: HeadKind
    exponent: float
    window: Annotated[float, Between(1e-3, MAX_WINDOW_SECONDS)]  # seconds
    mean: Float64  # (n_features,)
    machine_factor: Float64  # (n_rows, n_features)
    machine_weight: Annotated[float, Between(0, 1)]
    windows: Count
    fleet: FleetSection
    references: dict[str, tuple[ReferenceSection, ...]] = field(default_factory=dict)
    fleet_marks: Float64 | None = None  # (n, n_marks) windows that the fleet was fitted on
    machine_marks: Float64 | None = None  # the same of the machine
    machine: Annotated[str, MaxLength(200)] | None = None  # None before calibration
    calibrated: str | None = None  # time of the last session, ISO 8601
    history: tuple[SessionSection, ...] = ()
    stability: StabilitySection | None = None
    machine_sound: MachineSoundSection | None = None
    quietest_db: Float64 | None = None  # (n_mels,) of the quietest window of the calibration
    chart_priors: tuple[ChartPriorSection, ...] = ()
    sensitivity: tuple[SensitivitySection, ...] = ()


@dataclass(frozen=True)
class ExplainSection:
    """Edges of the mel bands in Hz, and their levels in dB."""

    band_edges_hz: Float64  # (n_mels + 2,)
    band_mean_db: Float64  # (n_mels,) that the network subtracts from its input
    band_std_db: Float64  # (n_mels,) by which the network divides

    @classmethod
    def of(cls, spec: MelSpec, mean_db: Float64, std_db: Float64) -> Self:
        """The section for a network that standardises its input with these constants, (n_mels,)."""
        as_float = np.float64
        return cls(
            np.asarray(band_edges(spec), as_float),
            np.asarray(mean_db, as_float),
            np.asarray(std_db, as_float),
        )

    def check(self, n_mels: int) -> None:
        """ArtifactError unless the arrays describe ``n_mels`` bands of real sound."""
        if self.band_std_db.shape != (n_mels,) or self.band_mean_db.shape != (n_mels,):
            raise ArtifactError("the artifact does not say how its bands vary; export it again")
        low = self.band_std_db.min()
        high = self.band_std_db.max()
        if not MIN_BAND_STD_DB < low < MASKED_BAND_STD_DB or high > MAX_BAND_STD_DB:
            raise ArtifactError(
                f"its bands vary by {low:g} to {high:g} dB; no sound does, export it again"
            )


@dataclass(frozen=True)
class SelfTestSection:
    """A seeded input and the expected outputs, see `edgeae.runtime.scoring.selftest`."""

    seed: Annotated[int, Between(0, (1 << 32) - 1)]
    sha256: str | None  # of the outputs of an int8 network
    energy: float
    score: float
    tolerance: float


@dataclass(frozen=True)
class QuantizationSection:
    """How the integers of an int8 network were chosen."""

    input_low_db: Float64  # (n_mels,) least and ...
    input_high_db: Float64  # ... greatest level that the 8 bits of the input can express
    weights: str | None = None
    activations: str | None = None
    reduce_range: bool | None = None
    ranges: str | None = None
    clips: int | None = None
    headroom: float | None = None
    drift: float | None = None  # rms change of normal scores, in their standard deviations
    max_drift: float | None = None


def read_section(kind: type[T], values: object, name: str) -> T:
    """The section ``name`` as a dataclass; ArtifactError names the key that is wrong."""
    try:
        if not isinstance(values, Mapping):
            raise ConfigError(f"{name} is missing")
        return build(kind, values, name, ignore_unknown=True)
    except ConfigError as error:
        title = TITLES.get(name, f"the section {name}")
        raise ArtifactError(f"{title} is damaged ({error}); export the artifact again") from error


def to_values(value: object) -> object:
    """``value`` with each dataclass, at any depth, as a dictionary."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_values(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_values(item) for item in value]
    return value
