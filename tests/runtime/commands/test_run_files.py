"""`edgeae run FILES`: what a run over recordings comes to."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.runtime.commands.run_files import score_recordings
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.scoring.detector import Detector
from tests.runtime.commands.parsed_options import parsed_options

RATE = 16000


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture
def normal(sound: NDArray[np.int16], tmp_path: Path) -> Path:
    path = tmp_path / "normal.wav"
    soundfile.write(path, sound[: 5 * RATE], RATE, "PCM_16")
    return path


@pytest.fixture
def broken(sound: NDArray[np.int16], tmp_path: Path) -> Path:
    """The machine with a loud tone."""
    tone = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(5 * RATE) / RATE)
    path = tmp_path / "broken.wav"
    soundfile.write(path, sound[: 5 * RATE] / 2**15 + tone, RATE)
    return path


def score(detector: Detector, *arguments: object) -> bool:
    return score_recordings(parsed_options(*arguments, "--json"), detector, RunLimits())


def test_one_anomaly_is_enough(
    detector: Detector, normal: Path, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(detector, normal, broken)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["source"] for line in lines} == {str(normal), str(broken)}


def test_recordings_that_are_not_judged_are_counted_on_stderr(
    detector: Detector, normal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(5 * RATE), RATE)
    score(detector, normal)
    assert capsys.readouterr().err == ""
    score(detector, normal, silent)
    assert capsys.readouterr().err == (
        "edgeae: of 2 recordings: 1 not judged (silence); a fault in what is not judged is missed\n"
    )
    assert not score(detector, silent)
    assert capsys.readouterr().err == (
        "edgeae: not one of 1 recording was judged (silence): nothing is known about the machine\n"
    )


def test_a_resumed_run_counts_what_was_not_judged_before(
    detector: Detector, normal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = tmp_path / "a_silent.wav"
    soundfile.write(silent, np.zeros(5 * RATE), RATE)
    log = tmp_path / "lines.jsonl"
    score(detector, silent, normal, "--log", log)
    first = capsys.readouterr().err
    score(detector, silent, normal, "--log", log, "--resume")
    assert "1 not judged (silence)" in first
    assert capsys.readouterr().err == first


def test_a_file_that_cannot_be_read_fails_the_run_at_its_end(
    detector: Detector, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AudioError, match="1 of the files could not be scored"):
        score(detector, tmp_path / "missing.wav", broken)
    assert str(broken) in capsys.readouterr().out
    assert score(detector, tmp_path / "missing.wav", broken, "--skip-bad")


def test_nothing_but_unreadable_files_is_never_a_success(
    detector: Detector, tmp_path: Path
) -> None:
    with pytest.raises(AudioError):
        score(detector, tmp_path / "missing.wav", "--skip-bad")


def test_a_resumed_run_scores_what_the_log_lacks(
    detector: Detector,
    normal: Path,
    broken: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = tmp_path / "lines.jsonl"
    score(detector, normal, "--log", log)
    capsys.readouterr()
    score(detector, normal, broken, "--log", log, "--resume")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["source"] for line in lines} == {str(broken)}


def test_a_live_page_of_recordings_is_refused(detector: Detector, normal: Path) -> None:
    with pytest.raises(ConfigError, match="--page"):
        score(detector, normal, "--page", "127.0.0.1:0")
