"""The range of each channel of each layer over given recordings: what the 8 bits have to hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float32

from .rewriting.graph import MOVES
from .verify import observe

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

LAYERS = ("Conv", "ConvTranspose")
DEFAULT_HEADROOM = 1.5  # factor by which the int8 ranges exceed those of the training recordings
BATCH_PATCHES = 64  # held in memory at once

Ranges = dict[str, NDArray[np.float64]]  # tensor name -> (2, n_channels) minima and maxima


def measure_ranges(model: ModelProto, patches: Iterable[Float32]) -> Ranges:
    """The minimum and maximum of each channel of each tensor between the layers.

    patches: arrays (n, n_frames, n_mels) dB, any n, read once.

    Raises ConfigError for no patches, and for values that are not finite.
    """
    names = _tensors_between_layers(model.graph)
    session = observe(model, names)
    input_name = session.get_inputs()[0].name
    ranges: Ranges = {}
    for batch in _batches(patches):
        for name, values in zip(names, session.run(names, {input_name: batch}), strict=True):
            other_axes = tuple(axis for axis in range(values.ndim) if axis != 1)
            low = values.min(axis=other_axes).astype(float)
            high = values.max(axis=other_axes).astype(float)
            if name in ranges:
                low = np.minimum(low, ranges[name][0])
                high = np.maximum(high, ranges[name][1])
            ranges[name] = np.array([low, high])
    if not ranges:
        raise ConfigError("no patches to measure the ranges on: at least one is needed")
    return ranges


def _batches(patches: Iterable[Float32]) -> Iterator[Float32]:
    for block in patches:
        if block.ndim != 3 or not np.isfinite(block).all():
            raise ConfigError(
                f"patches must be finite arrays (n, n_frames, n_mels), got shape {block.shape}"
            )
        for start in range(0, len(block), BATCH_PATCHES):
            batch = block[start : start + BATCH_PATCHES]
            yield np.ascontiguousarray(batch, dtype=np.float32)


def _tensors_between_layers(graph: GraphProto) -> list[str]:
    """The names of the tensors that a layer of the network reads or gives."""
    constants = {tensor.name for tensor in graph.initializer}
    layers = [node for node in graph.node if node.op_type in (*LAYERS, "Relu", *MOVES)]
    tensors = dict.fromkeys(name for node in layers for name in (node.input[0], *node.output))
    return [name for name in tensors if name not in constants]
