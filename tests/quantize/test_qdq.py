"""`quantize` gives a file that runs in integers and that stays close to the float network."""

import io
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from edgeae.quantize.conv_transpose import rewrite
from edgeae.quantize.equalize import equalize
from edgeae.quantize.fold_batchnorm import fold
from edgeae.quantize.qdq import quantize
from edgeae.quantize.ranges import measure_ranges
from edgeae.quantize.verify import assert_integer, assert_same, optimized_nodes
from edgeae.quantize.whole_units import input_range
from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.model.network import statistics_of
from edgeae.runtime.system.arrays import Float32

Values = NDArray[Any]
Pair = tuple[onnx.ModelProto, onnx.ModelProto]  # a float network as exported, its int8 form
Layer = nn.Module | tuple[nn.Module, ...]

MEAN = np.linspace(-30, -60, 128, dtype=np.float32)  # dB
STD = np.linspace(5, 9, 128, dtype=np.float32)  # dB


def operations(model_bytes: bytes) -> Counter[str]:
    """How often each operation is in the graph that onnxruntime runs."""
    return Counter(node.op_type for node in optimized_nodes(model_bytes))


class Network(nn.Module):
    """Standardise (n, 32, 128) dB, run `layers` on bands as channels or on an image, subtract."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, layers: Sequence[Layer], image: bool) -> None:
        super().__init__()
        self.layers = stacked(layers)
        self.image = image
        self.register_buffer("mean", torch.from_numpy(MEAN))
        self.register_buffer("std", torch.from_numpy(STD))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = (x - self.mean) / self.std
        if self.image:
            y: torch.Tensor = self.layers(z.unsqueeze(1)).squeeze(1)
        else:
            y = self.layers(z.transpose(1, 2)).transpose(1, 2)
        return y - z


def stacked(layers: Sequence[Layer]) -> nn.Sequential:
    """BatchNorm and ReLU after each layer but those in a tuple, which are linear."""
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, tuple):
            modules += layer
            continue
        assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d)
        image = layer.weight.ndim == 4
        norm = (nn.BatchNorm2d if image else nn.BatchNorm1d)(layer.out_channels)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.5)
        nn.init.normal_(norm.get_buffer("running_mean"), std=0.2)
        modules += [layer, norm, nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*modules)


def edge(w: int = 16) -> Network:
    down, up = nn.Conv1d, nn.ConvTranspose1d
    encoder: list[Layer] = [
        down(128, w, 5, 2, 2),
        down(w, w, 3, 2, 1),
        down(w, w, 3, 2, 1),
        (down(w, 8, 1),),
    ]
    decoder: list[Layer] = [
        down(8, w, 1),
        *(up(w, w, 4, 2, 1) for _ in range(3)),
        (down(w, 128, 3, 1, 1),),
    ]
    return Network([*encoder, *decoder], image=False)


def cnn2d(w: int = 4) -> Network:
    down, up = nn.Conv2d, nn.ConvTranspose2d
    encoder: list[Layer] = [
        down(1, w, 5, 2, 2),
        down(w, 2 * w, 5, 2, 2),
        down(2 * w, 2 * w, 3, 2, 1),
    ]
    encoder += [down(2 * w, 4 * w, 3, 2, 1), (down(4 * w, 5, 3, 1, 1),)]
    decoder: list[Layer] = [
        up(5, 4 * w, 3, 1, 1),
        up(4 * w, 2 * w, 3, 2, 1, 1),
        up(2 * w, 2 * w, 3, 2, 1, 1),
    ]
    decoder += [up(2 * w, w, 5, 2, 2, 1), (up(w, 1, 5, 2, 2, 1),)]
    return Network([*encoder, *decoder], image=True)


def dense(w: int = 16) -> Network:
    one, up = nn.Conv1d, nn.ConvTranspose1d
    encoder = [one(128, w, 5, 1, 4), one(w, w, 1), one(w, w, 1), one(w, 8, 1)]
    return Network([*encoder, one(8, w, 1), one(w, w, 1), (up(w, 128, 5, 1, 4),)], image=False)


NETWORKS = {"edge": edge, "cnn2d": cnn2d, "dense": dense}


def exported(network: Network) -> onnx.ModelProto:
    buffer: Any = io.BytesIO()  # torch's signature names paths alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter that needs no onnxscript
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 32, 128),),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["logmel"],
            output_names=["residual"],
            dynamic_axes={"logmel": {0: "n"}, "residual": {0: "n"}},
        )
    return onnx.load_from_string(buffer.getvalue())


def sound(n: int, seed: int) -> Float32:
    noise = np.random.default_rng(seed).normal(size=(n, 32, 128))
    return (MEAN + STD * noise).astype(np.float32)


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request: pytest.FixtureRequest) -> Pair:
    """A float network as exported and its int8 form."""
    torch.manual_seed(0)
    model = exported(NETWORKS[request.param]())
    return model, quantize(rewrite(model), [sound(60, 1), sound(40, 2)])


@pytest.fixture(scope="module")
def rewritten() -> onnx.ModelProto:
    torch.manual_seed(0)
    return rewrite(exported(edge(8)))


def run(model: onnx.ModelProto, x: Values) -> Values:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    output: Values = session.run(None, {"logmel": x})[0]
    return output


def reconstruction(model: onnx.ModelProto, x: Values) -> Values:
    """What the network proper gives, before the standardised input is subtracted."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output[0].name = subtraction(model).input[0]
    return run(copy, x)


def subtraction(model: onnx.ModelProto) -> onnx.NodeProto:
    """The node that gives reconstruction minus z; in an int8 network, in units."""
    node: onnx.NodeProto = next(
        n for n in model.graph.node if n.op_type == "Sub" and n.output[0].startswith("residual")
    )
    return node


def inner(model: onnx.ModelProto, x: Values, *tensors: str) -> list[Values]:
    """What tensors within the graph hold."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs: list[Values] = session.run(list(tensors), {session.get_inputs()[0].name: x})
    return outputs


def parameter(model: onnx.ModelProto, name: str) -> Values:
    tensor = next(t for t in model.graph.initializer if t.name == name)
    return onnx.numpy_helper.to_array(tensor)


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


def test_everything_outside_of_the_integers_is_counted_in_whole_units(pair: Pair) -> None:
    x = sound(4, 4)
    reconstructed, z = subtraction(pair[1]).input
    unit = parameter(pair[1], "statistics.unit")
    counts, z, residual = inner(pair[1], x, reconstructed, z, "residual")
    for whole in (counts, z):
        np.testing.assert_array_equal(whole, np.round(whole))
    assert np.abs(z * unit - (x - MEAN) / STD).max() <= unit / 2 + 1e-5
    np.testing.assert_array_equal(residual, (counts - z) * unit)


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
        found, statistics_of((x - MEAN) / STD, residual), rtol=1e-4, atol=1e-3
    )


def test_a_band_of_small_range_has_small_steps() -> None:
    torch.manual_seed(3)
    network = dense()
    with torch.no_grad():
        last = network.layers[-1]
        weight = last.get_parameter("weight")  # of a ConvTranspose: (in, out, kernel)
        weight.mul_(100)  # a reconstruction as large as the input
        weight[:, :64] /= 4
        last.get_parameter("bias")[:64] /= 4
    folded = fold(exported(network))
    patches = [sound(50, 1)]
    int8 = quantize(rewrite(equalize(folded, measure_ranges(folded, patches), 1.5)), patches)
    steps = parameter(int8, "units.steps")
    np.testing.assert_array_equal(steps, np.round(steps))
    assert steps[:64].max() < steps[64:].mean()


def test_an_image_network_has_one_step_for_all_bands(pair: Pair) -> None:
    steps = parameter(pair[1], "units.steps")
    assert steps.shape == ()


def test_inputs_beyond_the_range_clamp(pair: Pair) -> None:
    loud = MEAN + STD * np.sign(sound(3, 5) - MEAN)  # every value far out, up or down
    far, farther = (MEAN + factor * (loud - MEAN) for factor in (1e3, 1e5))
    reconstructed = subtraction(pair[1]).input[0]
    np.testing.assert_array_equal(
        inner(pair[1], far, reconstructed)[0], inner(pair[1], farther, reconstructed)[0]
    )


def test_the_input_range_is_what_8_bits_hold(pair: Pair) -> None:
    low, high = input_range(pair[1])
    first = next(node for node in pair[1].graph.node if node.op_type == "QuantizeLinear")
    for level, edge in ((0, low), (255, high)):
        codes = [
            inner(pair[1], np.tile(edge + shift, (1, 32, 1)).astype(np.float32), first.output[0])[0]
            for shift in (-0.5 * STD, 0.5 * STD)
        ]
        inside = codes[1] if level == 0 else codes[0]
        outside = codes[0] if level == 0 else codes[1]
        assert (outside == level).all()
        assert (inside != level).all()


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
