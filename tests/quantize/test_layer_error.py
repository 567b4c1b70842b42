"""`analyse` says which layer loses what in int8."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from edgeae.quantize import layer_error as layers
from edgeae.quantize.export import Export
from edgeae.quantize.layer_error import Layer
from edgeae.quantize.layer_tensors import Tensor, quantize_only, tensors_of
from edgeae.quantize.qdq import quantize
from edgeae.quantize.quantization_error import window_scores
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.statistics_output import with_statistics
from edgeae.quantize.torch_to_onnx import to_onnx
from edgeae.runtime import Artifact, ArtifactError, Detector
from edgeae.runtime.model.network import Network
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import build
from edgeae.train.config import load_config

NAMES = {"input", *(f"body.{i}" for i in (0, 3, 6, 9, 10, 13, 16, 19, 22))}  # of the preset edge


@pytest.fixture(scope="module")
def quantized(exported: Export) -> onnx.ModelProto:
    assert exported.int8 is not None
    return onnx.load_from_string(exported.int8.model)


@pytest.fixture(scope="module")
def clips(exported: Export) -> list[Float32]:
    return [np.asarray(frames) for frames in exported.training_set.frames[::4]]


@pytest.fixture(scope="module")
def found(exported: Export, quantized: onnx.ModelProto, clips: list[Float32]) -> list[Layer]:
    return layers.analyse(exported.model, quantized, exported.float_, clips)


@pytest.fixture(scope="module")
def tensors(exported: Export, quantized: onnx.ModelProto) -> dict[str, list[Tensor]]:
    return tensors_of(exported.model.graph, quantized.graph)


def by_name(found: list[Layer]) -> dict[str, Layer]:
    return {layer.name: layer for layer in found}


def coarse(model: onnx.ModelProto, tensor: str, factor: float) -> onnx.ModelProto:
    """The int8 network with steps of a tensor that are `factor` times as wide."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    quantize = next(node for node in copy.graph.node if tensor in node.output)
    scale = next(value for value in copy.graph.initializer if value.name == quantize.input[1])
    scale.CopyFrom(
        onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(scale) * np.float32(factor), scale.name
        )
    )
    return copy


def test_each_convolution_is_a_layer_named_as_in_torch_the_worst_first(found: list[Layer]) -> None:
    assert {layer.name for layer in found} == NAMES
    assert sum(layer.drift_share for layer in found) == pytest.approx(1)
    assert [layer.drift_share for layer in found] == sorted(
        (layer.drift_share for layer in found), reverse=True
    )


def test_convolutions_that_a_rewritten_layer_became_are_one_layer() -> None:
    config = load_config("cnn2d")
    model = rewrite(to_onnx(build(config.model, 128).eval(), config))
    noise = np.random.default_rng(0).normal(-40, 20, (4, 32, 128)).astype(np.float32)
    found = tensors_of(model.graph, quantize(model, [noise]).graph)
    assert list(found) == ["input", *(f"body.{i}" for i in (0, 3, 7, 11, 15, 16, 19, 22, 25, 28))]
    assert [len(found[f"body.{i}"]) for i in (16, 19, 22, 25, 28)] == [1, 4, 4, 4, 1]


def run_unoptimized(
    model: onnx.ModelProto, names: list[str], patches: Float32
) -> list[NDArray[np.uint8]]:
    """Tensors of a network as its nodes stand in the file, on any processor.

    Optimized, onnxruntime rounds the weights of `quantize_only` once more, and 8-bit products
    saturate on processors without VNNI.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(names, {"log_mel": patches}))


def test_all_layers_rounded_are_the_int8_network(
    exported: Export,
    quantized: onnx.ModelProto,
    tensors: dict[str, list[Tensor]],
    clips: list[Float32],
) -> None:
    """But for neighbouring integers: the int8 network rounds its input to whole units before."""
    every = [tensor for group in tensors.values() for tensor in group]
    patches = clips[0][:64].reshape(2, 32, 128)
    rounded = quantize_only(exported.model, every)
    simulated = run_unoptimized(rounded, [f"{tensor.name}.integers" for tensor in every], patches)
    expected = run_unoptimized(quantized, [tensor.integers for tensor in every], patches)
    for ours, theirs in zip(simulated, expected, strict=True):
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.mean() < 0.5
        assert np.mean(difference > 2) < 0.05


def test_normal_sound_is_within_range_and_well_above_the_noise(found: list[Layer]) -> None:
    assert all(layer.saturated < 0.001 and layer.sqnr > 20 for layer in found)


def test_sound_beyond_range_is_counted_as_the_detector_counts_it(
    exported: Export, quantized: onnx.ModelProto, clips: list[Float32]
) -> None:
    loud = [frames[: len(frames) // 32 * 32] + 30 for frames in clips]  # dB
    patches = np.concatenate([frames.reshape(-1, 32, 128) for frames in loud])
    share = by_name(layers.analyse(exported.model, quantized, exported.float_, loud))[
        "input"
    ].saturated
    assert share > 0.05
    assert exported.int8 is not None
    assert share == pytest.approx(Network(exported.int8).out_of_range(patches).mean(), abs=0.002)


def test_a_layer_with_coarse_steps_gets_the_blame(
    exported: Export,
    quantized: onnx.ModelProto,
    tensors: dict[str, list[Tensor]],
    clips: list[Float32],
    found: list[Layer],
) -> None:
    name = "body.13"
    worst = layers.analyse(
        exported.model, coarse(quantized, tensors[name][0].integers, 30), exported.float_, clips
    )
    assert worst[0].name == name
    assert worst[0].drift_share > 0.5 > by_name(found)[name].drift_share
    assert by_name(worst)[name].sqnr < by_name(found)[name].sqnr - 6
    assert by_name(worst)["body.10"].sqnr == pytest.approx(by_name(found)["body.10"].sqnr, abs=0.01)


def test_a_layer_alone_moves_the_scores_less_than_all_of_them(
    exported: Export, tensors: dict[str, list[Tensor]], clips: list[Float32]
) -> None:
    exact = window_scores(Detector(exported.float_), clips)

    def moved(group: Sequence[Tensor]) -> float:
        model = with_statistics(quantize_only(exported.model, group)).SerializeToString()
        network = Network(Artifact.build(model, exported.float_.mel))
        return float(np.var(window_scores(Detector(exported.float_, network), clips) - exact))

    assert (
        0
        < moved(tensors["body.3"])
        < moved([tensor for group in tensors.values() for tensor in group])
    )


def test_the_network_given_is_left_as_it_was(
    exported: Export, tensors: dict[str, list[Tensor]]
) -> None:
    before = exported.model.SerializeToString()
    quantize_only(exported.model, tensors["body.0"])
    assert exported.model.SerializeToString() == before


def test_one_window_is_enough_to_find_the_worst_layer(
    exported: Export, quantized: onnx.ModelProto, clips: list[Float32]
) -> None:
    found = layers.analyse(exported.model, quantized, exported.float_, clips[:1])
    assert sum(layer.drift_share for layer in found) == pytest.approx(1)


def test_the_table_says_what_it_was_measured_on(found: list[Layer]) -> None:
    first, *lines = layers.format_table(found, "12 clips").splitlines()
    assert first.endswith("on 12 clips")
    assert [line.split()[0] for line in lines] == [layer.name for layer in found]


@pytest.mark.parametrize("drift", [0.2, float("nan")])
def test_too_much_drift_is_refused_with_the_layer_to_blame(drift: float) -> None:
    worst = [layers.Layer("body.9", 10.0, 0.5, 0.75), layers.Layer("input", 30.0, 0.0, 0.25)]
    with pytest.raises(ArtifactError, match=r"\(75% by body\.9\), allowed is 0\.1, .*--max-drift"):
        layers.check_drift(drift, 0.1, worst)


def test_drift_up_to_the_limit_is_allowed() -> None:
    layers.check_drift(0.1, 0.1, [layers.Layer("body.9", 10.0, 0.5, 0.75)])
