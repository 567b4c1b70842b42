"""Scores recordings, and simulates streams, in several processes where there is much to do.

Results go into a `ResultCache`, so that an interrupted evaluation continues where it was.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.system.process_pool import in_order
from edgeae.runtime.system.progress import bar

from .result_cache import ResultCache, key_of
from .stream import StreamCounts, simulate_stream

T = TypeVar("T")
R = TypeVar("R")

Report = Callable[[str], None]
Scores = tuple[float, float]  # of one recording, with the network and without
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

            def compute() -> Scores:
                _, result = next(results)
                return result()

            def score(recording: Recording) -> Scores:
                value = cache.get_or_compute(keys[recording], compute)
                network, baseline = cast("list[float]", value)  # a tuple becomes a list in JSON
                return network, baseline

            return read_each(self.recordings, score, report, skip_bad=skip_bad)

    def streams(
        self, machines: Sequence[Sequence[Recording]], cache: ResultCache
    ) -> list[StreamCounts | None]:
        """The result of `simulate_stream` for the recordings of each machine."""
        keys = [
            key_of(self.key, "stream", files=[item.path for item in recordings])
            for recordings in machines
        ]
        missing = [
            recordings for recordings, key in zip(machines, keys, strict=True) if key not in cache
        ]
        jobs = min(self.jobs, max(1, len(missing)))
        with self._run(_simulator, missing, "streams", jobs) as results:

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
    heads = {
        machine: (detector.head, detector.head.with_kind("no_network"))
        for machine, detector in detectors.items()
    }
    pipeline = next(iter(detectors.values()))
    return partial(score_recording, pipeline, heads, channel)


def score_recording(
    pipeline: Pipeline,
    heads: Mapping[str, tuple[Head, Head]],
    channel: Channel,
    recording: Recording,
) -> Scores:
    """The mean scores of a recording's windows, by the two heads of its machine."""
    features = np.array([window.features for window in pipeline.read(recording.path, channel)])
    network, baseline = heads[recording.machine]
    return float(np.mean(network.score(features))), float(np.mean(baseline.score(features)))


def _simulator(
    detectors: Mapping[str, Detector], channel: Channel
) -> Callable[[Sequence[Recording]], StreamCounts | None]:
    return partial(_simulate, detectors, channel)


def _simulate(
    detectors: Mapping[str, Detector], channel: Channel, recordings: Sequence[Recording]
) -> StreamCounts | None:
    """recordings: all of one machine."""
    normals = [recording.path for recording in recordings if recording.label == "normal"]
    anomalies = [recording.path for recording in recordings if recording.label == "anomaly"]
    return simulate_stream(detectors[recordings[0].machine], normals, anomalies, channel)
