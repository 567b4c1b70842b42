"""A finding in one sentence."""

import pytest

from edgeae.evaluate.dataset.findings import Finding, finding_about, finding_about_copies
from edgeae.evaluate.dataset.recording_stats import RecordingStats
from tests.evaluate.dataset.conftest import MakeStats


@pytest.fixture
def six(make_stats: MakeStats) -> list[RecordingStats]:
    return [make_stats(f"{k}.wav") for k in range(6)]


def test_a_sentence_names_files_statement_and_advice(six: list[RecordingStats]) -> None:
    (finding,) = finding_about("level", "too loud", "turn it down", six[:2])
    assert finding.sentence() == "0.wav, 1.wav: too loud; turn it down"


def test_a_sentence_names_five_files_and_counts_the_others(six: list[RecordingStats]) -> None:
    (five,) = finding_about("level", "too loud", "turn it down", six[:5])
    assert five.named() == ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav"]
    (finding,) = finding_about("level", "too loud", "turn it down", six)
    assert finding.named()[4:] == ["4.wav", "1 more"]


def test_copies_stand_together(six: list[RecordingStats]) -> None:
    (finding,) = finding_about_copies("copies", "twice", "keep one", [six[:2], six[2:4]])
    assert finding.sentence() == "0.wav = 1.wav, 2.wav = 3.wav: twice; keep one"


def test_a_finding_about_the_data_set_names_no_file() -> None:
    assert Finding("absence", "no test", "add one").sentence() == "no test; add one"


def test_without_recordings_there_is_no_finding() -> None:
    assert not list(finding_about("level", "too loud", "turn it down", []))
    assert not list(finding_about_copies("copies", "twice", "keep one", []))
