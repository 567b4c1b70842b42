"""What each channel of each layer gives for given sound: the extremes that the 8 bits have to hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError

from .verify import MOVES, observe

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

LAYERS = ("Conv", "ConvTranspose")
BATCH = 64  # patches held at once

Ranges = dict[str, NDArray[np.float64]]  # tensor name -> (2, channels) least and greatest values


def measure_ranges(model: ModelProto, patches: Iterable[NDArray[np.float32]]) -> Ranges:
    """The extremes over all patches (n, n_frames, n_mels) dB of each channel that the network passes on."""
    names = _passed_on(model.graph)
    session = observe(model, names)
    ranges: Ranges = {}
    for batch in _batches(patches):
        for name, values in zip(
            names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True
        ):
            others = tuple(axis for axis in range(values.ndim) if axis != 1)
            low, high = values.min(axis=others).astype(float), values.max(axis=others).astype(float)
            before = ranges.get(name, np.array([low, high]))
            ranges[name] = np.array([np.minimum(before[0], low), np.maximum(before[1], high)])
    if not ranges:
        raise ConfigError("no patches to measure the ranges on: at least one is needed")
    return ranges


def _batches(patches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    for block in patches:
        if block.ndim != 3 or not np.isfinite(block).all():
            raise ConfigError(
                f"patches must be finite arrays (n, n_frames, n_mels), got shape {block.shape}"
            )
        for start in range(0, len(block), BATCH):
            yield np.ascontiguousarray(block[start : start + BATCH], dtype=np.float32)


def _passed_on(graph: GraphProto) -> list[str]:
    """Each tensor that a layer of the network reads or gives."""
    constants = {tensor.name for tensor in graph.initializer}
    layers = [node for node in graph.node if node.op_type in (*LAYERS, "Relu", *MOVES)]
    tensors = dict.fromkeys(name for node in layers for name in (node.input[0], *node.output))
    return [name for name in tensors if name not in constants]
