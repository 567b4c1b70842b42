"""Measures the error of int8 in each layer.

For the input, and for each convolution of the trained network with its ReLU:

    SQNR            signal-to-quantization-noise ratio: power of the float activations over that of
                    their difference to the int8 activations; the error of this layer and all before
    beyond range    share of the float activations outside the range of the layer's 8 bits
    share of drift  mean square by which this layer alone in int8 moves the scores of the recordings
                    relative to each other, as a share of the sum over all layers

A change that all scores share does not count, because head and threshold of an int8 file are fitted
to its own outputs. The error of rounding z to whole units (`edgeae.quantize.integer_residual`)
belongs to no layer.
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

from .layer_tensors import Tensor, quantize_only, tensors_of
from .quantization_error import score_movement, window_scores
from .rewriting.graph import Array
from .statistics_output import with_statistics
from .training_set import cut_patches
from .verify import observe

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_RECORDINGS = 40
MAX_RECORDING_SECONDS = 60.0
MIN_POWER = 1e-30
BATCH_PATCHES = 64  # whose activations are in memory together


@dataclass(frozen=True)
class Layer:
    """The error of int8 in one layer."""

    name: str  # of the module in torch
    sqnr: float  # dB
    saturated: float  # share, 0 to 1
    drift_share: float  # 0 to 1; the sum over all layers is 1

    def __str__(self) -> str:
        return f"{self.name:34}{self.sqnr:>8.1f} dB{self.saturated:>14.4%}{self.drift_share:>17.1%}"


@dataclass(frozen=True)
class Power:
    """Sums over the values of a tensor."""

    signal: float = 0.0
    noise: float = 0.0
    n_saturated: int = 0
    n_values: int = 0

    @classmethod
    def of(cls, tensor: Tensor, values: Float32, integers: Array) -> Power:
        """The power of a tensor's values, and of their difference to those of the int8 network."""
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
    """The layers as a table; recordings: what they were measured on, for the header."""
    header = f"{'layer':34}{'SQNR':>11}{'beyond range':>14}{'share of drift':>17}  on {recordings}"
    return "\n".join([header, *map(str, layers)])


def analyse(
    model: ModelProto,
    quantized: ModelProto,
    float_: Artifact,
    recordings: Sequence[Float32],
    identity: Float32 | None = None,
) -> list[Layer]:
    """Measure the layers of an int8 network; the one with the greatest share of the drift is first.

    model: the float network that became the ``quantized`` one.
    float_: the artifact whose head computes the scores.
    recordings: log-mel (n_frames, n_mels) dB; the first minute of each is used.
    identity: the matrix of the identity embedding, if the network has one.
    """
    layers = tensors_of(model.graph, quantized.graph)
    detector = Detector(float_)
    max_frames = round(MAX_RECORDING_SECONDS * float_.mel.frames_per_second)
    clips = [frames[:max_frames] for frames in recordings]
    patch_frames = detector.network.patch_frames
    patches = np.concatenate([cut_patches(frames, patch_frames) for frames in clips])
    powers = _powers(model, quantized, layers, patches)
    drifts = _drifts(model, float_, layers, clips, identity)
    total_drift = max(sum(drifts.values()), MIN_POWER)
    errors = [
        Layer(
            name,
            powers[name].sqnr,
            powers[name].n_saturated / powers[name].n_values,
            drifts[name] / total_drift,
        )
        for name in layers
    ]
    return sorted(errors, key=lambda layer: -layer.drift_share)


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


def _powers(
    model: ModelProto, quantized: ModelProto, layers: dict[str, list[Tensor]], patches: Float32
) -> dict[str, Power]:
    """Layer -> power of its tensors; patches: (n_patches, n_frames, n_mels) dB."""
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
    identity: Float32 | None,
) -> dict[str, float]:
    """Layer -> mean square by which it moves the scores of the clips if only it is in int8."""
    exact = window_scores(Detector(float_), clips)
    drifts: dict[str, float] = {}
    for name, tensors in layers.items():
        alone = with_statistics(quantize_only(model, tensors), identity=identity)
        network = Network(Artifact.build(alone.SerializeToString(), float_.mel))
        scores = window_scores(Detector(float_, network), clips)
        drifts[name] = score_movement(exact, scores) ** 2
    return drifts
