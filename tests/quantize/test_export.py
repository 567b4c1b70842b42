"""What ships is whole, and drifts little from what was trained."""

import re
from pathlib import Path

import pytest

from edgeae.quantize.cli import DEFAULT_MAX_DRIFT
from edgeae.quantize.export import PACKAGES, Export, export, read_test_normals
from edgeae.runtime import Artifact, Detector
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.artifact import SECTIONS
from edgeae.runtime.scoring.selftest import check
from edgeae.train.config import load_config
from tests.conftest import Trained


@pytest.fixture
def export_once(exported: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command exports nothing again: it gets what the fixture made."""
    monkeypatch.setattr("edgeae.quantize.export.export", lambda run, **options: exported)


@pytest.mark.parametrize("which", ["float_", "int8"])
def test_artifact_carries_every_section_and_passes_its_selftest(
    trained: Trained, which: str
) -> None:
    artifact = Artifact.read(getattr(trained, which))
    missing = [name for name in SECTIONS[1:] if artifact.sections[name] is None]
    assert missing == ([] if which == "int8" else ["quantization"])
    assert "passed" in check(Detector(artifact))


def test_int8_network_is_under_a_third_of_float_and_under_220_kib(trained: Trained) -> None:
    sizes = [len(Artifact.read(path).network_bytes()) for path in (trained.float_, trained.int8)]
    assert sizes[1] <= 0.3 * sizes[0]
    assert sizes[1] <= 220 * 1024


def test_the_same_run_gives_the_same_networks(trained: Trained, exported: Export) -> None:
    assert exported.int8 is not None
    for path, made in ((trained.float_, exported.float_), (trained.int8, exported.int8)):
        assert Artifact.read(path).network_bytes() == made.network_bytes()


@pytest.mark.usefixtures("export_once")
@pytest.mark.parametrize("with_output", [True, False])
def test_an_int8_network_that_drifts_too_far_is_not_written(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], with_output: bool
) -> None:
    target = tmp_path / "model.onnx"
    output = ["-o", str(target)] if with_output else []
    before = {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    command = ["export", str(trained.run), "--int8", "--max-drift", "1e-6", *output]
    assert run_command(command) == 3
    assert not target.exists()
    assert before == {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    printed = capsys.readouterr()
    assert printed.out == ""
    message = printed.err.splitlines()[-1]
    assert re.search(r"scores by 0\.0\d\d .*% by (input|body\.\d+)\), allowed is 1e-06", message)
    assert "--max-drift" in message


@pytest.mark.usefixtures("export_once")
def test_the_drift_is_recorded_in_the_artifact(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.onnx"
    assert run_command(["export", str(trained.run), "--int8", "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    quantization = Artifact.read(target).sections["quantization"]
    assert 0 < quantization["drift"] < quantization["max_drift"] == DEFAULT_MAX_DRIFT


@pytest.mark.slow
def test_export_prints_the_layers_and_writes_a_network_that_drifts_little(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.onnx"
    assert run_command(["export", str(trained.run), "--int8", "-o", str(target)]) == 0
    assert "share of drift  on 18 normal test clips" in capsys.readouterr().err
    assert target.exists()


@pytest.mark.parametrize("option", [["--reduce-range"], ["--max-drift", "0.2"]])
def test_options_of_int8_need_int8(
    trained: Trained, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert run_command(["export", str(trained.run), *option]) == 2
    assert "need --int8" in capsys.readouterr().err


def test_normal_test_recordings_are_read_and_no_others(trained: Trained, tmp_path: Path) -> None:
    config = load_config("tiny")
    assert len(read_test_normals(trained.data, config, print)) == 18
    assert read_test_normals(tmp_path, config, print) == []


def test_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint"):
        export(tmp_path, int8=True, report=print)


def test_provenance_names_data_configuration_and_versions(trained: Trained) -> None:
    origin = Artifact.read(trained.int8).sections["provenance"]
    assert origin["config"]["model"]["name"] == "edge"
    assert len(origin["data"]["fingerprint"]) == 64
    assert origin["data"]["recordings"] == 48
    assert origin["data"]["machines"] == ["id_00", "id_01", "id_02"]
    assert origin["data"]["samplerates"] == [16000]
    assert set(PACKAGES) <= set(origin["versions"])


def test_window_is_no_longer_than_the_training_recordings(trained: Trained) -> None:
    # Clips of 4 s; 10 s as configured.
    assert Detector.load(trained.int8).window == pytest.approx(4 * 1.024)
