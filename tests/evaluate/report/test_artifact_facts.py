"""Facts of an artifact for the card: what is not stated is None."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgeae.evaluate.report import artifact_facts
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector

if TYPE_CHECKING:
    from tests.conftest import Trained


def test_a_float_network_has_no_facts_of_quantization(trained: "Trained") -> None:
    assert artifact_facts.quantization(Detector.load(trained.float_)) == []
    facts = dict(artifact_facts.quantization(Detector.load(trained.int8)))
    assert facts["weights"] == "int8 per channel"


def test_versions_of_another_shape_are_left_out(trained: "Trained", tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    Artifact.read(trained.int8).with_sections(provenance={"versions": 3}).write(path)
    facts = dict(artifact_facts.versions(Detector.load(path), path))
    assert not any(name.startswith("made with") for name in facts)
    assert facts["file"] == f"model.onnx, {path.stat().st_size:,} bytes"
