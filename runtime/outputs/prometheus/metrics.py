"""Metrics for Prometheus, counted from the lines.

    lines --deliver--> counts of each source --text()--> scraped, or written to a file

A gauge that keeps an old value would look like a machine that runs normally. So score, threshold,
anomaly, alarm, level and health are present only while the source is captured and its last window
is less than half a minute old. After that they are absent, as Prometheus expects of what is not
measured, `edgeae_score_age_seconds` grows and `edgeae_listening` is 0. Counters and the age are
present from the source's first line on. Alert on
`edgeae_score_age_seconds > 60 or edgeae_listening == 0`, and on `up == 0` for the process.

This is not prometheus_client: its gauges keep their last value, so all of the above would be a
collector of our own anyway, and it takes 9 MiB of memory.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from threading import Lock

from ...monitoring.states import SOUND_STATES
from ..latest import MAX_SOURCES, Latest, is_about_source
from ..lines import EventLine, GapLine, RunLine, ScoreLine
from ..outbox import Outbox
from ..sink import Sink
from .exposition import Family, render
from .process import process_families

MAX_VALUE_AGE_SECONDS = 30.0  # of a window whose values are present
MAX_REASONS = 16  # of gaps that have a series of their own; any further one is "other"


@dataclass
class Counts:
    """The counters of one source."""

    latest: Latest
    sound_time: float  # monotonic, s: the end of the last window's sound, at first the first line
    windows: int = 0
    anomalous: int = 0
    alarms: int = 0
    bursts: int = 0
    lost_seconds: float = 0.0
    gaps: Counter[str] = field(default_factory=Counter)

    def update(self, line: RunLine) -> None:
        """Count a line of this source."""
        self.latest.update(line)
        if isinstance(line, ScoreLine):
            self.sound_time = time.monotonic() - (line.age or 0.0)
            self.windows += 1
            self.anomalous += line.anomaly
        elif isinstance(line, EventLine):
            self.alarms += line.phase == "start"
            self.bursts += line.phase == "burst"
        elif isinstance(line, GapLine):
            has_series = line.reason in self.gaps or len(self.gaps) < MAX_REASONS
            self.gaps[line.reason if has_series else "other"] += 1
            self.lost_seconds += line.seconds

    @property
    def labels(self) -> Mapping[str, str]:
        return {"source": self.latest.source, "machine": self.latest.machine or ""}

    @property
    def age(self) -> float:
        return time.monotonic() - self.sound_time


class Metrics(Sink[RunLine]):
    """The sink, and the text that Prometheus scrapes."""

    name = "metrics"

    def __init__(self, outboxes: Iterable[Outbox[RunLine]] = ()) -> None:
        """outboxes: the outputs that the metrics report on; they can be set later."""
        self.outboxes = list(outboxes)
        self._sources: dict[tuple[str | None, str], Counts] = {}
        self._ignored = 0  # lines of sources beyond MAX_SOURCES
        self._synced: bool | None = None
        self._lock = Lock()

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        with self._lock:
            self._synced = line.synced
            if is_about_source(line):
                self._count(line)

    def close(self) -> None:
        """Do nothing: the metrics stay."""

    def _count(self, line: RunLine) -> None:
        key = (line.machine, line.source)
        if key not in self._sources and len(self._sources) == MAX_SOURCES:
            self._ignored += 1
            return
        if key not in self._sources:
            self._sources[key] = Counts(Latest(line.source, line.machine), time.monotonic())
        self._sources[key].update(line)

    def text(self, labels: Mapping[str, str] | None = None, *, with_process: bool = True) -> str:
        """All metrics now, in Prometheus' text format 0.0.4.

        labels: of every series, where several processes write to one place.
        with_process: whether `process_*` are among them.
        """
        with self._lock:
            sources = list(self._sources.values())
            families = [
                *_current(sources),
                *_counted(sources),
                self._clock(),
                self._ignored_lines(),
            ]
        build = Family("edgeae_build_info", "gauge", "Version of edgeae; always 1.")
        build.add({"version": version("edgeae")}, 1)
        families += [*_outputs(self.outboxes), build]
        if with_process:
            families += process_families()
        return render(families, labels)

    def _clock(self) -> Family:
        family = Family(
            "edgeae_clock_synced", "gauge", "Whether the clock behind the times is synchronized."
        )
        family.add({}, self._synced)
        return family

    def _ignored_lines(self) -> Family:
        family = Family(
            "edgeae_ignored_lines_total",
            "counter",
            f"Lines of sources beyond the first {MAX_SOURCES}.",
        )
        family.add({}, self._ignored)
        return family


def _current(sources: list[Counts]) -> Iterator[Family]:
    """The gauges of sources that are captured and scored at this moment."""
    score = Family(
        "edgeae_score", "gauge", "Distance from normal of the last window, a natural logarithm."
    )
    threshold = Family("edgeae_threshold", "gauge", "Score above which a window is anomalous.")
    anomaly = Family("edgeae_anomaly", "gauge", "Whether the last window is anomalous.")
    alarm = Family("edgeae_alarm", "gauge", "Whether an alarm is on.")
    level = Family("edgeae_level_dbfs", "gauge", "Level of the last window, dB below full scale.")
    health = Family(
        "edgeae_health", "gauge", "Whether the sound is in this state; one of them is 1."
    )
    for source in sources:
        latest = source.latest
        labels = source.labels
        if not latest.is_scored or latest.score is None or source.age > MAX_VALUE_AGE_SECONDS:
            continue
        score.add(labels, latest.score)
        threshold.add(labels, latest.threshold)
        anomaly.add(labels, latest.anomaly)
        alarm.add(labels, latest.alarm)
        level.add(labels, latest.level_dbfs)
        for state in SOUND_STATES:
            health.add({**labels, "state": state}, state == latest.health)
    yield from (score, threshold, anomaly, alarm, level, health)


def _counted(sources: list[Counts]) -> Iterator[Family]:
    """The metrics of all sources, also of those that give no sound."""
    listening = Family("edgeae_listening", "gauge", "Whether sound is captured.")
    paused = Family("edgeae_paused", "gauge", "Whether a person paused the scoring.")
    age = Family(
        "edgeae_score_age_seconds",
        "gauge",
        "Seconds since the sound of the last window, or the first line.",
    )
    last = Family(
        "edgeae_last_window_timestamp_seconds",
        "gauge",
        "Time of the last window, seconds since 1970.",
    )
    windows = Family("edgeae_windows_total", "counter", "Windows scored.")
    anomalous = Family("edgeae_anomalous_windows_total", "counter", "Windows above the threshold.")
    alarms = Family("edgeae_alarms_total", "counter", "Alarms that started.")
    bursts = Family("edgeae_bursts_total", "counter", "Short sounds above the threshold.")
    gaps = Family("edgeae_gaps_total", "counter", "Gaps in the sound.")
    lost = Family("edgeae_lost_seconds_total", "counter", "Seconds of sound lost in gaps.")
    for source in sources:
        latest = source.latest
        labels = source.labels
        listening.add(labels, latest.state == "listening")
        paused.add(labels, latest.paused)
        age.add(labels, source.age)
        last.add(labels, datetime.fromisoformat(latest.time).timestamp() if latest.time else None)
        windows.add(labels, source.windows)
        anomalous.add(labels, source.anomalous)
        alarms.add(labels, source.alarms)
        bursts.add(labels, source.bursts)
        for reason, number in source.gaps.items():
            gaps.add({**labels, "reason": reason}, number)
        lost.add(labels, source.lost_seconds)
    yield from (listening, paused, age, last, windows, anomalous, alarms, bursts, gaps, lost)


def _outputs(outboxes: list[Outbox[RunLine]]) -> Iterator[Family]:
    """The metrics of the outputs; those of one name (two webhooks) are added."""
    delivered = Family("edgeae_output_delivered_total", "counter", "Lines that an output took.")
    dropped = Family(
        "edgeae_output_dropped_total", "counter", "Lines dropped because too many waited."
    )
    failed = Family(
        "edgeae_output_failed_total", "counter", "Lines that an output could not take when given."
    )
    trouble = Family("edgeae_output_trouble", "gauge", "Whether an output fails now.")
    for name in dict.fromkeys(outbox.sink.name for outbox in outboxes):
        same = [outbox for outbox in outboxes if outbox.sink.name == name]
        labels = {"output": name}
        delivered.add(labels, sum(outbox.delivered for outbox in same))
        dropped.add(labels, sum(outbox.dropped for outbox in same))
        failed.add(labels, sum(outbox.failed for outbox in same))
        trouble.add(labels, any(outbox.trouble for outbox in same))
    yield from (delivered, dropped, failed, trouble)
