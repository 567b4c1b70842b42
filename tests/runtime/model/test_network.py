"""The network of an artifact: what it computes, its limits, and the networks that it refuses."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import (
    MAX_PATCH_FRAMES,
    Network,
    NetworkLimits,
    run_within,
    statistics_of,
)
from edgeae.runtime.system.arrays import Float32

N_MELS = 4
N_FRAMES = 3
MEL = MelSpec(n_mels=N_MELS)


def model(
    sign: float = 1.0,
    shape: tuple[str | int, ...] = ("n", N_FRAMES, N_MELS),
    statistics: str = "statistics",
    n_identity: int = 0,
) -> bytes:
    """A network whose residual is its input times 2, without a model of the sound.

    Its statistics are the sums of the input and, times ``sign``, the sums of its squares. Its
    identity embedding is the first frame's first ``n_identity`` bands, times 2.
    """
    constants: dict[str, NDArray[np.generic]] = {
        "two": np.array(2.0, np.float32),
        "sign": np.array(sign, np.float32),
        "time": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["residual"]),
        helper.make_node("Mul", ["x", "x"], ["positive"]),
        helper.make_node("Mul", ["positive", "sign"], ["squares"]),
        helper.make_node("Concat", ["x", "x"], ["both"], axis=2),
        helper.make_node("Concat", ["squares", "squares"], ["both_squares"], axis=2),
        helper.make_node("ReduceSum", ["both", "time"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["both_squares", "time"], ["sum_of_squares"], keepdims=1),
        helper.make_node(
            "Concat", ["sum", "sum_of_squares", "sum_of_squares"], [statistics], axis=1
        ),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in ("residual", statistics)
    ]
    if n_identity:
        constants["first"] = np.array([0, 0], np.int64)
        constants["last"] = np.array([1, n_identity], np.int64)
        constants["axes"] = np.array([1, 2], np.int64)
        slice_inputs = ["residual", "first", "last", "axes"]
        nodes.append(helper.make_node("Slice", slice_inputs, ["frame"]))
        nodes.append(helper.make_node("Squeeze", ["frame", "time"], ["identity"]))
        outputs.append(helper.make_tensor_value_info("identity", TensorProto.FLOAT, None))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = made.SerializeToString()
    return content


def artifact(content: bytes, **sections: object) -> Artifact:
    return Artifact.build(content, MEL, **sections)


def patches(n: int) -> Float32:
    generator = np.random.default_rng(0)
    return generator.normal(size=(n, N_FRAMES, N_MELS)).astype(np.float32)


def test_the_frames_of_a_patch_are_those_of_the_input() -> None:
    assert Network(artifact(model())).patch_frames == N_FRAMES


@pytest.mark.parametrize(
    "n", [0, 1, NetworkLimits().max_batch_patches, NetworkLimits().max_batch_patches + 1]
)
def test_any_number_of_patches_is_computed(n: int) -> None:
    network = Network(artifact(model()))
    x = patches(n)
    sums = network(x).sums
    assert network(x).identity.shape == (n, 0)
    assert sums.shape == (n, 3, 2 * N_MELS)
    np.testing.assert_allclose(sums[:, 0, :N_MELS], x.sum(axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(network.residual(x), 2 * x)


def test_an_identity_embedding_is_given_with_the_sums() -> None:
    network = Network(artifact(model(n_identity=3)), NetworkLimits(max_batch_patches=2))
    x = patches(5)
    statistics = network(x)
    assert network.n_identity == 3
    np.testing.assert_array_equal(statistics.identity, 2 * x[:, 0, :3])
    last = statistics[4:]
    np.testing.assert_array_equal(last.identity, statistics.identity[4:])
    joined = statistics[:4].joined(last)
    np.testing.assert_array_equal(joined.sums, statistics.sums)


def test_statistics_are_sums_over_the_time_of_both() -> None:
    z = np.array([[[1.0], [2.0], [4.0]]], np.float32)
    residual = np.array([[[0.0], [3.0], [3.0]]], np.float32)
    expected = [[[7.0, 6.0], [21.0, 18.0], [5.0, 9.0]]]
    np.testing.assert_array_equal(statistics_of(z, residual).sums, expected)


def test_the_share_beyond_the_range_of_the_input_is_counted() -> None:
    limits = {
        "input_low_db": np.full(N_MELS, -1.0),
        "input_high_db": np.full(N_MELS, 1.0),
    }
    network = Network(artifact(model(), quantization=limits))
    x = np.zeros((2, N_FRAMES, N_MELS), np.float32)
    x[1, 0] = [2.0, -2.0, 1.0, -1.0]
    np.testing.assert_allclose(network.out_of_range(x), [0, 2 / 12])
    relative = Network(artifact(model(n_identity=3), quantization=limits))
    assert not relative.out_of_range(x).any()


def test_a_float_network_has_no_range() -> None:
    assert not Network(artifact(model())).out_of_range(1e6 * patches(2)).any()


@pytest.mark.parametrize(
    "shape",
    [
        ("n", N_FRAMES, N_MELS + 1),
        ("n", 1, N_MELS),
        ("n", MAX_PATCH_FRAMES + 1, N_MELS),
        ("n", "frames", N_MELS),
    ],
)
def test_another_input_is_refused(shape: tuple[str | int, ...]) -> None:
    with pytest.raises(ArtifactError, match=r"allowed is \(n_patches, frames, 4\)"):
        Network(artifact(model(shape=shape)))


def test_a_network_without_an_output_is_refused() -> None:
    with pytest.raises(ArtifactError, match="needed are residual and statistics"):
        Network(artifact(model(statistics="sums")))


def test_sums_of_squares_below_0_are_refused() -> None:
    with pytest.raises(ArtifactError, match="sums of squares below 0"):
        Network(artifact(model(sign=-1.0)))


def test_values_that_are_not_numbers_are_refused() -> None:
    network = Network(artifact(model()))
    with pytest.raises(ArtifactError, match="values that are not numbers as residual"):
        network.residual(np.full((1, N_FRAMES, N_MELS), np.inf, np.float32))


def test_a_file_that_onnxruntime_cannot_load_is_refused() -> None:
    with pytest.raises(ArtifactError, match="onnxruntime refuses the network"):
        Network(artifact(b"no network"))


def test_the_time_limit_is_that_of_the_limits() -> None:
    network = Network(artifact(model()), NetworkLimits(max_first_patch_seconds=5.0))
    assert network.patch_frames == N_FRAMES
    with pytest.raises(ArtifactError, match="took longer than 0 s"):
        Network(artifact(model()), NetworkLimits(max_first_patch_seconds=0.0))


def test_a_network_that_never_ends_is_abandoned() -> None:
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            pass

    with pytest.raises(ArtifactError, match=r"took longer than 0\.05 s"):
        run_within(0.05, compute)
    ended.set()


def test_a_network_that_waits_for_a_busy_computer_is_waited_for() -> None:
    never = threading.Event()
    assert run_within(0.2, lambda: never.wait(0.5)) is False
