"""Recordings scored by several processes, and a run that goes on where it was ended."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.offline.files import expand, score_file, score_files
from edgeae.runtime.offline.resume import log_files
from edgeae.runtime.outputs.lines import RunLine, ScoreLine
from edgeae.runtime.outputs.publisher import LinePublisher
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.path_text import path_of
from tests.conftest import Trained

Line = dict[str, Any]
Run = Callable[..., tuple[int, str]]
OF_THE_RUN = ("time", "synced", "seq")


@pytest.fixture
def run(machine: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """``run(*arguments)``: `edgeae run machine.onnx ... --json`; exit code and output."""

    def call(*arguments: object, model: Path = machine) -> tuple[int, str]:
        capfd.readouterr()
        code = run_command(["run", str(model), "--json", *map(str, arguments)])
        return code, capfd.readouterr().out

    return call


def parsed(text: str) -> list[Line]:
    """Lines without what differs from run to run."""
    return [
        {k: v for k, v in json.loads(line).items() if k not in OF_THE_RUN}
        for line in text.splitlines()
    ]


@pytest.fixture
def files(trained: Trained) -> list[Path]:
    return audio_files(trained.new / "test")


def test_several_processes_say_what_one_says(run: Run, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    given = [*files[:3], tmp_path / "bad.wav", *files[3:], files[0]]
    one, two = (run(*given, "--skip-bad", "--jobs", jobs) for jobs in (1, 2))
    assert one[0] == two[0] == 0
    assert parsed(one[1]) == parsed(two[1])
    assert [json.loads(line)["seq"] for line in two[1].splitlines()] == list(
        range(len(parsed(two[1])))
    )
    assert {line["source"] for line in parsed(two[1])} == {str(path) for path in files}


@pytest.mark.parametrize("share", [0.0, 0.03, 0.3, 0.5, 0.77, 0.97, 1.0])
def test_a_run_goes_on_where_it_was_ended(
    run: Run, files: list[Path], tmp_path: Path, share: float
) -> None:
    log = tmp_path / "log.jsonl"
    run(*files, "--log", log)
    whole = log.read_text()
    log.write_text(whole[: round(share * len(whole))])
    before = len(parsed(log.read_text().rpartition("\n")[0]))
    code, told = run(*files, "--log", log, "--resume")
    assert code == 0
    assert parsed(log.read_text()) == parsed(whole)
    assert parsed(told) == parsed(whole)[before:]


def test_another_process_does_not_make_an_interrupted_recording_whole(
    run: Run, files: list[Path], tmp_path: Path
) -> None:
    log, long = tmp_path / "log.jsonl", tmp_path / "long.wav"
    samples, rate = soundfile.read(files[0])
    soundfile.write(long, np.tile(samples, 3), rate)
    lines = run(long, "--log", log)[1].splitlines(keepends=True)
    assert len(lines) > 3
    log.write_text("".join(lines[:2]))
    assert run(files[1], "--log", log)[0] == 0
    run(long, files[1], "--log", log, "--resume")
    found = [line for line in parsed(log.read_text()) if line["source"] == str(long)]
    assert found == parsed("".join(lines))


def test_anomalies_before_the_interruption_count(
    run: Run, files: list[Path], tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    assert run(*files, "--log", log, "--fail-on-anomaly")[0] == 1
    code, told = run(*files, "--log", log, "--resume", "--fail-on-anomaly")
    assert (code, told) == (1, "")


def test_a_full_log_is_read_too(run: Run, files: list[Path], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    run(*files, "--log", log, "--log-megabytes", 0.001, "--log-files", 99)
    assert len(log_files(log)) > 2
    assert run(*files, "--log", log, "--resume")[1] == ""


def test_a_recording_that_was_written_since_is_scored_again(
    run: Run, files: list[Path], tmp_path: Path
) -> None:
    log, copy = tmp_path / "log.jsonl", tmp_path / "copy.wav"
    copy.write_bytes(files[0].read_bytes())
    run(copy, files[1], "--log", log)
    os.utime(copy, (4e9, 4e9))
    assert {
        line["source"] for line in parsed(run(copy, files[1], "--log", log, "--resume")[1])
    } == {str(copy)}


def test_scores_of_another_artifact_do_not_count(
    run: Run, files: list[Path], trained: Trained, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    run(*files, "--log", log, model=trained.float_)
    code, told = run(*files, "--log", log, "--resume")
    assert code == 0
    assert {line["source"] for line in parsed(told)} == {str(path) for path in files}


@pytest.mark.parametrize(
    "options", [[], ["--log", "L", "--track", "T.json"], ["--log", "L", "--device", "hw:1"]]
)
def test_resume_needs_files_and_a_log(
    run: Run, files: list[Path], options: list[str], tmp_path: Path
) -> None:
    given = [tmp_path / name if name in ("L", "T.json") else name for name in options]
    assert run(*([] if "--device" in options else files), *given, "--resume")[0] == 2


def test_folders_are_expanded_to_their_recordings(files: list[Path], tmp_path: Path) -> None:
    assert expand([str(files[0]), str(files[0].parent)], report=print) == [files[0], *files]
    with pytest.raises(ConfigError, match=r"holds no \.wav, "):
        expand([str(tmp_path)], report=print)


def test_a_file_is_scored_as_the_detector_scores_it(machine: Path, files: list[Path]) -> None:
    detector = Detector.load(machine)
    scored = score_file(detector, 0, None, files[0])
    scores = [line.score for line in scored.lines if isinstance(line, ScoreLine)]
    results = [detector.result(window) for window in detector.read(files[0], 0)]
    assert scores == [result.score for result in results]
    assert scored.verdict.any_anomaly == any(result.anomaly for result in results)


def test_a_file_that_cannot_be_read_is_counted_and_gives_no_line(
    machine: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    detector = Detector.load(machine)
    with pytest.raises(AudioError):
        score_file(detector, 0, None, bad)
    lines: list[RunLine] = []
    scored = score_files(detector, [bad, files[0]], 0, LinePublisher(lines.append, []))
    assert scored.n_unreadable == 1
    assert {line.source for line in lines} == {str(files[0])}
    assert "bad.wav" in capsys.readouterr().err


def test_the_recordings_of_sub_folders_are_reported_or_read(tmp_path: Path) -> None:
    for name in ("a.wav", "2026-01-01/b.wav", "2026-01-02/c.wav", "d.m4a", "._a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    reports: list[str] = []
    assert expand([str(tmp_path)], report=reports.append) == [tmp_path / "a.wav"]
    assert reports == [
        f"{tmp_path}: not read: 1 file in another format (d.m4a); "
        "convert to WAV, FLAC, OGG, MP3 or AIFF",
        f"{tmp_path}: not read: 2 recordings in 2 sub-folders (2026-01-01 and 1 more); "
        "add --recursive",
    ]
    assert len(expand([str(tmp_path)], recursive=True, report=print)) == 3


def test_a_folder_of_folders_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    (tmp_path / "day/a.wav").touch()
    with pytest.raises(ConfigError, match="in 1 sub-folder"):
        expand([str(tmp_path)], report=print)


def test_a_name_that_is_not_utf8_is_scored_and_stays_recoverable(
    run: Run, files: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"d\xe9faut")
    folder.mkdir()
    path = folder / os.fsdecode(b"\xff.wav")
    path.write_bytes(files[0].read_bytes())
    log = tmp_path / "log.jsonl"
    code, _ = run(path, "--log", log)
    assert code == 0
    sources = {line["source"] for line in parsed(log.read_bytes().decode("utf-8"))}
    assert sources == {rf"{tmp_path}/d\xe9faut/\xff.wav"}
    assert {path_of(source) for source in sources} == {path}
    assert run(path, "--log", log, "--resume") == (0, "")
