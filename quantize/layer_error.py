"""Layer by layer: where does int8 lose what?

Of the input, and of each convolution of the trained network with its ReLU:

    SQNR            power of the float activations over that of their difference to the int8 network's:
                    what this layer and all before it lost
    beyond range    share of the float activations outside of what the 8 bits of the layer can express
    share of drift  with this layer alone in int8: the mean square of what moves the scores of the clips
                    against each other, as a share of the sum over all layers

A change that all scores share counts for nothing: head and threshold of an int8 file are fitted on its
own outputs. What comes from counting z in whole units (`edgeae.quantize.qdq`) belongs to no layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32, Float64

from .error import movement, window_scores
from .statistics_output import with_statistics
from .training_set import TrainingSet
from .verify import observe

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Values = NDArray[Any]
Step = tuple[Values, Values]  # scale and zero point, () or (n_channels,)

CLIPS = 40  # that are measured
SECONDS = 60.0  # of each of them
TINY = 1e-30
BATCH = 64  # patches whose activations are held at once


@dataclass(frozen=True)
class Layer:
    """What int8 costs in one layer."""

    name: str  # of the module in torch
    sqnr: float  # dB
    saturated: float  # share, 0 to 1
    drift_share: float  # 0 to 1, and 1 in all

    def __str__(self) -> str:
        return f"{self.name:34}{self.sqnr:>8.1f} dB{self.saturated:>14.4%}{self.drift_share:>17.1%}"


def table(layers: Iterable[Layer], clips: str) -> str:
    """The layers below a header that says which ``clips`` they were measured on."""
    header = f"{'layer':34}{'SQNR':>11}{'beyond range':>14}{'share of drift':>17}  on {clips}"
    return "\n".join([header, *map(str, layers)])


def analyse(
    model: ModelProto, quantized: ModelProto, float_: Artifact, clips: Sequence[Float32]
) -> list[Layer]:
    """The layers of an int8 network, the one with the greatest share of the score drift first.

    model: the float network that became the ``quantized`` one. float_: the artifact whose head scores.
    clips: log-mel (n_frames, n_mels) dB of recordings, of which the first minute is used.
    """
    layers = tensors_of(model.graph, quantized.graph)
    detector = Detector(float_)
    heard = [frames[: round(SECONDS * float_.mel.frames_per_second)] for frames in clips]
    patches = np.concatenate(TrainingSet([], heard).patches(detector.network.patch_frames))
    powers = _powers(model, quantized, layers, patches)
    exact, drifts = window_scores(detector, heard), list[float]()
    for tensors in layers.values():
        alone = with_statistics(quantize_only(model, tensors)).SerializeToString()
        network = Network(Artifact.build(alone, float_.mel))
        drifts.append(movement(exact, window_scores(Detector(float_, network), heard)) ** 2)
    found = [
        Layer(
            name,
            _decibels(signal / max(noise, TINY)),
            beyond / count,
            drift / max(sum(drifts), TINY),
        )
        for name, (signal, noise, beyond, count), drift in zip(
            layers, powers.tolist(), drifts, strict=True
        )
    ]
    return sorted(found, key=lambda layer: -layer.drift_share)


def check_drift(drift: float, allowed: float, layers: Sequence[Layer]) -> None:
    """Raise ArtifactError, naming the layer to blame, if the scores drift by more than allowed.

    drift, allowed: see `edgeae.quantize.error.score_drift`. layers: the worst first.
    """
    if not drift <= allowed:
        raise ArtifactError(
            f"int8 moves the scores by {drift:.3f} of their standard deviation ({layers[0].drift_share:.0%} by "
            f"{layers[0].name}), allowed is {allowed:g}, so nothing is written and an older file stays; "
            f"train on more recordings, which set the ranges, allow more by --max-drift, or export without --int8"
        )


def _decibels(ratio: float) -> float:
    return float(10 * np.log10(max(ratio, TINY)))


@dataclass(frozen=True)
class Tensor:
    """What a layer gives in the float network, and how the int8 network holds it."""

    name: str  # in the float network
    integers: str  # in the int8 network
    step: Step
    weight: tuple[str, Values] | None = None  # name in the float network, and what int8 makes of it

    def powers(self, values: Float32, integers: Values) -> list[float]:
        """Power of the values, power of what the integers differ by, how many are beyond range, how many."""
        low, high = _undo(np.array([0, 255]), self.step)
        beyond = int(np.count_nonzero((values < low) | (values > high)))
        noise = _undo(integers, self.step) - values
        return [
            *(float(np.sum(np.square(part), dtype=np.float64)) for part in (values, noise)),
            beyond,
            values.size,
        ]


def _undo(integers: Values, step: Step) -> Values:
    """What integers (..., n) stand for."""
    scale, zero_point = step
    return np.asarray((integers.astype(np.float32) - zero_point) * scale)


def tensors_of(graph: GraphProto, quantized: GraphProto) -> dict[str, list[Tensor]]:
    """Layer -> its tensors, in order; `rewrite` makes several convolutions of some layers.

    graph: of the float network that became the ``quantized`` one.
    """
    from onnx import numpy_helper

    made_by = {name: node for node in quantized.node for name in node.output}
    read_by = {node.input[0]: node for node in quantized.node if node.op_type == "QuantizeLinear"}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.initializer}
    convolutions = [node for node in quantized.node if node.op_type == "Conv"]
    inputs = {node.name: list(node.input) for node in graph.node}

    def step(node: NodeProto) -> Step:
        zero_point = constants[node.input[2]] if len(node.input) > 2 else np.zeros((), np.int8)
        return constants[node.input[1]], zero_point

    undo = made_by[convolutions[0].input[0]]
    layers = {"input": [Tensor(inputs[convolutions[0].name][0], undo.input[0], step(undo))]}
    for conv in convolutions:
        quantize, undo = read_by[conv.output[0]], made_by[conv.input[1]]
        weight = inputs[conv.name][1], _undo(constants[undo.input[0]].T, step(undo)).T
        tensor = Tensor(
            conv.output[0], quantize.output[0], step(quantize), weight
        )  # named as that of its Relu
        layers.setdefault(_module(conv.name), []).append(tensor)
    return layers


def _module(node: str) -> str:
    """The module in torch that a convolution comes from; `rewrite` makes body.22.conv0, ... of body.22."""
    return node.split(".conv", maxsplit=1)[0]


def _powers(
    model: ModelProto, quantized: ModelProto, layers: dict[str, list[Tensor]], patches: Float32
) -> Float64:
    """(n_layers, 4) sums of `Tensor.powers` over patches (n_patches, n_frames, n_mels) dB."""
    tensors = [tensor for group in layers.values() for tensor in group]
    layer_of = [i for i, group in enumerate(layers.values()) for _ in group]
    names = [tensor.name for tensor in tensors], [tensor.integers for tensor in tensors]
    sessions = [observe(*observed) for observed in zip((model, quantized), names, strict=True)]
    sums = np.zeros((len(layers), 4))
    for start in range(0, len(patches), BATCH):
        batch = {sessions[0].get_inputs()[0].name: patches[start : start + BATCH]}
        found = [session.run(given, batch) for session, given in zip(sessions, names, strict=True)]
        np.add.at(
            sums,
            layer_of,
            [tensor.powers(*both) for tensor, *both in zip(tensors, *found, strict=True)],
        )
    return sums


def quantize_only(model: ModelProto, tensors: Sequence[Tensor]) -> ModelProto:
    """The float network with these tensors, and the weights behind them, rounded as the int8 network rounds them."""
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = dict(tensor.weight for tensor in tensors if tensor.weight)
    for parameter in copy.graph.initializer:
        if parameter.name in weights:
            parameter.CopyFrom(numpy_helper.from_array(weights[parameter.name], parameter.name))
    for tensor in tensors:
        _round(copy.graph, tensor)
    return copy


def _round(graph: GraphProto, tensor: Tensor) -> None:
    """Let all that read a tensor read it through Quantize and Dequantize."""
    from onnx import helper, numpy_helper

    name, integers, rounded = tensor.name, f"{tensor.name}.integers", f"{tensor.name}.rounded"
    step = [f"{name}.scale", f"{name}.zero_point"]
    graph.initializer.extend(map(numpy_helper.from_array, tensor.step, step))
    readers = [i for i, node in enumerate(graph.node) if name in node.input]
    for i in readers:
        inputs = [rounded if given == name else given for given in graph.node[i].input]
        graph.node[i].input[:] = inputs
    graph.node.insert(
        readers[0], helper.make_node("DequantizeLinear", [integers, *step], [rounded], rounded)
    )
    graph.node.insert(
        readers[0], helper.make_node("QuantizeLinear", [name, *step], [integers], integers)
    )
