"""The scored test recordings of one machine: what metrics, tables and reports are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from edgeae.runtime.audio.recordings import Label, Recording
from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.path_text import path_text
from edgeae.runtime.system.schema import build
from edgeae.runtime.tables.artifact_text import origin
from edgeae.train.config import ScoringConfig

from ..streams.simulation import StreamCounts
from .metrics import Bools


@dataclass(frozen=True)
class Scores:
    """What the detector of a machine makes of a recording."""

    mean: float  # over the windows
    no_network: float  # the same without the network
    highest: float | None  # of the windows that are judged; None if there are none
    any_anomaly: bool  # the verdict of `edgeae run`
    n_windows: int
    n_not_judged: int  # windows
    # Mean ln distance of each view (`edgeae.runtime.scoring.views`) over the windows, by name.
    views: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordingScore:
    """One test recording: a row of anomaly_scores.csv."""

    file: str
    machine: str
    label: Label
    score: float  # the mean over its windows
    no_network: float  # the score without the network
    threshold: float | None  # None for a head without a threshold
    anomaly: bool | None  # `edgeae run` reports one: a window above the threshold, or an alarm
    anomaly_1_per_day: bool | None  # a window is above the threshold for 1 false alarm a day
    highest: float | None = None  # score of the windows that are judged
    windows_not_judged: int = 0  # silence, for example
    not_judged: bool = False  # none of its windows is judged, so it is no anomaly
    views: Mapping[str, float] = field(default_factory=dict)  # see `Scores`

    @classmethod
    def of(
        cls,
        recording: Recording,
        scores: Scores,
        threshold: Threshold | None,
        one_per_day: Threshold | None,
    ) -> Self:
        """The score of a recording, compared with the thresholds of its machine, if it has any."""
        highest = -np.inf if scores.highest is None else scores.highest
        return cls(
            file=path_text(recording.path.name),
            machine=recording.machine,
            label=recording.label,
            score=scores.mean,
            no_network=scores.no_network,
            threshold=threshold.value if threshold else None,
            anomaly=scores.any_anomaly if threshold else None,
            anomaly_1_per_day=highest > one_per_day.value if one_per_day else None,
            highest=scores.highest,
            windows_not_judged=scores.n_not_judged,
            not_judged=scores.n_not_judged == scores.n_windows,
            views=scores.views,
        )

    def to_row(self) -> dict[str, object]:
        """The values by column, with a column for each view."""
        row = {name: value for name, value in vars(self).items() if name != "views"}
        return {**row, **{f"{name}_distance": value for name, value in self.views.items()}}

    @property
    def decisive(self) -> float:
        """The score that is compared with the threshold: that of the highest judged window."""
        return self.score if self.highest is None else self.highest


@dataclass(frozen=True)
class MachineTest:
    """The test of one machine."""

    detector: Detector  # of this machine if it was calibrated, else the artifact's own
    recordings: Sequence[Recording]
    scores: Sequence[RecordingScore]  # of the same recordings
    one_per_day: Threshold | None  # for 1 false alarm a day; None for a head without a threshold
    stream: StreamCounts | None  # None without a threshold or without normal recordings
    # Test recordings that the streams are calibrated on instead of those of the training.
    stream_calibration: Sequence[Path] = ()

    @property
    def max_fpr(self) -> float:
        """The highest false positive rate of the pAUC, as the model's configuration states it.

        Raises ArtifactError for a value that is no such rate.
        """
        value = origin(self.detector, "config", "scoring", "max_fpr")
        stated = {} if value is None else {"max_fpr": value}
        try:
            return build(ScoringConfig, stated, "scoring").max_fpr
        except ConfigError as error:
            raise ArtifactError(f"in the provenance of the artifact, {error}") from error

    @property
    def anomalous(self) -> Bools:
        """(n,) True for an anomalous recording."""
        return np.array([score.label == "anomaly" for score in self.scores], np.bool_)

    @property
    def both_scores(self) -> Float64:
        """(n, 2) the score of each recording with the network and without."""
        return np.array([[score.score, score.no_network] for score in self.scores])
