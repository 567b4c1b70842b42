"""Scores recordings, and simulates streams, in several processes where there is much to do.

Results go into a `ResultCache`, so that an interrupted evaluation continues where it was.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.live.reporter import SourceReporter
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.outputs.lines import ScoreLine
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.process_pool import in_order
from edgeae.runtime.system.progress import bar

from ..streams.simulation import (
    StreamCounts,
    StreamPlan,
    StreamRecordings,
    is_not_judged,
    simulate_streams,
)
from .recording_scores import Scores
from .result_cache import ResultCache, key_of

T = TypeVar("T")
R = TypeVar("R")

Report = Callable[[str], None]
# From detectors by machine, and the channel, to what is applied to each item of work.
WorkerFactory = Callable[[Mapping[str, Detector], Channel], Callable[[T], R]]
Pending = Generator[tuple[T, Callable[[], R]], None, None]


@dataclass(frozen=True)
class ScoringTask:
    """The test recordings of some machines, and the detector of each machine."""

    base: Detector  # whose network all detectors share
    detectors: Mapping[str, Detector]
    recordings: Sequence[Recording]
    channel: Channel
    key: str  # of everything that decides the scores except the recordings
    jobs: int  # processes

    def scores(
        self, cache: ResultCache, report: Report, *, skip_bad: bool
    ) -> list[tuple[Recording, Scores]]:
        """The recordings that can be read with their scores, in order."""
        keys = {item: key_of(self.key, files=[item.path]) for item in self.recordings}
        missing = [item for item in self.recordings if keys[item] not in cache]
        with self._run(_scorer, missing, "recordings", self.jobs) as results:

            def compute() -> dict[str, Any]:
                _, result = next(results)
                return asdict(result())

            def score(recording: Recording) -> Scores:
                value = cache.get_or_compute(keys[recording], compute)
                return Scores(**cast("dict[str, Any]", value))

            return read_each(self.recordings, score, report, skip_bad=skip_bad)

    def streams(
        self, machines: Sequence[StreamRecordings], plan: StreamPlan, cache: ResultCache
    ) -> list[StreamCounts | None]:
        """The result of `simulate_streams` for the recordings of each machine."""
        keys = [
            key_of(self.key, "streams", asdict(plan), files=_files_of(recordings))
            for recordings in machines
        ]
        missing = [
            recordings for recordings, key in zip(machines, keys, strict=True) if key not in cache
        ]
        jobs = min(self.jobs, max(1, len(missing)))
        with self._run(partial(_simulator, plan), missing, "streams", jobs) as results:

            def compute() -> dict[str, Any] | None:
                _, result = next(results)
                counts = result()
                return asdict(counts) if counts else None

            values = [cache.get_or_compute(key, compute) for key in keys]
        return [
            StreamCounts.from_json(value) if isinstance(value, dict) else None for value in values
        ]

    def _run(
        self, factory: WorkerFactory[T, R], items: Sequence[T], label: str, jobs: int
    ) -> "closing[Pending[T, R]]":
        """Each item with a function that gives its result; a progress bar is shown."""
        make = partial(factory, self.detectors, self.channel)
        if jobs > 1:
            sections = {
                machine: detector.artifact.sections for machine, detector in self.detectors.items()
            }
            artifact = self.base.artifact.to_bytes()
            make = partial(_in_other_process, factory, artifact, sections, self.channel)
        results = bar(in_order(items, make, jobs), len(items), label)
        return closing(cast("Pending[T, R]", results))


def _in_other_process(
    factory: WorkerFactory[T, R],
    artifact: bytes,
    sections: Mapping[str, dict[str, Any]],
    channel: Channel,
) -> Callable[[T], R]:
    """The worker of ``factory``, whose detectors this process opens: a network cannot be sent."""
    base = Detector(Artifact.from_bytes(artifact))
    detectors = {machine: base.with_sections(**own) for machine, own in sections.items()}
    return factory(detectors, channel)


def _scorer(detectors: Mapping[str, Detector], channel: Channel) -> Callable[[Recording], Scores]:
    baselines = {
        machine: detector.head.with_kind("no_network") for machine, detector in detectors.items()
    }
    return partial(score_recording, detectors, baselines, channel)


def score_recording(
    detectors: Mapping[str, Detector],
    baselines: Mapping[str, Head],
    channel: Channel,
    recording: Recording,
) -> Scores:
    """The scores of a recording by the detector of its machine, and the verdict of `edgeae run`.

    detectors: of each machine
    baselines: the heads without the network, of each machine
    """
    detector = detectors[recording.machine]
    windows = list(detector.read(recording.path, channel))
    reporter = SourceReporter(detector, str(recording.path))
    lines = [line for line in reporter.lines(windows) if isinstance(line, ScoreLine)]
    judged = [line.score for line in lines if not is_not_judged(line)]
    features = np.array([window.features for window in windows])
    return Scores(
        mean=float(np.mean(detector.head.score(features))),
        no_network=float(np.mean(baselines[recording.machine].score(features))),
        highest=max(judged, default=None),
        any_anomaly=reporter.verdict.any_anomaly,
        n_windows=reporter.verdict.n_windows,
        n_not_judged=reporter.verdict.n_unjudged,
        views=_mean_distances(detector.head, features),
    )


def _mean_distances(head: Head, features: Float64) -> dict[str, float]:
    """The mean ln distance of each view over windows (n, n_features)."""
    means = head.distances(features).mean(axis=0)
    return {view.name: float(mean) for view, mean in zip(head.views, means, strict=True)}


def _files_of(recordings: StreamRecordings) -> list[Path]:
    return [*recordings.normals, *chain.from_iterable(recordings.faults.values())]


def _simulator(
    plan: StreamPlan, detectors: Mapping[str, Detector], channel: Channel
) -> Callable[[StreamRecordings], StreamCounts | None]:
    return partial(_simulate, plan, detectors, channel)


def _simulate(
    plan: StreamPlan,
    detectors: Mapping[str, Detector],
    channel: Channel,
    recordings: StreamRecordings,
) -> StreamCounts | None:
    return simulate_streams(detectors[recordings.machine], recordings, channel, plan)
