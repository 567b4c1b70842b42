"""The peer: the anomaly detector of MLPerf Tiny, librosa and an int8 autoencoder on LiteRT.

    WAV -> librosa log-mel -> the central 200 frames -> 196 windows of 5 * 128 numbers
        -> 640-128x4-8-128x4-640 -> mean squared error

as in `common.py` and `03_tflite_test.py` of its reference implementation. The weights are random,
which changes no time; like those of the reference, they are quantized with one scale a layer.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTHS = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
WINDOW = 5  # frames
CENTRE = slice(50, 250)  # frames
WINDOWS = 196  # of it

SCALE, ZERO = 0.4, 120  # dB a step, of all activations: input and output reach from -99 to 3 dB

Int8 = NDArray[np.int8]
Float32 = NDArray[np.float32]


def layers() -> list[Int8]:
    """(outputs, inputs) weights."""
    random = np.random.default_rng(0)
    return [random.integers(-127, 128, (m, n), np.int8) for n, m in pairwise(WIDTHS)]


def scales() -> list[float]:
    """Of the weights of each layer, so that what passes through keeps its spread."""
    return [0.02 / n**0.5 for n in WIDTHS[:-1]]


class Network:
    """The autoencoder on one thread of LiteRT with XNNPACK, ``batch`` windows an invocation."""

    def __init__(self, batch: int) -> None:
        from ai_edge_litert.interpreter import Interpreter
        from tflite import write

        model = write(layers(), scales(), SCALE, ZERO)
        self._interpreter, self.batch = Interpreter(model_content=model, num_threads=1), batch
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.resize_tensor_input(self._input, [batch, WIDTHS[0]])
        self._interpreter.allocate_tensors()

    def __call__(self, windows: Float32) -> Float32:
        """(n, 640) dB -> the reconstruction; n is a multiple of the batch."""
        quantized = np.clip(np.round(windows / SCALE + ZERO), -128, 127).astype(np.int8)
        parts = [
            self._invoke(quantized[k : k + self.batch]) for k in range(0, len(windows), self.batch)
        ]
        return (np.concatenate(parts).astype(np.float32) - ZERO) * np.float32(SCALE)

    def _invoke(self, windows: Int8) -> Any:
        self._interpreter.set_tensor(self._input, windows)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


def scorer(batch: int) -> Callable[[Path], float]:
    """From a file of 10 s to its score; imports librosa and LiteRT."""
    import librosa

    network = Network(batch)

    def score(path: Path) -> float:
        samples, samplerate = librosa.load(path, sr=None, mono=False)
        power = librosa.feature.melspectrogram(
            y=samples, sr=samplerate, n_fft=1024, hop_length=512, n_mels=128
        )
        windows = _windows(10 * np.log10(np.maximum(power, sys.float_info.epsilon)))
        return float(np.mean(np.square(windows - network(windows))))

    return score


def _windows(log_mel: Float32) -> Float32:
    """(128, n_frames) dB -> (196, 640)."""
    central = log_mel[:, CENTRE]
    return np.concatenate([central[:, k : k + WINDOWS].T for k in range(WINDOW)], axis=1)
