"""The edge of a spectrum: the band above which there is no sound.

    dB  |#######
        |########
        |##########
        |###########__________
         [below] [] [  above  ] top      band
                edge

A low-pass filter, a lower sample rate and a lossy codec make an edge that is steeper than any
machine's sound.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..system.arrays import Float64

EDGE_BANDS = 2  # half the width of an edge
BELOW_BANDS = 8  # just below the edge, with which the bands above it are compared
MIN_DROP_DB = 20.0  # from the bands below to the loudest band above, for an edge

Reference = Callable[[Float64], Float64]  # (n, BELOW_BANDS) dB -> (n,) dB, one level for each row


@dataclass(frozen=True)
class StepDown:
    """The steepest step down of a spectrum."""

    band: int  # the first of the edges with the largest drop
    drop_db: float  # from the bands below it to the loudest band above it


def find_step_down(
    levels: Float64,
    edges: range,
    top: int,
    reference: Reference,
    tolerance: Float64 | None = None,
) -> StepDown:
    """The band above which all bands lie furthest below the bands just below it.

    levels: (n_mels,) dB, absolute or against normal.
    edges: the bands to search, from BELOW_BANDS + EDGE_BANDS on; none give no drop.
    top: the band above the highest that counts; a resampler changes those above.
    reference: the one level that stands for the bands just below an edge.
    tolerance: (n_mels,) dB; if given, an edge counts only if each band above it lies this far below
        0.
    """
    if not edges:
        return StepDown(0, 0.0)
    bands = np.array(edges)
    windows = np.lib.stride_tricks.sliding_window_view(levels, BELOW_BANDS)
    below = reference(windows[bands - BELOW_BANDS - EDGE_BANDS])
    drops = below - _loudest_above(levels, top)[bands + EDGE_BANDS]
    if tolerance is not None:
        within = _loudest_above(levels + tolerance, top)[bands + EDGE_BANDS] > 0
        drops[within] = 0.0
    steepest = int(np.argmax(drops))
    return StepDown(int(bands[steepest]), float(drops[steepest]))


def _loudest_above(levels: Float64, top: int) -> Float64:
    """(top,) dB: of each band, the loudest of it and the bands between it and ``top``."""
    return np.asarray(np.maximum.accumulate(levels[:top][::-1])[::-1])
