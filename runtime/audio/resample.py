"""Resampling by soxr, the same library for files and streams."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..system.arrays import Float32

PASSBAND = (
    0.94  # of the lower Nyquist frequency: up to here the resampler (soxr, HQ) changes nothing
)


class Resampler:
    """Blocks at one rate to blocks at another through soxr's stream (quality HQ); equal rates pass unchanged."""

    def __init__(self, rate_in: float, rate_out: float) -> None:
        self._stream: Any = None
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")

    def push(self, block: Float32, *, last: bool = False) -> Float32:
        """The samples (m,) that ``block`` (n,) completes; ``last`` also gives what the filter still holds."""
        if self._stream is None:
            return block
        resampled: Float32 = self._stream.resample_chunk(
            np.ascontiguousarray(block, np.float32), last=last
        )
        return resampled


def resampled(blocks: Iterable[Float32], rate_in: float, rate_out: float) -> Iterator[Float32]:
    """Blocks (n,) at ``rate_in`` Hz as blocks (m,) at ``rate_out`` Hz."""
    resampler = Resampler(rate_in, rate_out)
    for block in blocks:
        yield resampler.push(block)
    yield resampler.push(np.empty(0, np.float32), last=True)
