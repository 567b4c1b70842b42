"""The self-test accepts a computer that computes correctly and refuses one that does not."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import PatchStatistics
from edgeae.runtime.scoring import selftest
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32

# Of seed 20200615, with the constants of Numerical Recipes.
FIRST_INTEGERS = [-30577, -25056, -31695, -31175, 10992, 31400]


@pytest.fixture(scope="module", params=["float_", "int8"])
def artifact(trained: Any, request: pytest.FixtureRequest) -> Artifact:
    return Artifact.read(getattr(trained, request.param))


def refusal(detector: Detector) -> str:
    with pytest.raises(ArtifactError) as caught:
        selftest.check(detector)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_passes_where_the_artifact_was_made(artifact: Artifact) -> None:
    exact = "int8 outputs exact, " if artifact.sections["quantization"] else ""
    assert selftest.check(Detector(artifact)).startswith(
        f"self-test passed ({exact}score off by 0.0e+00"
    )


def test_passes_after_another_head_was_chosen_and_measured(artifact: Artifact) -> None:
    detector = Detector(artifact).with_kind("mse")
    measured = detector.with_sections(selftest=selftest.measure(detector))
    assert "passed" in selftest.check(measured)


@pytest.mark.parametrize(("part", "factor"), [("mean", 1.05), ("machine_factor", 0)])
def test_refuses_a_changed_head(artifact: Artifact, part: str, factor: float) -> None:
    head = artifact.sections["head"]
    changed = artifact.with_sections(head={**head, part: head[part] * factor})
    assert "the score is off by" in refusal(Detector(changed))


def test_refuses_changed_weights(artifact: Artifact) -> None:
    model = onnx.load_from_string(artifact.model)
    largest = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    values = numpy_helper.to_array(largest).copy()
    values.flat[: values.size // 4] = values.flat[0]
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    assert "computes" in refusal(Detector(replace(artifact, model=model.SerializeToString())))


@pytest.mark.parametrize("layer", range(9))
def test_detects_other_rounding_of_the_weights_of_one_layer(trained: Any, layer: int) -> None:
    artifact = Artifact.read(trained.int8)
    model = onnx.load_from_string(artifact.model)
    weights = [
        t
        for t in model.graph.initializer
        if t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 1
    ]
    values = numpy_helper.to_array(weights[layer]).copy()
    values -= np.sign(values)  # each one step nearer to zero
    weights[layer].CopyFrom(numpy_helper.from_array(values, weights[layer].name))
    assert "--reduce-range" in refusal(Detector(replace(artifact, model=model.SerializeToString())))


class WrongNetwork:
    """A network on a processor that computes slightly wrong results."""

    def __init__(self, network: Any, factor: float) -> None:
        self._network = network
        self._factor = np.float32(factor)
        self.patch_frames = network.patch_frames
        self.n_identity = network.n_identity
        self.out_of_range = network.out_of_range

    def __call__(self, patches: Float32) -> PatchStatistics:
        right = self._network(patches)
        return PatchStatistics(right.sums * self._factor, right.identity * self._factor)

    def residual(self, patches: Float32) -> Float32:
        return np.asarray(self._network.residual(patches) * self._factor)


@pytest.mark.parametrize("factor", [0.99, 1.01, 0.0, np.nan])
def test_refuses_a_processor_that_computes_differently(artifact: Artifact, factor: float) -> None:
    network = WrongNetwork(Detector(artifact).network, factor)
    what_to_do = "--reduce-range" if artifact.sections["quantization"] else "install other versions"
    assert what_to_do in refusal(Detector(artifact, network))


def test_allows_a_float_network_an_error_in_the_last_digit_and_an_int8_network_none(
    trained: Any,
) -> None:
    float_, int8 = (Artifact.read(path) for path in (trained.float_, trained.int8))
    network = WrongNetwork(Detector(float_).network, 1 + 1e-6)
    assert "passed" in selftest.check(Detector(float_, network))
    network = WrongNetwork(Detector(int8).network, 1 + 1e-6)
    assert "computes the int8 network differently" in refusal(Detector(int8, network))


@pytest.mark.parametrize(
    "section",
    [
        None,
        {},
        [],
        "passed",
        {"seed": 1},
        {"seed": "one", "sha256": None, "energy": 0.0, "score": 0.0, "tolerance": 1.0},
        {"seed": 1, "sha256": None, "energy": None, "score": 0.0, "tolerance": 1.0},
        {"seed": 1, "sha256": None, "energy": 10**400, "score": 0.0, "tolerance": 1.0},
        {"seed": 1, "sha256": None, "energy": 0.0, "score": 0.0, "tolerance": "wide"},
        {"seed": 1, "sha256": None, "energy": [0.0], "score": 0.0, "tolerance": 1.0},
        {"seed": 1, "energy": 0.0, "score": 0.0, "tolerance": 1.0},
        {"seed": -1, "sha256": None, "energy": 0.0, "score": 0.0, "tolerance": 1.0},
    ],
)
def test_refuses_an_artifact_without_a_usable_self_test(trained: Any, section: Any) -> None:
    detector = Detector.load(trained.int8).with_sections(selftest=section)
    assert re.search("carries no self-test|the self-test is damaged", refusal(detector))


def test_the_noise_is_the_same_integers_on_every_computer() -> None:
    noise = selftest.seeded_noise(selftest.DEFAULT_SEED, 16000)
    integers = noise / np.float32(0.1 * np.sqrt(3) / 32768)
    np.testing.assert_array_equal(np.rint(integers[:6]), FIRST_INTEGERS)
    assert np.max(np.abs(integers - np.rint(integers))) < 0.01
    assert noise.dtype == np.float32


def test_the_noise_is_at_20_db_below_full_scale() -> None:
    noise = selftest.seeded_noise(selftest.DEFAULT_SEED, 48000).astype(float)
    assert 20 * np.log10(np.sqrt(np.mean(noise**2))) == pytest.approx(-20, abs=0.1)
    assert abs(noise.mean()) < 1e-3


def test_another_seed_gives_other_noise() -> None:
    assert not np.array_equal(selftest.seeded_noise(1, 100), selftest.seeded_noise(2, 100))
