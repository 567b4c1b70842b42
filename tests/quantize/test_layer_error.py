"""`analyse` says where int8 loses what."""

import numpy as np
import pytest

from edgeae.quantize import layer_error as layers
from edgeae.quantize.error import window_scores
from edgeae.quantize.export import Export, export, quantize, rewrite, to_onnx
from edgeae.quantize.statistics_output import with_statistics
from edgeae.quantize.verify import observe
from edgeae.runtime import Artifact, ArtifactError, Detector
from edgeae.runtime.model.network import Network
from edgeae.train.config import load_config
from edgeae.train.networks import build

onnx = pytest.importorskip("onnx")

NAMES = {"input", *(f"body.{i}" for i in (0, 3, 6, 9, 10, 13, 16, 19, 22))}  # of the preset edge


@pytest.fixture(scope="module")
def made(trained) -> Export:
    return export(trained.run, int8=True, report=print)


@pytest.fixture(scope="module")
def quantized(made):
    return onnx.load_from_string(made.int8.model)


@pytest.fixture(scope="module")
def clips(made):
    return made.sound.frames[::4]


@pytest.fixture(scope="module")
def found(made, quantized, clips):
    return layers.analyse(made.model, quantized, made.float_, clips)


@pytest.fixture(scope="module")
def tensors(made, quantized):
    return layers.tensors_of(made.model.graph, quantized.graph)


def by_name(found):
    return {layer.name: layer for layer in found}


def coarse(model, tensor, factor):
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


def test_each_convolution_is_a_layer_named_as_in_torch_the_worst_first(found):
    assert {layer.name for layer in found} == NAMES
    assert sum(layer.drift_share for layer in found) == pytest.approx(1)
    assert [layer.drift_share for layer in found] == sorted(
        (layer.drift_share for layer in found), reverse=True
    )


def test_convolutions_that_a_rewritten_layer_became_are_one_layer():
    config = load_config("cnn2d")
    model = rewrite(to_onnx(build(config.model, 128).eval(), config))
    noise = np.random.default_rng(0).normal(-40, 20, (4, 32, 128)).astype(np.float32)
    found = layers.tensors_of(model.graph, quantize(model, [noise]).graph)
    assert list(found) == ["input", *(f"body.{i}" for i in (0, 3, 7, 11, 15, 16, 19, 22, 25, 28))]
    assert [len(found[f"body.{i}"]) for i in (16, 19, 22, 25, 28)] == [1, 4, 4, 4, 1]


def test_all_layers_rounded_are_the_int8_network(made, quantized, tensors, clips):
    """But for integers next to each other: the int8 network rounds its input to whole units before."""
    every = [tensor for group in tensors.values() for tensor in group]
    patches = {"log_mel": clips[0][:64].reshape(2, 32, 128)}
    names = [f"{tensor.name}.integers" for tensor in every], [tensor.integers for tensor in every]
    networks = layers.quantize_only(made.model, every), quantized
    values = (
        observe(network, name).run(name, patches)
        for network, name in zip(networks, names, strict=True)
    )
    for expected, simulated in zip(*values, strict=True):
        difference = np.abs(expected.astype(int) - simulated)
        assert difference.mean() < 1
        assert np.mean(difference > 2) < 0.05


def test_normal_sound_is_within_range_and_well_above_the_noise(found):
    assert all(layer.saturated < 0.001 and layer.sqnr > 20 for layer in found)


def test_sound_beyond_range_is_counted_as_the_detector_counts_it(made, quantized, clips):
    loud = [frames[: len(frames) // 32 * 32] + 30 for frames in clips]  # dB
    patches = np.concatenate([frames.reshape(-1, 32, 128) for frames in loud])
    share = by_name(layers.analyse(made.model, quantized, made.float_, loud))["input"].saturated
    assert share > 0.05
    assert share == pytest.approx(Network(made.int8).out_of_range(patches).mean(), abs=0.002)


def test_a_layer_with_coarse_steps_gets_the_blame(made, quantized, tensors, clips, found):
    name = "body.13"
    worst = layers.analyse(
        made.model, coarse(quantized, tensors[name][0].integers, 30), made.float_, clips
    )
    assert worst[0].name == name
    assert worst[0].drift_share > 0.5 > by_name(found)[name].drift_share
    assert by_name(worst)[name].sqnr < by_name(found)[name].sqnr - 6
    assert by_name(worst)["body.10"].sqnr == pytest.approx(by_name(found)["body.10"].sqnr, abs=0.01)


def test_a_layer_alone_moves_the_scores_less_than_all_of_them(made, tensors, clips):
    exact = window_scores(Detector(made.float_), clips)

    def moved(group):
        model = with_statistics(layers.quantize_only(made.model, group)).SerializeToString()
        network = Network(Artifact.build(model, made.float_.mel))
        return np.var(window_scores(Detector(made.float_, network), clips) - exact)

    assert (
        0
        < moved(tensors["body.3"])
        < moved([tensor for group in tensors.values() for tensor in group])
    )


def test_the_network_given_is_left_as_it_was(made, tensors):
    before = made.model.SerializeToString()
    layers.quantize_only(made.model, tensors["body.0"])
    assert made.model.SerializeToString() == before


def test_one_window_is_enough_to_find_the_worst_layer(made, quantized, clips):
    found = layers.analyse(made.model, quantized, made.float_, clips[:1])
    assert sum(layer.drift_share for layer in found) == pytest.approx(1)


def test_the_table_says_what_it_was_measured_on(found):
    first, *lines = layers.table(found, "12 clips").splitlines()
    assert first.endswith("on 12 clips")
    assert [line.split()[0] for line in lines] == [layer.name for layer in found]


@pytest.mark.parametrize("drift", [0.2, float("nan")])
def test_too_much_drift_is_refused_with_the_layer_to_blame(drift):
    worst = [layers.Layer("body.9", 10.0, 0.5, 0.75), layers.Layer("input", 30.0, 0.0, 0.25)]
    with pytest.raises(ArtifactError, match=r"\(75% by body\.9\), allowed is 0\.1, .*--max-drift"):
        layers.check_drift(drift, 0.1, worst)


def test_drift_up_to_the_limit_is_allowed():
    layers.check_drift(0.1, 0.1, [layers.Layer("body.9", 10.0, 0.5, 0.75)])
