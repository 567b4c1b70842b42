"""The check of the artifact."""

import signal
import subprocess
from pathlib import Path

import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.doctor.artifact import check_artifact
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

Ended = subprocess.CompletedProcess[str]


def test_a_calibrated_artifact_is_told_with_its_machine(trained: Trained, tmp_path: Path) -> None:
    recordings = audio_files(trained.new / "train")
    calibrate_files(
        Detector.load(trained.int8), recordings, machine="pump-3", report=print
    ).artifact.write(tmp_path / "pump-3.onnx")
    check = check_artifact(tmp_path / "pump-3.onnx")
    assert check.state == "ok"
    assert check.sentence.startswith(
        f"{tmp_path / 'pump-3.onnx'} (named): format 4, int8, machine pump-3, self-test passed"
    )


def test_an_artifact_of_no_machine_is_a_warning(trained: Trained) -> None:
    check = check_artifact(trained.float_)
    assert (check.state, check.advice) == ("warning", "calibrate it to a machine: edgeae calibrate")
    assert ", float, machine none, self-test passed" in check.sentence


def test_no_artifact_is_a_warning_until_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEAE_MODEL", raising=False)
    check = check_artifact(None)
    assert (check.state, check.sentence) == ("warning", "none is named or found")
    monkeypatch.setenv("EDGEAE_MODEL", "gone.onnx")
    assert check_artifact(None).state == "problem"


def test_a_damaged_artifact_is_a_problem(trained: Trained, tmp_path: Path) -> None:
    content = bytearray(trained.int8.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bad.onnx").write_bytes(content)
    check = check_artifact(tmp_path / "bad.onnx")
    assert check.state == "problem"
    assert "bad.onnx: not a usable edgeae artifact: " in check.sentence


def test_an_artifact_that_computes_otherwise_is_a_problem(trained: Trained, tmp_path: Path) -> None:
    artifact = Artifact.read(trained.int8)
    expected = artifact.sections["selftest"]
    artifact.with_sections(selftest={**expected, "score": expected["score"] + 1}).write(
        tmp_path / "bad.onnx"
    )
    check = check_artifact(tmp_path / "bad.onnx")
    assert (check.state, "self-test failed: the score is off by 1" in check.sentence) == (
        "problem",
        True,
    )


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (subprocess.CompletedProcess([], -signal.SIGILL, "", ""), "self-test killed by SIGILL"),
        (
            subprocess.CompletedProcess([], 2, "", "a\nedgeae: no numpy\n"),
            "self-test not done: edgeae: no numpy",
        ),
        (subprocess.CompletedProcess([], 2, "", ""), "self-test not done: no error message"),
        (subprocess.TimeoutExpired([], 120), "self-test not done in 120 s"),
    ],
)
def test_a_self_test_that_dies_does_not_take_the_page_with_it(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, ended: Ended | Exception, verdict: str
) -> None:
    def run(*_: object, **__: object) -> Ended:
        if isinstance(ended, Exception):
            raise ended
        return ended

    monkeypatch.setattr(subprocess, "run", run)
    check = check_artifact(trained.int8)
    assert (check.state, check.sentence.endswith(verdict)) == ("problem", True)
