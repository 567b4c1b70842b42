"""The polyphase decomposition of a ConvTranspose: a convolution of stride 1 for each phase.

A filter after an upsampling by s is equal to s filters at the low rate, whose outputs are
interleaved (Vaidyanathan, Multirate Systems and Filter Banks, 1993, section 4.3).

A ConvTranspose of stride s writes tap j of input i to position i*s + j - pad of its output.
Seen from the output, position o = s*q + r - offset (block q, phase r) gathers

    y[o] = sum over t of  x[q + t] * w[r + (pad - offset) - s*t]        (taps outside w are zero)

so each phase is an ordinary convolution of stride 1. All phases are computed at once, as s times
the channels, and then put one after the other in time:

    kernel 4, stride 2, pad 1, offset 1          r = 0     r = 1
      block q = 0, x[-1], x[0]                    (y-1)     y0
      block q = 1, x[0],  x[1]                     y1       y2       (channels: all of phase 0,
      block q = 2, x[1],  x[2]                     y3       y4        then all of phase 1)
      block q = 3, x[2],  x[3]                     y5      (y6)
    shuffled:  (y-1) y0 y1 y2 y3 y4 y5 (y6)   and cropped:  y0 ... y5

The offset with the fewest taps is chosen, and of those the one that crops least: kernel 3 or 5
with stride 2 and output padding 1 needs no crop at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .graph import Array


@dataclass(frozen=True)
class ConvAxis:
    """The plan for one spatial axis of a ConvTranspose as a convolution of stride 1."""

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
    """The cheapest plan for one axis of ``size`` positions: fewest taps, then least to crop.

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
