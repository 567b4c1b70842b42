"""From sound to scores: one path for files, streams, calibration and evaluation.

    samples  ---------------------------------------------------------------->
    frames   | | | | | | | | | | | | | | | | | | | | | | | | | | | | |   log-mel
    patches  [ 32 frames  ][ 32 frames  ][ 32 frames  ][ 32 frames  ]    network, one at a time
    windows  [========= window: about 10 s ==========]                   one score a patch (1.02 s)
                           [========= window ==================]

At the end of a recording the frames that fill no patch are seen in a last patch that overlaps the
one before, and one last window ends with it. A recording shorter than the window is one window.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..audio.channel import Channel, parse_channel
from ..errors import ArtifactError, AudioError
from ..features.mel import MelSpec
from ..model.artifact import Artifact
from ..model.network import Network
from ..system.arrays import Float32
from .explain import Explainer
from .head import Head
from .heads import Kind
from .pipeline import Pipeline
from .threshold import Reference, Threshold
from .window_features import n_features_of
from .window_stream import PatchNetwork, Window, patches_of

PATCH_SECONDS = (0.02, 10.0)  # the shortest and the longest patch
MOST_PATCHES = 4096  # in a window


@dataclass(frozen=True)
class Result:
    """One score."""

    t: float  # seconds from the start, the end of its window
    score: float
    threshold: float
    anomaly: bool
    level_dbfs: float | None
    out_of_range: float  # share of the last patch that the int8 network saw as its limit
    window: Window
    health: str = "ok"  # or the condition of the sound, see `edgeae.runtime.monitoring.health`


def _check_lengths(spec: MelSpec, network: PatchNetwork, window: float) -> None:
    """ArtifactError for patches and windows that nobody would choose, and that cost much time or
    memory."""
    (low, high) = PATCH_SECONDS
    patch = network.patch_frames / spec.frames_per_second
    if not low <= patch <= high:
        raise ArtifactError(
            f"a patch of the network is {patch:.2g} s long; "
            f"allowed is {low} to {high} s; export again"
        )
    if patches_of(window, spec, network) > MOST_PATCHES:
        raise ArtifactError(
            f"the decision window holds more than {MOST_PATCHES} patches; export it again"
        )


class Detector(Pipeline):
    """An artifact ready to score.

    >>> detector = Detector.load("machine.onnx")                               # doctest: +SKIP
    >>> detector.score(samples, samplerate=44100) > detector.threshold.value   # doctest: +SKIP
    """

    def __init__(self, artifact: Artifact, network: PatchNetwork | None = None) -> None:
        super().__init__(artifact.mel, network or Network(artifact), artifact.head.window)
        self.artifact = artifact
        self.head = Head.from_section(artifact.head)
        n_identity = self.network.n_identity
        if len(self.head.mean) != n_features_of(self.spec.n_mels, n_identity):
            raise ArtifactError(
                f"the scoring head is not one of {self.spec.n_mels} mel bands and an identity "
                f"embedding of {n_identity} numbers; export the artifact again"
            )
        _check_lengths(self.spec, self.network, self.window)
        self.threshold = Threshold.of(artifact)
        self.machine = artifact.head.machine  # None before calibration
        self.band_std = artifact.explain.band_std_db  # (n_mels,) dB of one unit of a band's mean

    @cached_property
    def explainer(self) -> Explainer:
        """What names the frequencies that moved."""
        return Explainer(self.spec, self.head, self.band_std)

    @property
    def channel(self) -> Channel:
        """The channel of the training recordings, which recordings to score have too."""
        try:
            return parse_channel(str(self.artifact.provenance["config"]["data"]["channel"]))
        except (KeyError, TypeError, IndexError, AudioError):
            return 0

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an artifact; ArtifactError names a file that is refused."""
        artifact = Artifact.read(path)
        try:
            return cls(artifact)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error

    def with_sections(self, **sections: Any) -> Self:
        """The same network with another head or threshold."""
        return type(self)(self.artifact.with_sections(**sections), self.network)

    def with_kind(self, kind: Kind) -> Self:
        """The same detector with another of its heads; the threshold is fitted by the next
        calibration."""
        return self.with_sections(head=replace(self.artifact.head, kind=kind))

    def result(self, window: Window, threshold_rise: float = 0.0, *, health: str = "ok") -> Result:
        """The score of a window, and whether it is an anomaly.

        threshold_rise: how much sound that was learned since the calibration raises the threshold.
        health: the condition of the sound.
        """
        score = round(float(self.head.score(window.features)), 6)
        limit = self.threshold.value + threshold_rise
        return Result(
            t=window.end,
            score=score,
            threshold=limit,
            anomaly=score > limit,
            level_dbfs=window.level,
            out_of_range=window.out_of_range,
            window=window,
            health=health,
        )

    def stream(self, blocks: Iterable[Float32], samplerate: int | None = None) -> Iterator[Result]:
        """Score live sound: mono blocks (n,) of any size at ``samplerate`` Hz (default: the
        artifact's).

        The same blocks give the same results however they are cut.
        """
        rate = samplerate or self.spec.sample_rate
        return map(self.result, self.windows(blocks, rate, is_live=True))

    def score(self, samples: Float32, samplerate: int) -> float:
        """The score of a whole recording (n,) at ``samplerate`` Hz: the mean over its windows."""
        return self.mean_score(list(self.windows([samples], samplerate)))

    def mean_score(self, windows: Sequence[Window]) -> float:
        """The score of a recording from its windows."""
        return float(np.mean(self.head.score(np.array([window.features for window in windows]))))

    def references(self, kind: Kind) -> list[Reference]:
        """What the artifact knows of normal scores; see `edgeae.runtime.scoring.threshold`."""
        sections = self.artifact.head.references.get(kind, ())
        n_parts = len(self.head.with_kind(kind).weights)
        usable = all(
            section.parts.shape == (len(section.parts), n_parts)
            and section.left_out.shape == (n_parts,)
            and len(section.parts)
            for section in sections
        )
        if not sections or sections[0].windows or not usable:
            raise ArtifactError(f"the artifact has no reference scores for {kind}; export it again")
        return [Reference(r.windows, r.parts, r.left_out) for r in sections]
