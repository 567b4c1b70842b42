"""Rewrites every ConvTranspose as a convolution and a shuffle with exactly the same result.

onnxruntime has no integer kernel for ConvTranspose, so a quantized one runs in float between a
DequantizeLinear and a QuantizeLinear. Conv has an integer kernel, and a shuffle needs none.

The convolution computes all phases of the output at once, as s times the channels
(`edgeae.quantize.rewriting.polyphase`). The shuffle puts them one after the other in time; it is
also known as sub-pixel convolution (Shi et al., CVPR 2016, arXiv:1609.05158). It runs with the
channels last:

    (N, s*C, T) -Transpose-> (N, T, s*C) -Reshape-> (N, T*s, C) -Slice-> -Transpose-> (N, C, T*s)

In one dimension one Reshape is enough, and the outer Transposes cancel against those that
onnxruntime puts around its channels-last integer convolutions. A Relu after the layer is moved
before the shuffle, where it is fused with the convolution.

If the phases have unequal numbers of taps (kernel 3, stride 2: 1 and 2), the common kernel has
zeros for the missing ones: 16 instead of 9 taps in two dimensions. A layer with enough channels
gets one convolution for each phase instead, each with its own taps, and a Concat before the
shuffle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeae.runtime.errors import ArtifactError

from .fold_batchnorm import fold
from .graph import (
    Array,
    add_constant,
    attributes_of,
    drop_unused_initializers,
    only_consumer,
    parameter_of,
    shapes_of,
    substitute,
)
from .polyphase import ConvAxis, phase_weights, plan_axis

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


# A layer gets one convolution for each phase if the phases have less than this share of the common
# taps, and at least this number of output channels; narrower convolutions are slower separately.
MAX_SPLIT_SHARE = 0.9
MIN_SPLIT_CHANNELS = 8


def rewrite(model: ModelProto) -> ModelProto:
    """A copy of ``model`` without BatchNormalization and ConvTranspose that computes the same.

    Every ConvTranspose (1-D or 2-D, any stride, kernel, padding and output padding; no groups, no
    dilation) becomes Conv and shuffle. The data type of the weights does not change, nor the name
    of the output of a layer with its BatchNormalization and Relu.

    Raises ArtifactError, which names the layer, for a ConvTranspose of another kind.
    """
    copy = fold(model)
    shapes = shapes_of(copy)
    for node in [n for n in copy.graph.node if n.op_type == "ConvTranspose"]:
        _replace(copy.graph, node, shapes)
    drop_unused_initializers(copy.graph)
    return copy


def _replace(graph: GraphProto, node: NodeProto, shapes: dict[str, list[int | None]]) -> None:
    """Replace a ConvTranspose, and the Relu after it, by Conv, Relu and the shuffle."""
    from onnx import helper

    weight = parameter_of(graph, node, 1)
    axes = _plan(node, weight.shape[2:], shapes.get(node.input[0], []))
    output = node.output[0]
    consumer = only_consumer(graph, output)
    has_relu = consumer is not None and consumer.op_type == "Relu"
    if consumer is not None and has_relu:
        output = consumer.output[0]
        graph.node.remove(consumer)
    nodes: list[NodeProto] = []
    phases: list[str] = []  # the output tensors of the convolutions
    for i, part in enumerate(_parts(weight, axes)):
        nodes += _convolve(graph, node, f"{node.name}.conv{i}", part, has_relu)
        phases.append(nodes[-1].output[0])
    if len(phases) > 1:
        name = f"{node.name}.phases"
        nodes.append(helper.make_node("Concat", phases, [name], name, axis=1))
    nodes += _shuffle(graph, node.name, nodes[-1].output[0], axes, weight.shape[1])
    nodes[-1].output[0] = output
    substitute(graph, node, nodes)


@dataclass(frozen=True)
class Part:
    """A convolution of stride 1 that computes one phase or all phases."""

    weight: Array  # (phases * C_out, C_in, *taps)
    pads: list[int]  # all starts, then all ends
    phases: int


def _parts(weight: Array, axes: Sequence[ConvAxis]) -> list[Part]:
    """One convolution for all phases or, if its kernel has many zeros, one for each phase."""
    kernel = weight.shape[2:]
    outputs = weight.shape[1]
    common = phase_weights(weight, axes)
    phases = list(product(*(axis.spans(k) for axis, k in zip(axes, kernel, strict=True))))
    split_taps = sum(math.prod(end - start for start, end in spans) for spans in phases)
    common_taps = len(phases) * math.prod(axis.taps for axis in axes)
    if outputs < MIN_SPLIT_CHANNELS or split_taps >= MAX_SPLIT_SHARE * common_taps:
        pads = [-axis.first for axis in axes] + [axis.pad_end for axis in axes]
        return [Part(common, pads, len(phases))]
    parts = []
    for i, spans in enumerate(phases):
        weights = common[i * outputs : (i + 1) * outputs, :, *(slice(*span) for span in spans)]
        starts = [-a.first - start for a, (start, _) in zip(axes, spans, strict=True)]
        ends = [a.pad_end - (a.taps - end) for a, (_, end) in zip(axes, spans, strict=True)]
        parts.append(Part(np.ascontiguousarray(weights), starts + ends, 1))
    return parts


def _convolve(
    graph: GraphProto, layer: NodeProto, name: str, part: Part, relu: bool
) -> list[NodeProto]:
    """The nodes for one part of a ConvTranspose: Conv, and Relu if ``relu``."""
    from onnx import helper

    inputs = [layer.input[0], add_constant(graph, f"{name}.weight", part.weight)]
    if len(layer.input) > 2:
        bias = np.tile(parameter_of(graph, layer, 2), part.phases)
        inputs.append(add_constant(graph, f"{name}.bias", bias))
    kernel = part.weight.shape[2:]
    nodes = [helper.make_node("Conv", inputs, [name], name, kernel_shape=kernel, pads=part.pads)]
    if relu:
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"], f"{name}.relu"))
    return nodes


def _plan(node: NodeProto, kernel: Sequence[int], shape: Sequence[int | None]) -> list[ConvAxis]:
    """The plan for each spatial axis of a ConvTranspose; shape: of its input."""
    attributes = attributes_of(node)
    rank = len(kernel)
    size = [length for length in shape[2:] if length is not None]
    if rank not in (1, 2) or len(size) != rank:
        raise ArtifactError(
            f"{node.name}: needs 1 or 2 spatial axes of known length, got shape {list(shape)}"
        )
    ones = [1] * rank
    if attributes.get("group", 1) != 1 or list(attributes.get("dilations", ones)) != ones:
        raise ArtifactError(
            f"{node.name}: a ConvTranspose with groups or dilation cannot be written as Conv"
        )
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in attributes:
        raise ArtifactError(
            f"{node.name}: a ConvTranspose must have pads, not auto_pad or output_shape"
        )
    strides = attributes.get("strides", ones)
    pads = attributes.get("pads", [0] * 2 * rank)
    extra = attributes.get("output_padding", [0] * rank)
    pairs = zip(pads[:rank], pads[rank:], strict=True)
    axes = [plan_axis(*layer) for layer in zip(size, kernel, strides, pairs, extra, strict=True)]
    if min(a.length for a in axes) < 1:
        raise ArtifactError(f"{node.name}: pads {list(pads)} leave nothing of an input of {size}")
    return axes


def _shuffle(
    graph: GraphProto, name: str, tensor: str, axes: Sequence[ConvAxis], channels: int
) -> list[NodeProto]:
    """The nodes that interleave the phases: (N, phases * C, *blocks) -> (N, C, *length).

    tensor: the name of their input.
    """
    if all(a.stride == 1 and not a.cropped for a in axes):
        return []
    steps: list[tuple[str, Any]] = [("Transpose", [0, *range(2, 2 + len(axes)), 1])]
    if len(axes) == 2:
        rows, columns = axes
        block = columns.stride * channels
        steps.append(("Reshape", [0, rows.blocks, columns.blocks, rows.stride, block]))
        steps.append(("Transpose", [0, 1, 3, 2, 4]))  # (N, rows, stride, columns, stride * C)
    steps.append(("Reshape", [0, *(a.blocks * a.stride for a in axes), channels]))
    if any(a.cropped for a in axes):
        steps.append(("Slice", axes))
    steps.append(("Transpose", [0, 1 + len(axes), *range(1, 1 + len(axes))]))
    nodes: list[NodeProto] = []
    for i, (op, argument) in enumerate(steps):
        nodes.append(_step(graph, f"{name}.shuffle{i}", op, argument, tensor))
        tensor = nodes[-1].output[0]
    return nodes


def _step(graph: GraphProto, name: str, op: str, argument: Any, tensor: str) -> NodeProto:
    from onnx import helper

    if op == "Transpose":
        return helper.make_node(op, [tensor], [name], name, perm=argument)
    if op == "Reshape":
        return helper.make_node(
            op, [tensor, add_constant(graph, f"{name}.shape", np.array(argument))], [name], name
        )
    cuts = {
        "starts": [a.crop for a in argument],
        "ends": [a.crop + a.length for a in argument],
        "axes": list(range(1, 1 + len(argument))),
    }
    inputs = [
        add_constant(graph, f"{name}.{key}", np.array(values)) for key, values in cuts.items()
    ]
    return helper.make_node(op, [tensor, *inputs], [name], name)
