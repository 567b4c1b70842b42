"""Writes an int8 network of fully connected layers as a .tflite file, without TensorFlow."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Shape = tuple[int, ...]
INT8, INT32 = schema.TensorType.INT8, schema.TensorType.INT32
NONE, RELU = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU
LEAST = -128  # of int8, where a ReLU's zero lies


class Graph:
    """The layers so far. All activations have one scale: real = scale * (integer - zero)."""

    def __init__(self, n_inputs: int, scale: float, zero: int) -> None:
        """scale, zero: of the input and of the last output."""
        self._scale, self._zero = scale, zero
        self._buffers = [schema.BufferT()]  # the first one stands for no data
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._last = self._tensor((1, n_inputs), INT8, scale, zero)

    def dense(self, weights: NDArray[np.int8], scale: float, *, relu: bool) -> None:
        """Append a layer of (outputs, inputs) weights, one scale for all, without a bias."""
        n = len(weights)
        inputs = [self._last, self._tensor(weights.shape, INT8, scale, 0, weights)]
        inputs.append(self._tensor((n,), INT32, scale * self._scale, 0, np.zeros(n, np.int32)))
        self._last = self._tensor((1, n), INT8, self._scale, LEAST if relu else self._zero)
        options = schema.FullyConnectedOptionsT(fusedActivationFunction=RELU if relu else NONE)
        kind = schema.BuiltinOptions.FullyConnectedOptions
        operator = schema.OperatorT(inputs=inputs, outputs=[self._last], builtinOptionsType=kind)
        operator.builtinOptions = options
        self._operators.append(operator)

    def file(self) -> bytes:
        """The whole network."""
        graph = schema.SubGraphT(
            tensors=self._tensors, inputs=[0], outputs=[self._last], operators=self._operators
        )
        dense = schema.BuiltinOperator.FULLY_CONNECTED
        codes = [schema.OperatorCodeT(builtinCode=dense, deprecatedBuiltinCode=dense, version=4)]
        model = schema.ModelT(
            version=3, operatorCodes=codes, subgraphs=[graph], buffers=self._buffers
        )
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _tensor(
        self, shape: Shape, kind: int, scale: float, zero: int, data: NDArray[Any] | None = None
    ) -> int:
        buffer, name = 0, f"tensor{len(self._tensors)}"
        if data is not None:
            buffer = len(self._buffers)
            self._buffers.append(schema.BufferT(data=np.frombuffer(data.tobytes(), np.uint8)))
        quantized = schema.QuantizationParametersT(scale=[scale], zeroPoint=[zero])
        tensor = schema.TensorT(
            shape=list(shape), type=kind, buffer=buffer, name=name, quantization=quantized
        )
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def write(
    layers: Sequence[NDArray[np.int8]], scales: Sequence[float], scale: float, zero: int
) -> bytes:
    """A network of (outputs, inputs) layers with a ReLU behind all but the last; see `Graph`."""
    graph = Graph(layers[0].shape[1], scale, zero)
    for number, (layer, layer_scale) in enumerate(zip(layers, scales, strict=True), 1):
        graph.dense(layer, layer_scale, relu=number < len(layers))
    return graph.file()
