"""The metrics, read back by a parser of the text format that shares no code with the writer."""

import math
import re
import time
from pathlib import Path
from typing import Any

import example_lines
import pytest
from example_lines import status

from edgeae.runtime.monitoring.states import SOUND_STATES
from edgeae.runtime.outputs.latest import MAX_SOURCES
from edgeae.runtime.outputs.lines import EventLine, GapLine, RunLine, ScoreLine
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.prometheus.metrics import MAX_REASONS, MAX_VALUE_AGE_SECONDS, Metrics
from edgeae.runtime.outputs.sink import OutputError, Sink

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)')
UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """{(name, labels): value}; a text that breaks the format fails.

    Each family is described once, before its samples, which stand together, and no series comes
    twice.
    """
    assert text.endswith("\n")
    samples: Samples = {}
    family, described = "", set()
    for line in text.splitlines():
        if comment := re.fullmatch(r"# HELP (\S+) (.+)", line):
            assert comment[1] not in described, "a family in two places"
            described.add(family := comment[1])
        elif comment := re.fullmatch(r"# TYPE (\S+) (gauge|counter)", line):
            assert comment[1] == family
            assert comment[1].endswith("_total") == (comment[2] == "counter")
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == family, line
            labels = sample[2] or ""
            found = LABEL.findall(labels)
            assert "".join(match[0] for match in LABEL.finditer(labels)) == labels, line
            pairs = {
                name: re.sub(r"\\.", lambda e: UNESCAPED[e[0]], value) for name, value in found
            }
            assert len(pairs) == len(found)
            key = (sample[1], frozenset(pairs.items()))
            assert key not in samples, f"twice: {line}"
            samples[key] = float(sample[3])
    return samples


TIME = "2026-01-01T00:00:01.500+00:00"


def score(value: float = 1.0, *, level: float | None = -30.5, **fields: Any) -> ScoreLine:
    values = {"time": TIME, "threshold": 2.0, "level_dbfs": level, "age": 0.25, **fields}
    return example_lines.score(value, **values)


def event(phase: str) -> EventLine:
    return example_lines.event(phase, time=TIME)


def gap(reason: str, seconds: float = 0.5, source: str = "hw:1") -> GapLine:
    return example_lines.gap(seconds, reason, source)


def told(metrics: Metrics, *lines: RunLine) -> Samples:
    for each in lines:
        metrics.deliver(each)
    return parse(metrics.text())


def value(samples: Samples, name: str, **labels: str) -> float | None:
    labels = {"source": "hw:1", "machine": "pump-3", **labels}
    return samples.get((name, frozenset(labels.items())))


def alone(samples: Samples, name: str) -> float:
    """Of a series without labels."""
    return samples[name, frozenset()]


def test_a_source_has_the_values_of_its_last_window() -> None:
    listening = status("listening", model="m.onnx", samplerate=48000)
    samples = told(Metrics(), listening, score(1.0), score(2.5), event("start"))
    assert value(samples, "edgeae_score") == 2.5
    assert value(samples, "edgeae_threshold") == 2.0
    assert value(samples, "edgeae_anomaly") == 1
    assert value(samples, "edgeae_alarm") == 1
    assert value(samples, "edgeae_level_dbfs") == -30.5
    assert value(samples, "edgeae_listening") == 1
    assert value(samples, "edgeae_last_window_timestamp_seconds") == 1767225601.5
    assert {state: value(samples, "edgeae_health", state=state) for state in SOUND_STATES} == {
        state: float(state == "ok") for state in SOUND_STATES
    }
    assert alone(samples, "edgeae_clock_synced") == 1
    age = value(samples, "edgeae_score_age_seconds")
    assert age is not None
    assert age >= 0.25, "from the sound, not from the line"


def test_windows_alarms_and_gaps_are_counted() -> None:
    lines = [
        score(1.0),
        score(2.5),
        event("start"),
        event("update"),
        event("end"),
        event("burst"),
        gap("overrun", 0.5),
    ]
    samples = told(Metrics(), *lines, gap("overrun", 0.25), gap("unplugged", 4.0))
    assert value(samples, "edgeae_windows_total") == 2
    assert value(samples, "edgeae_anomalous_windows_total") == 1
    assert value(samples, "edgeae_alarms_total") == 1
    assert value(samples, "edgeae_bursts_total") == 1
    assert value(samples, "edgeae_gaps_total", reason="overrun") == 2
    assert value(samples, "edgeae_gaps_total", reason="unplugged") == 1
    assert value(samples, "edgeae_lost_seconds_total") == 4.75


def test_a_source_that_is_lost_has_no_old_values(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = told(Metrics(), score(2.5), event("start"), status("lost", sentence="unplugged"))
    assert value(samples, "edgeae_listening") == 0
    assert value(samples, "edgeae_windows_total") == 1
    for name in ("score", "threshold", "anomaly", "alarm", "level_dbfs"):
        assert value(samples, f"edgeae_{name}") is None
    assert not [name for name, _ in samples if name == "edgeae_health"]


def test_a_source_that_is_paused_is_captured_and_has_no_old_values() -> None:
    metrics = Metrics()
    samples = told(metrics, score(2.5), status("paused"))
    assert (value(samples, "edgeae_listening"), value(samples, "edgeae_paused")) == (1, 1)
    assert value(samples, "edgeae_score") is None
    samples = told(metrics, status("resumed"), score(2.5))
    assert (value(samples, "edgeae_paused"), value(samples, "edgeae_score")) == (0, 2.5)


def test_a_source_without_new_windows_has_no_old_values(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    assert value(told(metrics, score()), "edgeae_score") == 1.0
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + MAX_VALUE_AGE_SECONDS + 100)
    samples = parse(metrics.text())
    assert value(samples, "edgeae_score") is None
    age = value(samples, "edgeae_score_age_seconds")
    assert age is not None
    assert age > 100
    assert value(samples, "edgeae_last_window_timestamp_seconds") == 1767225601.5


def test_a_source_that_never_gave_a_window_has_an_age() -> None:
    samples = told(Metrics(), status("waiting", sentence="no such device"))
    age = value(samples, "edgeae_score_age_seconds")
    assert age is not None
    assert age >= 0
    assert value(samples, "edgeae_listening") == 0
    assert value(samples, "edgeae_windows_total") == 0
    assert value(samples, "edgeae_last_window_timestamp_seconds") is None


def test_a_window_without_a_level_has_none() -> None:
    assert value(told(Metrics(), score(level=None)), "edgeae_level_dbfs") is None


def test_recordings_have_no_age_of_their_lines() -> None:
    assert value(told(Metrics(), score(age=None)), "edgeae_score") == 1.0


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "a\nb", '\\"', 'pump,3="x"} 1', "Pumpe 3 für Öl", "\\n"]
)
def test_names_are_read_back_unchanged(name: str) -> None:
    samples = told(Metrics(), score(source=name, machine=name))
    assert value(samples, "edgeae_score", source=name, machine=name) == 1.0


def test_numbers_are_exact() -> None:
    for number in (0.1 + 0.2, 1e-300, -1e300, 12345678901234.5):
        assert value(told(Metrics(), score(number)), "edgeae_score") == number


def test_infinite_and_undefined_scores_are_readable() -> None:
    assert value(told(Metrics(), score(float("inf"))), "edgeae_score") == float("inf")
    undefined = value(told(Metrics(), score(float("nan"))), "edgeae_score")
    assert undefined is not None
    assert math.isnan(undefined)


def test_the_number_of_series_is_bounded() -> None:
    metrics = Metrics()
    for number in range(MAX_SOURCES + 10):
        metrics.deliver(score(source=f"hw:{number}"))
    for number in range(100):
        metrics.deliver(gap(f"reason {number}", source="hw:0"))
    samples = parse(metrics.text())
    assert len([1 for name, _ in samples if name == "edgeae_score"]) == MAX_SOURCES
    assert len([1 for name, _ in samples if name == "edgeae_gaps_total"]) == MAX_REASONS + 1
    assert value(samples, "edgeae_gaps_total", source="hw:0", reason="other") == 100 - MAX_REASONS
    assert alone(samples, "edgeae_ignored_lines_total") == 10


def test_trouble_of_an_output_is_not_a_source() -> None:
    samples = told(
        Metrics(),
        status("degraded", source="mqtt", machine=None, sentence="no broker"),
    )
    assert not [name for name, labels in samples if "source" in dict(labels)]


class Fails(Sink[RunLine]):
    name = "webhook"

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        raise OutputError("no route")

    def close(self) -> None:
        pass


def test_outputs_have_counters_and_two_of_one_name_share_them() -> None:
    outboxes = [Outbox(Fails()), Outbox(Fails()), Outbox(Metrics())]
    for outbox in outboxes:
        outbox.put(score())
        assert outbox.drain(30)
    metrics = Metrics()
    metrics.outboxes = outboxes
    samples = parse(metrics.text())

    def output(name: str, sink: str) -> float:
        return samples[f"edgeae_output_{name}", frozenset({("output", sink)})]

    assert (output("failed_total", "webhook"), output("trouble", "webhook")) == (2, 1)
    assert (output("delivered_total", "metrics"), output("trouble", "metrics")) == (1, 0)
    assert output("dropped_total", "webhook") == 0
    for outbox in outboxes:
        outbox.close()


def test_the_process_has_metrics_of_memory_and_time() -> None:
    samples = parse(Metrics().text())
    assert alone(samples, "process_resident_memory_bytes") > 1 << 20
    assert alone(samples, "process_cpu_seconds_total") > 0
    assert alone(samples, "process_open_fds") >= 3
    started = alone(samples, "process_start_time_seconds")
    assert started <= time.time() + 1
    assert started > time.time() - float(Path("/proc/uptime").read_text().split()[0]) - 2
    assert {"version"} == {
        name for key, labels in samples if key == "edgeae_build_info" for name, _ in labels
    }
