"""What ships is whole, and drifts little from what was trained."""

from pathlib import Path

import pytest

from edgeae.quantize.export import PACKAGES, Export, export, provenance, read_test_normals
from edgeae.quantize.training_set import TrainingSet
from edgeae.runtime import Artifact, Detector
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.artifact import SECTIONS
from edgeae.runtime.scoring.selftest import check
from edgeae.train.config import load_config
from tests.conftest import Trained


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


@pytest.mark.slow
def test_the_same_run_gives_the_same_networks(trained: Trained, exported: Export) -> None:
    assert exported.int8 is not None
    for path, made in ((trained.float_, exported.float_), (trained.int8, exported.int8)):
        assert Artifact.read(path).network_bytes() == made.network_bytes()


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


def test_provenance_names_no_folder_of_this_computer(tmp_path: Path) -> None:
    changes = ["data.background=[/home/somebody/off.wav]", "data.cache=/home/somebody/features"]
    config = load_config("tiny", changes)
    origin = provenance(tmp_path, tmp_path / "a.ckpt", config, "", TrainingSet([], []))
    assert "off.wav" in str(origin)
    assert "somebody" not in str(origin)


def test_window_is_no_longer_than_the_training_recordings(trained: Trained) -> None:
    # Clips of 4 s; 10 s as configured.
    assert Detector.load(trained.int8).window == pytest.approx(4 * 1.024)
