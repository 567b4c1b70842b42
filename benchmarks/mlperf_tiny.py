"""What a user would run instead: the anomaly detector of MLPerf Tiny, librosa and an int8 autoencoder on LiteRT.

    WAV -> librosa log-mel -> the central 200 frames -> 196 windows of 5 * 128 numbers
        -> 640-128x4-8-128x4-640 -> mean squared error

as `common.py` and `03_tflite_test.py` of its reference implementation do it. The weights are random, which
changes no time; like those of the reference, they are quantized with one scale a layer.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTHS = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
WINDOW = 5  # frames
CENTRE = slice(50, 250)  # frames
WINDOWS = 196  # of it

SCALE, DB_ZERO, RELU_ZERO = 0.4, 120, -128  # of all activations; dB reach from -99 to +3, and behind a ReLU from 0

Int8 = NDArray[np.int8]
Float32 = NDArray[np.float32]


class Network:
    """The autoencoder on one thread of LiteRT with XNNPACK, ``batch`` windows an invocation."""

    def __init__(self, model: bytes, batch: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter, self.batch = Interpreter(model_content=model, num_threads=1), batch
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.resize_tensor_input(self._input, [batch, WIDTHS[0]])
        self._interpreter.allocate_tensors()

    def __call__(self, windows: Float32) -> Float32:
        """(n, 640) dB -> the reconstruction; n is a multiple of the batch."""
        quantized = np.clip(np.round(windows / SCALE + DB_ZERO), -128, 127).astype(np.int8)
        parts = [self._invoke(quantized[k : k + self.batch]) for k in range(0, len(windows), self.batch)]
        return (np.concatenate(parts).astype(np.float32) - DB_ZERO) * np.float32(SCALE)

    def _invoke(self, windows: Int8) -> Any:
        self._interpreter.set_tensor(self._input, windows)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


def scorer(batch: int) -> Callable[[Path], float]:
    """From a file of 10 s to its score; imports librosa and LiteRT."""
    import librosa

    network = Network(flatbuffer(), batch)

    def score(path: Path) -> float:
        samples, samplerate = librosa.load(path, sr=None, mono=False)
        power = librosa.feature.melspectrogram(y=samples, sr=samplerate, n_fft=1024, hop_length=512, n_mels=128)
        windows = _windows(10 * np.log10(np.maximum(power, sys.float_info.epsilon)))
        return float(np.mean(np.square(windows - network(windows))))

    return score


def _windows(log_mel: Float32) -> Float32:
    """(128, n_frames) dB -> (196, 640)."""
    central = log_mel[:, CENTRE]
    return np.concatenate([central[:, k : k + WINDOWS].T for k in range(WINDOW)], axis=1)


def weights() -> list[Int8]:
    """(outputs, inputs) of each layer."""
    random = np.random.default_rng(0)
    return [random.integers(-127, 128, (m, n), np.int8) for n, m in zip(WIDTHS, WIDTHS[1:], strict=False)]


def weight_scale(layer: Int8) -> float:
    """Keeps the spread of what passes through the layer."""
    return 0.02 / layer.shape[1] ** 0.5


def flatbuffer() -> bytes:
    """The network as a .tflite file."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    buffers, tensors, operators = [schema.BufferT()], list[Any](), list[Any]()

    def tensor(shape: tuple[int, ...], kind: int, scale: float, zero: int, data: NDArray[Any] | None = None) -> int:
        quantization = schema.QuantizationParametersT(scale=[scale], zeroPoint=[zero])
        if data is not None:
            buffers.append(schema.BufferT(data=np.frombuffer(data.tobytes(), np.uint8)))
        place = 0 if data is None else len(buffers) - 1
        name = f"tensor{len(tensors)}"
        tensors.append(schema.TensorT(shape=list(shape), type=kind, buffer=place, name=name, quantization=quantization))
        return len(tensors) - 1

    def dense(source: int, layer: Int8, last: bool) -> int:
        int8, int32, (n, _) = schema.TensorType.INT8, schema.TensorType.INT32, layer.shape
        scale = weight_scale(layer)
        inputs = [source, tensor(layer.shape, int8, scale, 0, layer)]
        inputs.append(tensor((n,), int32, scale * SCALE, 0, np.zeros(n, np.int32)))
        target = tensor((1, n), int8, SCALE, DB_ZERO if last else RELU_ZERO)
        kinds = schema.ActivationFunctionType
        options = schema.FullyConnectedOptionsT(fusedActivationFunction=kinds.NONE if last else kinds.RELU)
        kind = schema.BuiltinOptions.FullyConnectedOptions
        operators.append(
            schema.OperatorT(inputs=inputs, outputs=[target], builtinOptionsType=kind, builtinOptions=options)
        )
        return target

    layers = weights()
    source = target = tensor((1, WIDTHS[0]), schema.TensorType.INT8, SCALE, DB_ZERO)
    for number, layer in enumerate(layers, 1):
        target = dense(target, layer, number == len(layers))
    graph = schema.SubGraphT(tensors=tensors, inputs=[source], outputs=[target], operators=operators)
    code = schema.BuiltinOperator.FULLY_CONNECTED
    codes = [schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=4)]
    builder = flatbuffers.Builder()
    model = schema.ModelT(version=3, operatorCodes=codes, subgraphs=[graph], buffers=buffers)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
