"""`quantize` gives a file that runs in integers and that stays close to the float network."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeae.quantize.qdq import quantize
from edgeae.quantize.ranges import measure_ranges
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.verify import assert_integer, assert_same, optimized_nodes
from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.model.network import statistics_of
from edgeae.runtime.system.arrays import Float32
from tests.quantize.small_networks import (
    MEAN,
    STD,
    Pair,
    inner,
    parameter,
    reconstruction,
    run,
    sound,
    subtraction,
)


def operations(model_bytes: bytes) -> Counter[str]:
    """How often each operation is in the graph that onnxruntime runs."""
    return Counter(node.op_type for node in optimized_nodes(model_bytes))


def test_rewriting_keeps_the_output(pair: Pair) -> None:
    assert_same(pair[0], rewrite(pair[0]))


def test_the_optimized_graph_is_integer_throughout(pair: Pair) -> None:
    assert_integer(pair[1].SerializeToString())


def test_each_convolution_is_one_integer_node(pair: Pair) -> None:
    layers = [node for node in rewrite(pair[0]).graph.node if node.op_type == "Conv"]
    assert operations(pair[1].SerializeToString())["QLinearConv"] == len(layers)


def test_the_temporal_networks_need_no_transpose(pair: Pair) -> None:
    model, int8 = pair
    if any(node.op_type == "Unsqueeze" for node in model.graph.node):
        pytest.skip("the image network transposes pixels while it doubles rows")
    assert operations(int8.SerializeToString())["Transpose"] == 0


def test_the_file_is_valid_onnx(pair: Pair) -> None:
    onnx.checker.check_model(pair[1], full_check=True)


def test_the_residual_is_close_to_float(pair: Pair) -> None:
    model, int8 = pair
    x = sound(50, 3)
    expected = reconstruction(model, x)
    error = run(int8, x) - run(model, x)
    assert error.std() < max(0.03 * expected.std(), 0.01)  # standard deviations of the input
    assert np.abs(error).max() < max(0.1 * np.ptp(expected), 0.03)


def test_the_sums_of_an_int8_network_are_exact(pair: Pair) -> None:
    x = sound(4, 4)
    reconstructed, z = subtraction(pair[1]).input
    unit = parameter(pair[1], "statistics.unit").astype(np.float32)
    counts, z, statistics = inner(pair[1], x, reconstructed, z, "statistics")
    v = np.concatenate([z, counts - z], axis=2).astype(np.int64)
    sums = [v.sum(axis=1), (v**2).sum(axis=1), (np.diff(v, axis=1) ** 2).sum(axis=1)]
    assert np.abs(v).max() < 1448
    units = parameter(pair[1], "statistics.units")
    np.testing.assert_allclose(units[:, 0], [unit, unit**2, unit**2], rtol=1e-6)
    np.testing.assert_array_equal(statistics, np.stack(sums, axis=1).astype(np.float32) * units)


def test_a_float_network_gives_the_same_sums(pair: Pair) -> None:
    from edgeae.quantize.statistics_output import with_statistics

    x = sound(5, 4)
    model = with_statistics(rewrite(pair[0]))
    residual, found = inner(model, x, "residual", "statistics")
    np.testing.assert_allclose(
        found, statistics_of((x - MEAN) / STD, residual).sums, rtol=1e-4, atol=1e-3
    )


def test_inputs_beyond_the_range_clamp(pair: Pair) -> None:
    loud = MEAN + STD * np.sign(sound(3, 5) - MEAN)  # every value far out, up or down
    far, farther = (MEAN + factor * (loud - MEAN) for factor in (1e3, 1e5))
    reconstructed = subtraction(pair[1]).input[0]
    np.testing.assert_array_equal(
        inner(pair[1], far, reconstructed)[0], inner(pair[1], farther, reconstructed)[0]
    )


def test_the_batch_size_does_not_change_the_output(pair: Pair) -> None:
    x = sound(7, 6)
    one_by_one = np.concatenate([run(pair[1], x[i : i + 1]) for i in range(7)])
    np.testing.assert_array_equal(run(pair[1], x), one_by_one)


def test_the_same_patches_give_the_same_file(rewritten: onnx.ModelProto) -> None:
    first, second = (
        quantize(rewritten, iter([sound(20, 1)])).SerializeToString() for _ in range(2)
    )
    assert first == second


def test_weights_are_signed_8_bit_by_channel_and_biases_32_bit(rewritten: onnx.ModelProto) -> None:
    int8 = quantize(rewritten, [sound(20, 1)])
    undo = {node.output[0]: node for node in int8.graph.node if node.op_type == "DequantizeLinear"}
    for conv in (node for node in int8.graph.node if node.op_type == "Conv"):
        weight, bias = (undo[name] for name in conv.input[1:])
        assert parameter(int8, weight.input[0]).dtype == np.int8
        assert parameter(int8, weight.input[1]).shape == parameter(int8, weight.input[0]).shape[:1]
        assert len(weight.input) == 2  # zero is zero
        assert parameter(int8, bias.input[0]).dtype == np.int32


def test_reduced_weights_have_7_bits(rewritten: onnx.ModelProto) -> None:
    int8 = quantize(rewritten, [sound(20, 1)], reduce_range=True)
    weights = [onnx.numpy_helper.to_array(t) for t in int8.graph.initializer]
    assert (
        max(np.abs(w.astype(int)).max() for w in weights if w.dtype == np.int8 and w.ndim > 1) <= 64
    )


@pytest.mark.parametrize("headroom", [1.0, 1.25, 2.0])
def test_headroom_widens_the_range_about_zero(rewritten: onnx.ModelProto, headroom: float) -> None:
    x = sound(20, 1)
    int8 = quantize(rewritten, [x], headroom=headroom)
    first = next(node for node in int8.graph.node if node.op_type == "QuantizeLinear")
    scale = parameter(int8, first.input[1]) * parameter(int8, "statistics.unit")
    assert scale == pytest.approx(headroom * np.ptp((x - MEAN) / STD) / 255, rel=1e-5)


def test_the_range_of_a_relu_starts_at_zero(rewritten: onnx.ModelProto) -> None:
    int8 = quantize(rewritten, [sound(20, 1)])
    points = [
        parameter(int8, n.input[2]).item() for n in int8.graph.node if n.op_type == "QuantizeLinear"
    ]
    assert points.count(0) == 7  # all layers but the input, the bottleneck and the output


def test_the_ranges_cover_every_patch(rewritten: onnx.ModelProto) -> None:
    quiet = sound(100, 1)
    loud = sound(1, 2) + np.float32(40)  # dB
    alone = measure_ranges(rewritten, [loud])
    both = measure_ranges(rewritten, [quiet, loud, quiet])
    for name, (low, high) in alone.items():
        assert (both[name][0] <= low + 1e-4).all(), name
        assert (both[name][1] >= high - 1e-4).all(), name


def test_metadata_is_kept(rewritten: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(rewritten)
    onnx.helper.set_model_props(model, {"edgeae.format": "1"})
    assert [(p.key, p.value) for p in quantize(model, [sound(5, 1)]).metadata_props] == [
        ("edgeae.format", "1")
    ]


def test_nothing_is_said_and_nothing_left_behind(
    rewritten: onnx.ModelProto,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert_integer(quantize(rewritten, [sound(5, 1)]).SerializeToString())
    assert not any(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_float_network_is_not_taken_for_an_integer_one(rewritten: onnx.ModelProto) -> None:
    with pytest.raises(ArtifactError, match=r"does not run in integers throughout: .*Conv"):
        assert_integer(rewritten.SerializeToString())


def test_a_layer_left_in_float_is_named(pair: Pair) -> None:
    model, _ = pair
    before = onnx.ModelProto()
    before.CopyFrom(model)
    if not any(node.op_type == "ConvTranspose" for node in before.graph.node):
        pytest.skip("nothing to rewrite")
    with pytest.raises(ArtifactError, match="ConvTranspose stays in float"):
        quantize(before, [sound(5, 1)])


def test_a_damaged_file_is_an_artifact_error() -> None:
    with pytest.raises(ArtifactError, match="does not load"):
        assert_integer(b"not a model")


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ([], "no patches"),
        ([np.zeros((32, 128), np.float32)], "shape"),
        ([sound(2, 1) * np.nan], "finite"),
    ],
)
def test_unusable_patches_are_refused(
    rewritten: onnx.ModelProto, patches: list[Float32], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        quantize(rewritten, patches)


@pytest.mark.parametrize("headroom", [0.5, -1.0, float("nan"), float("inf")])
def test_an_impossible_headroom_is_refused(rewritten: onnx.ModelProto, headroom: float) -> None:
    with pytest.raises(ConfigError, match="headroom"):
        quantize(rewritten, [sound(2, 1)], headroom=headroom)
