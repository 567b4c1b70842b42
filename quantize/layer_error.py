"""What int8 costs layer by layer.

Of the input, and of each convolution of the trained network with its ReLU:

    SQNR            signal-to-quantization-noise ratio: power of the float activations over that of
                    their difference to the int8 network's; the loss of this layer and all before it
    beyond range    share of the float activations outside of what the 8 bits of the layer express
    share of drift  with this layer alone in int8: the mean square of what moves the scores of the
                    recordings against each other, as a share of the sum over all layers

A change that all scores share does not count: head and threshold of an int8 file are fitted on its
own outputs. The error of rounding z to whole units (`edgeae.quantize.integer_residual`) belongs to
no layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32

from .graph import Array
from .quantization_error import score_movement, window_scores
from .statistics_output import with_statistics
from .training_set import TrainingSet
from .verify import observe

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

MAX_RECORDINGS = 40  # that are measured
MAX_RECORDING_SECONDS = 60.0  # of each of them
MIN_POWER = 1e-30
BATCH_PATCHES = 64  # whose activations are held in memory at once


@dataclass(frozen=True)
class Layer:
    """What int8 costs in one layer."""

    name: str  # of the module in torch
    sqnr: float  # dB
    saturated: float  # share, 0 to 1
    drift_share: float  # 0 to 1; the sum over all layers is 1

    def __str__(self) -> str:
        return f"{self.name:34}{self.sqnr:>8.1f} dB{self.saturated:>14.4%}{self.drift_share:>17.1%}"


@dataclass(frozen=True)
class Step:
    """What an integer of a tensor stands for: (integer - zero point) * scale."""

    scale: Array  # () or (n_channels,)
    zero_point: Array  # () or (n_channels,)

    def dequantized(self, integers: Array) -> Array:
        """What integers (..., n_channels) stand for."""
        return np.asarray((integers.astype(np.float32) - self.zero_point) * self.scale)


@dataclass(frozen=True)
class Weight:
    """The weight of a convolution as int8 holds it."""

    name: str  # in the float network
    value: Array


@dataclass(frozen=True)
class Tensor:
    """What a layer gives in the float network, and how the int8 network holds it."""

    name: str  # in the float network
    integers: str  # in the int8 network
    step: Step
    weight: Weight | None = None  # of the convolution that gives the tensor


@dataclass(frozen=True)
class Power:
    """Sums over the values of tensors."""

    signal: float = 0.0
    noise: float = 0.0
    n_saturated: int = 0
    n_values: int = 0

    @classmethod
    def of(cls, tensor: Tensor, values: Float32, integers: Array) -> Power:
        """The power of the values of a tensor and of their difference to the int8 network's."""
        low, high = tensor.step.dequantized(np.array([0, 255]))
        error = tensor.step.dequantized(integers) - values
        return cls(
            signal=_sum_of_squares(values),
            noise=_sum_of_squares(error),
            n_saturated=int(np.count_nonzero((values < low) | (values > high))),
            n_values=values.size,
        )

    def __add__(self, other: Power) -> Power:
        return Power(
            self.signal + other.signal,
            self.noise + other.noise,
            self.n_saturated + other.n_saturated,
            self.n_values + other.n_values,
        )

    @property
    def sqnr(self) -> float:
        """Signal-to-quantization-noise ratio, dB."""
        ratio = self.signal / max(self.noise, MIN_POWER)
        return float(10 * np.log10(max(ratio, MIN_POWER)))


def _sum_of_squares(values: Array) -> float:
    return float(np.sum(np.square(values), dtype=np.float64))


def format_table(layers: Iterable[Layer], recordings: str) -> str:
    """The layers below a header that says which ``recordings`` they were measured on."""
    header = f"{'layer':34}{'SQNR':>11}{'beyond range':>14}{'share of drift':>17}  on {recordings}"
    return "\n".join([header, *map(str, layers)])


def analyse(
    model: ModelProto, quantized: ModelProto, float_: Artifact, recordings: Sequence[Float32]
) -> list[Layer]:
    """The layers of an int8 network, the one with the greatest share of the score drift first.

    model: the float network that became the ``quantized`` one.
    float_: the artifact whose head scores.
    recordings: log-mel (n_frames, n_mels) dB, of which the first minute is used.
    """
    layers = tensors_of(model.graph, quantized.graph)
    detector = Detector(float_)
    max_frames = round(MAX_RECORDING_SECONDS * float_.mel.frames_per_second)
    clips = [frames[:max_frames] for frames in recordings]
    patches = np.concatenate(TrainingSet([], clips).patches(detector.network.patch_frames))
    powers = _powers(model, quantized, layers, patches)
    drifts = _drifts(model, float_, layers, clips)
    total_drift = max(sum(drifts.values()), MIN_POWER)
    costs = [
        Layer(
            name,
            powers[name].sqnr,
            powers[name].n_saturated / powers[name].n_values,
            drifts[name] / total_drift,
        )
        for name in layers
    ]
    return sorted(costs, key=lambda layer: -layer.drift_share)


def check_drift(drift: float, max_drift: float, layers: Sequence[Layer]) -> None:
    """Raise ArtifactError, naming the worst layer, if the scores drift by more than allowed.

    drift, max_drift: see `edgeae.quantize.quantization_error.score_drift`.
    layers: the worst first.
    """
    if not drift <= max_drift:
        worst = layers[0]
        raise ArtifactError(
            f"int8 moves the scores by {drift:.3f} of their standard deviation "
            f"({worst.drift_share:.0%} by {worst.name}), allowed is {max_drift:g}, "
            f"so nothing is written and an older file stays; train on more recordings, which set "
            f"the ranges, allow more by --max-drift, or export without --int8"
        )


def tensors_of(graph: GraphProto, quantized: GraphProto) -> dict[str, list[Tensor]]:
    """Layer -> its tensors, in order; `rewrite` makes several convolutions of some layers.

    graph: of the float network that became the ``quantized`` one.
    """
    from onnx import numpy_helper

    made_by = {name: node for node in quantized.node for name in node.output}
    quantizer_of = {
        node.input[0]: node for node in quantized.node if node.op_type == "QuantizeLinear"
    }
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.initializer}
    convolutions = [node for node in quantized.node if node.op_type == "Conv"]
    float_inputs = {node.name: list(node.input) for node in graph.node}

    def step_of(node: NodeProto) -> Step:
        zero_point = constants[node.input[2]] if len(node.input) > 2 else np.zeros((), np.int8)
        return Step(constants[node.input[1]], zero_point)

    def weight_of(conv: NodeProto) -> Weight:
        dequantize = made_by[conv.input[1]]
        channels_last = constants[dequantize.input[0]].T
        value = step_of(dequantize).dequantized(channels_last).T
        return Weight(float_inputs[conv.name][1], value)

    first = convolutions[0]
    dequantize = made_by[first.input[0]]
    network_input = Tensor(float_inputs[first.name][0], dequantize.input[0], step_of(dequantize))
    layers = {"input": [network_input]}
    for conv in convolutions:
        output = conv.output[0]  # has the name of its Relu's output
        quantizer = quantizer_of[output]
        tensor = Tensor(output, quantizer.output[0], step_of(quantizer), weight_of(conv))
        layers.setdefault(_module_name(conv.name), []).append(tensor)
    return layers


def _module_name(node: str) -> str:
    """The torch module that a convolution comes from: ``body.22`` for ``body.22.conv0``."""
    return node.split(".conv", maxsplit=1)[0]


def _powers(
    model: ModelProto, quantized: ModelProto, layers: dict[str, list[Tensor]], patches: Float32
) -> dict[str, Power]:
    """Layer -> power of its tensors over patches (n_patches, n_frames, n_mels) dB."""
    tensors = [tensor for group in layers.values() for tensor in group]
    float_names = [tensor.name for tensor in tensors]
    int8_names = [tensor.integers for tensor in tensors]
    float_session = observe(model, float_names)
    int8_session = observe(quantized, int8_names)
    input_name = float_session.get_inputs()[0].name
    totals = dict.fromkeys(float_names, Power())
    for start in range(0, len(patches), BATCH_PATCHES):
        batch = {input_name: patches[start : start + BATCH_PATCHES]}
        values = float_session.run(float_names, batch)
        integers = int8_session.run(int8_names, batch)
        for tensor, float_values, int8_values in zip(tensors, values, integers, strict=True):
            totals[tensor.name] += Power.of(tensor, float_values, int8_values)
    return {
        layer: sum((totals[tensor.name] for tensor in group), Power())
        for layer, group in layers.items()
    }


def _drifts(
    model: ModelProto,
    float_: Artifact,
    layers: dict[str, list[Tensor]],
    clips: Sequence[Float32],
) -> dict[str, float]:
    """Layer -> mean square by which it moves the scores of the clips, when it alone is in int8."""
    exact = window_scores(Detector(float_), clips)
    drifts: dict[str, float] = {}
    for name, tensors in layers.items():
        alone = with_statistics(quantize_only(model, tensors)).SerializeToString()
        network = Network(Artifact.build(alone, float_.mel))
        scores = window_scores(Detector(float_, network), clips)
        drifts[name] = score_movement(exact, scores) ** 2
    return drifts


def quantize_only(model: ModelProto, tensors: Sequence[Tensor]) -> ModelProto:
    """The float network with these tensors and their weights rounded as the int8 network does."""
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = {tensor.weight.name: tensor.weight for tensor in tensors if tensor.weight}
    for parameter in copy.graph.initializer:
        if parameter.name in weights:
            value = weights[parameter.name].value
            parameter.CopyFrom(numpy_helper.from_array(value, parameter.name))
    for tensor in tensors:
        _insert_rounding(copy.graph, tensor)
    return copy


def _insert_rounding(graph: GraphProto, tensor: Tensor) -> None:
    """Let all nodes that read a tensor read it through Quantize and Dequantize."""
    from onnx import helper, numpy_helper

    name = tensor.name
    integers = f"{name}.integers"
    rounded = f"{name}.rounded"
    scale = numpy_helper.from_array(tensor.step.scale, f"{name}.scale")
    zero_point = numpy_helper.from_array(tensor.step.zero_point, f"{name}.zero_point")
    graph.initializer.extend([scale, zero_point])
    step = [scale.name, zero_point.name]
    quantize = helper.make_node("QuantizeLinear", [name, *step], [integers], integers)
    dequantize = helper.make_node("DequantizeLinear", [integers, *step], [rounded], rounded)
    readers = [i for i, node in enumerate(graph.node) if name in node.input]
    for i in readers:
        inputs = [rounded if given == name else given for given in graph.node[i].input]
        graph.node[i].input[:] = inputs
    graph.node.insert(readers[0], dequantize)
    graph.node.insert(readers[0], quantize)
