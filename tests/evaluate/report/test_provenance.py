"""Provenance is what the artifact states, whatever its shape."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeae.evaluate.report.provenance import provenance, training_config
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector

if TYPE_CHECKING:
    from tests.conftest import Trained


def test_the_model_the_training_and_the_test_are_named(
    trained: "Trained", tested: Mapping[str, MachineTest]
) -> None:
    detector = Detector.load(trained.int8)
    facts = dict(provenance(trained.int8, trained.new, detector, tested))
    section = detector.artifact.sections["provenance"]
    assert facts["model"] == str(trained.int8)
    assert facts["fingerprint of that data"] == section["data"]["fingerprint"]
    n_recordings = len(tested["id_03"].scores)
    assert facts["tested on"] == f"{trained.new}, {n_recordings} recordings of id_03"
    assert "scikit-learn " in facts["tested with"]
    assert json.loads(training_config(detector)) == section["config"]


@pytest.mark.parametrize("section", [None, {}, {"data": "x", "versions": [1]}])
def test_what_the_artifact_does_not_state_is_left_out(
    trained: "Trained", tested: Mapping[str, MachineTest], tmp_path: Path, section: object
) -> None:
    path = tmp_path / "model.onnx"
    Artifact.read(trained.int8).with_sections(provenance=section).write(path)
    detector = Detector.load(path)
    facts = dict(provenance(path, trained.new, detector, tested))
    assert facts.keys() == {"model", "tested on", "tested with", "threshold"}
    assert training_config(detector) == ""
