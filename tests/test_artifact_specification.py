"""The program in docs/artifact.md scores as edgeae does: the artifact alone is enough."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.scoring.detector import Detector

PAGE = Path(__file__).parents[1] / "docs" / "artifact.md"
SOUND = np.random.default_rng(3).standard_normal(16000 * 8).astype(np.float32) * np.float32(0.05)


@pytest.fixture(scope="module", params=["int8", "float_"])
def machine(trained: Any, request: pytest.FixtureRequest) -> Detector:
    """An artifact calibrated on a machine that the network never heard."""
    recordings = sorted((trained.new / "train").glob("*.wav"))
    return calibrate_files(
        Detector.load(getattr(trained, request.param)), recordings, machine="pump-3", report=print
    )


@pytest.mark.parametrize("kind", ["gaussian", "no_network"])
def test_the_program_of_the_specification_scores_as_edgeae_does(
    machine: Detector, kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = machine.with_kind(kind)
    detector.artifact.write(tmp_path / "machine.onnx")
    monkeypatch.chdir(tmp_path)
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    results = list(detector.stream([SOUND]))
    frames = log_mel(SOUND, detector.spec)
    patches = frames[: len(frames) // 32 * 32].reshape(-1, 32, detector.spec.n_mels)
    length = round(detector.window * detector.spec.frames_per_second / 32)
    scores = [names["score"](patches[k : k + length]) for k in range(len(patches) - length + 1)]
    np.testing.assert_allclose(
        [result.score for result in results[: len(scores)]], scores, rtol=0, atol=2e-6
    )
    assert names["limit"] == detector.threshold.value


def test_the_network_is_what_the_specification_says(machine: Detector) -> None:
    session = onnxruntime.InferenceSession(
        machine.artifact.model, providers=["CPUExecutionProvider"]
    )
    assert [(i.name, i.shape) for i in session.get_inputs()] == [
        ("log_mel", ["n_patches", 32, 128])
    ]
    assert [o.name for o in session.get_outputs()] == ["residual", "statistics"]
    [opset] = onnx.load_from_string(machine.artifact.model).opset_import
    assert (opset.domain, opset.version >= 17) == ("", True)


def test_every_key_of_the_artifact_is_in_the_specification(machine: Detector) -> None:
    text = PAGE.read_text()
    sections = machine.artifact.sections
    keys = (
        {f"edgeae.{name}" for name in sections} | set(sections["head"]) | set(sections["explain"])
    )
    keys |= set(sections["selftest"]) | set(sections["head"]["fleet"])
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
