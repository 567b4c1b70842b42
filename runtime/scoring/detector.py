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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..audio.channel import Channel, parse_channel
from ..errors import ArtifactError, AudioError
from ..features.mel import MelSpec
from ..model.artifact import Artifact
from ..model.network import Network
from ..monitoring.baseline import MASKED_BAND_STD_DB, BandBaseline
from ..system.arrays import Float32, Float64
from .explain import Explainer
from .head import Head, Kind
from .pipeline import Pipeline
from .threshold import Reference, Threshold
from .window_features import n_features_of
from .window_stream import PatchNetwork, Window, patches_of

MOST_WINDOW = 3600.0  # seconds
PATCH_SECONDS = (0.02, 10.0)  # the shortest and the longest patch
MOST_PATCHES = 4096  # in a window
LONGEST_NAME = 200  # letters, of a machine


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


def _window_seconds(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value <= MOST_WINDOW:
        raise ArtifactError(
            f"the decision window is {value!r}; allowed is up to {MOST_WINDOW:g} s; export again"
        )
    return float(value)


def _band_std(artifact: Artifact) -> Float64:
    """(n_mels,) dB that one unit of the mean of a band stands for."""
    explain = artifact.sections["explain"]
    std = explain.get("band_std_db") if isinstance(explain, dict) else None
    if not isinstance(std, np.ndarray) or std.shape != (artifact.mel.n_mels,):
        raise ArtifactError("the artifact does not say how its bands vary; export it again")
    if not 1e-3 < std.min() < MASKED_BAND_STD_DB or std.max() > 1e9:
        raise ArtifactError(
            f"its bands vary by {std.min():g} to {std.max():g} dB; no sound does, export it again"
        )
    return std.astype(np.float64)


def _machine_name(name: Any) -> str | None:
    if name is None or (
        isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_NAME
    ):
        return name
    raise ArtifactError(
        f"the name of its machine is {name!r:.40}; allowed is printable text of at most {LONGEST_NAME} letters"
    )


def _check_lengths(spec: MelSpec, network: PatchNetwork, window: float) -> None:
    """ArtifactError for patches and windows that nobody would choose, and that cost much time or memory."""
    (low, high), patch = PATCH_SECONDS, network.patch_frames / spec.frames_per_second
    if not low <= patch <= high:
        raise ArtifactError(
            f"a patch of the network is {patch:.2g} s long; allowed is {low} to {high} s; export again"
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
        section, threshold = artifact.sections["head"], artifact.sections["threshold"]
        if not isinstance(section, dict) or not isinstance(threshold, dict):
            raise ArtifactError("the artifact has no scoring head; export it again")
        super().__init__(
            artifact.mel, network or Network(artifact), _window_seconds(section.get("window"))
        )
        self.artifact = artifact
        self.head = Head.from_dict(section)
        if len(self.head.mean) != n_features_of(self.spec.n_mels):
            raise ArtifactError(
                f"the scoring head is not one of {self.spec.n_mels} mel bands; export the artifact again"
            )
        _check_lengths(self.spec, self.network, self.window)
        self.threshold = Threshold.from_dict(threshold)
        self.machine = _machine_name(section.get("machine"))  # None before calibration
        self.band_std = _band_std(artifact)

    @cached_property
    def normal(self) -> BandBaseline:
        """The levels of this machine while nothing is wrong."""
        return BandBaseline.of(self)

    @cached_property
    def explainer(self) -> Explainer:
        """What names the frequencies that moved."""
        return Explainer(self.spec, self.head, self.band_std)

    @property
    def channel(self) -> Channel:
        """The channel of the training recordings, which recordings to score have too."""
        origin = self.artifact.sections.get("provenance") or {}
        try:
            return parse_channel(str(origin["config"]["data"]["channel"]))
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
        """The same detector with another of its heads; the threshold is fitted by the next calibration."""
        section = {**self.artifact.sections["head"], "kind": kind}
        return self.with_sections(head=section)

    def result(self, window: Window) -> Result:
        score = round(float(self.head.score(window.features)), 6)
        limit = self.threshold.value
        return Result(
            window.end, score, limit, score > limit, window.level, window.out_of_range, window
        )

    def stream(self, blocks: Iterable[Float32], samplerate: int | None = None) -> Iterator[Result]:
        """Score live sound: mono blocks (n,) of any size at ``samplerate`` Hz (default: the artifact's).

        The same blocks give the same results however they are cut.
        """
        return map(self.result, self.windows(blocks, samplerate or self.spec.sample_rate))

    def score(self, samples: Float32, samplerate: int) -> float:
        """The score of a whole recording (n,) at ``samplerate`` Hz: the mean over its windows."""
        return self.mean_score(list(self.windows([samples], samplerate)))

    def mean_score(self, windows: Sequence[Window]) -> float:
        """The score of a recording from its windows."""
        return float(np.mean(self.head.score(np.array([window.features for window in windows]))))

    def references(self, kind: Kind) -> list[Reference]:
        """What the artifact knows of normal scores; see `edgeae.runtime.scoring.threshold`."""
        try:
            found = self.artifact.sections["head"]["references"][kind]
            known = [
                Reference(int(r["windows"]), r["parts"].astype(float), r["left_out"].astype(float))
                for r in found
            ]
            n_parts = len(self.head.with_kind(kind).weights)
            shapes = {(r.parts.shape[1:], r.left_out.shape) for r in known}
            if (
                not known
                or known[0].windows
                or shapes != {((n_parts,), (n_parts,))}
                or not all(len(r.parts) for r in known)
            ):
                raise ValueError("scores are missing")
            return known
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ArtifactError(
                f"the artifact has no reference scores for {kind}; export it again"
            ) from error
