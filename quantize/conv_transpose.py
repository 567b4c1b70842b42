"""Writes every ConvTranspose as a convolution and a shuffle that compute exactly the same.

This is the polyphase decomposition of an interpolation filter (Vaidyanathan, Multirate Systems and
Filter Banks, 1993, section 4.3): a filter after an upsampling by s is s filters at the low rate,
whose outputs are interleaved. The shuffle that interleaves them is also known as sub-pixel
convolution (Shi et al., CVPR 2016, arXiv:1609.05158).

onnxruntime has no integer kernel for ConvTranspose, so a quantized one runs in float between a
DequantizeLinear and a QuantizeLinear. A Conv does have one, and moving elements needs none.

A ConvTranspose of stride s writes tap j of input i to position i*s + j - pad of its output.
Seen from the output, position o = s*q + r - offset (block q, phase r) gathers

    y[o] = sum over t of  x[q + t] * w[r + (pad - offset) - s*t]        (taps outside w are zero)

so each phase is an ordinary convolution of stride 1. All phases are computed at once, as s times
the channels, and then laid one after the other in time:

    kernel 4, stride 2, pad 1, offset 1          r = 0     r = 1
      block q = 0, x[-1], x[0]                    (y-1)     y0
      block q = 1, x[0],  x[1]                     y1       y2       (channels: all of phase 0,
      block q = 2, x[1],  x[2]                     y3       y4        then all of phase 1)
      block q = 3, x[2],  x[3]                     y5      (y6)
    shuffled:  (y-1) y0 y1 y2 y3 y4 y5 (y6)   and cropped:  y0 ... y5

The offset is chosen for the fewest taps, then for the least to crop: kernel 3 or 5 with
stride 2 and output padding 1 needs no crop at all. The shuffle runs with the channels last:

    (N, s*C, T) -Transpose-> (N, T, s*C) -Reshape-> (N, T*s, C) -Slice-> -Transpose-> (N, C, T*s)

In one dimension Reshape alone is enough, and the outer Transposes cancel against those that
onnxruntime puts around its channels-last integer convolutions. A Relu after the layer is placed
before the shuffle, where it is fused with the convolution.

Where the phases have unequal numbers of taps (kernel 3, stride 2: 1 and 2) the missing ones are
zeros of the common kernel: 16 instead of 9 in two dimensions. A layer with enough channels gets
one convolution a phase instead, each with its own taps, and a Concat in front of the shuffle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


# One convolution a phase if the phases have less than this share of the common taps, and if each
# has this number of output channels: narrower ones take longer apart than together.
MAX_SPLIT_SHARE = 0.9
MIN_SPLIT_CHANNELS = 8


def rewrite(model: ModelProto) -> ModelProto:
    """A folded copy of ``model`` without ConvTranspose that computes the same.

    Every ConvTranspose (1-D or 2-D, any stride, kernel, padding and output padding; no groups, no
    dilation) becomes Conv and shuffle. The data type of the weights is kept. So is the name of the
    output of a layer with its BatchNormalization and Relu.

    Raises ArtifactError, naming the layer, for a ConvTranspose of another kind.
    """
    copy = fold(model)
    shapes = shapes_of(copy)
    for node in [n for n in copy.graph.node if n.op_type == "ConvTranspose"]:
        _replace(copy.graph, node, shapes)
    drop_unused_initializers(copy.graph)
    return copy


@dataclass(frozen=True)
class ConvAxis:
    """How one spatial axis of a ConvTranspose becomes a convolution of stride 1."""

    stride: int
    shift: int  # pad - offset of the formula above
    first: int  # the smallest t, at most 0
    taps: int  # number of t
    pad_end: int
    blocks: int  # positions that the convolution computes
    crop: int  # the offset: positions to drop at the start
    length: int  # positions of the ConvTranspose's output

    @property
    def cropped(self) -> int:
        return self.blocks * self.stride - self.length

    def sources(self, kernel: int) -> NDArray[np.int64]:
        """(stride, taps): the tap of the ConvTranspose for each phase and tap, or ``kernel``."""
        phase, tap = np.ogrid[: self.stride, : self.taps]
        source = phase + self.shift - self.stride * (self.first + tap)  # (stride, taps)
        return np.where((source >= 0) & (source < kernel), source, kernel)

    def spans(self, kernel: int) -> list[tuple[int, int]]:
        """The taps [start, end) of each phase: those with a weight or needed for padding."""
        max_start = -self.first  # a convolution cannot pad less than 0
        min_end = self.taps - self.pad_end
        spans = []
        for row in self.sources(kernel):
            taps = np.flatnonzero(row < kernel)
            if len(taps):
                spans.append((min(max_start, *taps), max(min_end, *taps + 1)))
            else:
                spans.append((0, self.taps))
        return spans


def plan_axis(
    size: int, kernel: int, stride: int, pads: tuple[int, int], output_padding: int
) -> ConvAxis:
    """The cheapest way to write one axis of ``size`` positions: fewest taps, then least to crop.

    pads: at the start and at the end.
    """
    length = (size - 1) * stride - sum(pads) + kernel + output_padding
    plans = []
    for offset in range(stride):
        shift = pads[0] - offset
        first = min(0, -((kernel - 1 - shift) // stride))  # ceil((shift - kernel + 1) / stride)
        last = (shift + stride - 1) // stride
        pad_end = max(0, math.ceil((offset + length) / stride) - size + last)
        blocks = size + pad_end - last
        plans.append(
            ConvAxis(stride, shift, first, last - first + 1, pad_end, blocks, offset, length)
        )
    return min(plans, key=lambda axis: (axis.taps, axis.cropped))


def phase_weights(weight: Array, axes: Sequence[ConvAxis]) -> Array:
    """The weights of all phases as one convolution, in the order of the phases.

    (C_in, C_out, *kernel) of the ConvTranspose -> (phases * C_out, C_in, *taps) of the Conv.
    """
    rank = len(axes)
    split = np.pad(weight, [(0, 0), (0, 0)] + [(0, 1)] * rank)  # index `kernel` reads a zero
    for i, axis in enumerate(axes):
        split = np.take(split, axis.sources(weight.shape[2 + i]), axis=2 + 2 * i)
    phase_axes = range(2, 2 + 2 * rank, 2)
    tap_axes = range(3, 3 + 2 * rank, 2)
    ordered = split.transpose(*phase_axes, 1, 0, *tap_axes)  # (*strides, C_out, C_in, *taps)
    return np.ascontiguousarray(ordered.reshape(-1, weight.shape[0], *(a.taps for a in axes)))


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
    phases: list[str] = []  # the tensors that the convolutions give
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
    """A convolution of stride 1 that computes some of the phases, or all."""

    weight: Array  # (phases * C_out, C_in, *taps)
    pads: list[int]  # all starts, then all ends
    phases: int


def _parts(weight: Array, axes: Sequence[ConvAxis]) -> list[Part]:
    """All phases as one convolution or, where its kernel has many zeros, one for each phase."""
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
        own = common[i * outputs : (i + 1) * outputs, :, *(slice(*span) for span in spans)]
        starts = [-a.first - start for a, (start, _) in zip(axes, spans, strict=True)]
        ends = [a.pad_end - (a.taps - end) for a, (_, end) in zip(axes, spans, strict=True)]
        parts.append(Part(np.ascontiguousarray(own), starts + ends, 1))
    return parts


def _convolve(
    graph: GraphProto, layer: NodeProto, name: str, part: Part, relu: bool
) -> list[NodeProto]:
    """Conv, and Relu if wanted, for one part of a ConvTranspose."""
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
    """How each spatial axis of a ConvTranspose becomes a convolution; shape: of its input."""
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
            f"{node.name}: a ConvTranspose must give its pads, not auto_pad or output_shape"
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
