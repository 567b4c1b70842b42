"""Results of earlier runs, read from logs that are made by hand."""

import json
import os
from pathlib import Path

import pytest

from edgeae.runtime.live.verdict import Verdict
from edgeae.runtime.offline.resume import LoggedResults, ResumeLog, log_files
from edgeae.runtime.scoring.detector import Detector

TIME = "2026-01-02T03:04:05.678+00:00"
SECONDS = 1767323045.678  # of TIME, since 1970


class Log:
    """A log, and the recordings that its lines are about, which are older."""

    def __init__(self, folder: Path, detector: Detector) -> None:
        self.path = folder / "log.jsonl"
        self._folder = folder
        self._detector = detector

    def recording(self, name: str) -> Path:
        path = self._folder / name
        path.touch()
        os.utime(path, (1e9, 1e9))
        return path

    def write(self, source: object, sequence: int, **values: object) -> None:
        line = {
            "type": "score",
            "time": TIME,
            "source": str(source),
            "seq": sequence,
            "machine": self._detector.machine,
            "threshold": self._detector.threshold.value,
            "anomaly": False,
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line | values) + "\n")

    def read(self) -> ResumeLog:
        return ResumeLog([self.path], self._detector)


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture
def log(tmp_path: Path, detector: Detector) -> Log:
    return Log(tmp_path, detector)


def test_only_the_last_recording_of_a_process_can_be_incomplete(log: Log) -> None:
    first, second = log.recording("1.wav"), log.recording("2.wav")
    log.write(first, 0)
    log.write(first, 1, anomaly=True)
    log.write(second, 2)
    resume_log = log.read()
    assert resume_log.results(first) == LoggedResults(
        2, SECONDS, Verdict(any_anomaly=True, n_windows=2)
    )
    assert resume_log.is_complete(first)
    assert resume_log.results(second) == LoggedResults(1, SECONDS, Verdict(n_windows=1))
    assert not resume_log.is_complete(second)


def test_an_alarm_and_what_was_not_judged_are_part_of_the_verdict(log: Log) -> None:
    first = log.recording("1.wav")
    log.write(first, 0, health="silence")
    log.write(first, 1, health="ok")
    log.write(first, 2, type="event", event="start")
    log.write(log.recording("2.wav"), 3)
    assert log.read().results(first).verdict == Verdict(
        any_anomaly=True, n_windows=2, n_unjudged=1, unjudged_states={"silence"}
    )


def test_a_recording_that_a_later_process_goes_on_with_is_complete_behind_it(log: Log) -> None:
    first, second = log.recording("1.wav"), log.recording("2.wav")
    log.write(first, 0)
    log.write(first, 0)  # the next process goes on where this one was interrupted
    log.write(second, 1)
    assert log.read().is_complete(first)


def test_another_process_that_starts_elsewhere_completes_nothing(log: Log) -> None:
    first, second = log.recording("1.wav"), log.recording("2.wav")
    log.write(first, 0)
    log.write(second, 0)
    assert not log.read().is_complete(first)


def test_lines_about_the_program_belong_to_no_recording(log: Log) -> None:
    first, second = log.recording("1.wav"), log.recording("2.wav")
    log.write(first, 0)
    log.write("edgeae", 1, type="status")
    log.write(first, 2)
    log.write(second, 3)
    resume_log = log.read()
    assert resume_log.results(first).n_lines == 2
    assert resume_log.is_complete(first)


@pytest.mark.parametrize("other", [{"threshold": -1.0}, {"machine": "other"}])
def test_results_of_another_artifact_do_not_count(log: Log, other: dict[str, object]) -> None:
    first = log.recording("1.wav")
    log.write(first, 0)
    log.write(first, 1, **other)
    log.write(first, 2, type="event")
    log.write(log.recording("2.wav"), 3)
    assert log.read().results(first) == LoggedResults()


def test_a_recording_modified_since_does_not_count(log: Log) -> None:
    first = log.recording("1.wav")
    log.write(first, 0)
    log.write(log.recording("2.wav"), 1)
    os.utime(first, (SECONDS + 1, SECONDS + 1))
    resume_log = log.read()
    assert resume_log.results(first) == LoggedResults()
    assert not resume_log.is_complete(first)


def test_what_is_no_line_of_edgeae_is_skipped(log: Log, tmp_path: Path) -> None:
    log.path.write_text(
        '{"a": 1}\n\0\0\n[1]\n7\n'
        '{"type": "score", "time": null, "source": [], "machine": 1}\n'
        '{"type": "event", "time": "never", "source": "x", "machine": 1, "seq": 0}\n'
    )
    assert not log.read().is_complete(tmp_path)


def test_full_logs_are_read_before_the_current_one(tmp_path: Path) -> None:
    names = ["log.jsonl", "log.jsonl.1", "log.jsonl.2", "log.jsonl.10", "log.jsonl.lock"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in log_files(tmp_path / "log.jsonl")] == [
        "log.jsonl.10",
        "log.jsonl.2",
        "log.jsonl.1",
        "log.jsonl",
    ]


def test_a_log_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert log_files(tmp_path / "log.jsonl") == []
