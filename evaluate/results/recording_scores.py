"""The scored test recordings of one machine: what metrics, tables and reports are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from edgeae.runtime.audio.recordings import Label, Recording
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.system.arrays import Float64

from .metrics import Bools
from .stream import StreamCounts


@dataclass(frozen=True)
class RecordingScore:
    """One test recording: a row of anomaly_scores.csv."""

    file: str
    machine: str
    label: Label
    score: float
    no_network: float  # the score without the network
    threshold: float | None  # None for a head without a threshold
    anomaly: bool | None  # above the threshold
    anomaly_1_per_day: bool | None  # above the threshold for 1 false alarm a day

    @classmethod
    def of(
        cls,
        recording: Recording,
        score: float,
        no_network: float,
        threshold: Threshold | None,
        one_per_day: Threshold | None,
    ) -> Self:
        """The score of a recording, compared with the thresholds of its machine, if it has any."""
        return cls(
            file=recording.path.name,
            machine=recording.machine,
            label=recording.label,
            score=score,
            no_network=no_network,
            threshold=threshold.value if threshold else None,
            anomaly=score > threshold.value if threshold else None,
            anomaly_1_per_day=score > one_per_day.value if one_per_day else None,
        )


@dataclass(frozen=True)
class MachineTest:
    """The test of one machine."""

    detector: Detector  # of this machine if it was calibrated, else the artifact's own
    recordings: Sequence[Recording]
    scores: Sequence[RecordingScore]  # of the same recordings
    one_per_day: Threshold | None  # for 1 false alarm a day; None for a head without a threshold
    stream: StreamCounts | None  # None without a threshold or without normal recordings

    @property
    def anomalous(self) -> Bools:
        """(n,) True for an anomalous recording."""
        return np.array([score.label == "anomaly" for score in self.scores], np.bool_)

    @property
    def both_scores(self) -> Float64:
        """(n, 2) the score of each recording with the network and without."""
        return np.array([[score.score, score.no_network] for score in self.scores])
