"""Resampling by soxr, the same library for files and streams."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..system.arrays import Float32

if TYPE_CHECKING:
    from soxr import ResampleStream

# Of the lower Nyquist frequency: up to here the resampler (soxr, quality HQ) changes levels by less
# than 1 dB.
PASSBAND = 0.94


class Resampler:
    """A stream of blocks from one sample rate to another; equal rates pass unchanged."""

    def __init__(self, rate_in: float, rate_out: float) -> None:
        self._stream: ResampleStream | None = None
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")

    def push(self, block: Float32, *, last: bool = False) -> Float32:
        """The samples (m,) that ``block`` (n,) completes.

        last: the sound ends with this block; returns the samples still in the filter, too.
        """
        if self._stream is None:
            return block
        contiguous = np.ascontiguousarray(block, np.float32)
        return np.asarray(self._stream.resample_chunk(contiguous, last=last), np.float32)


def resampled(blocks: Iterable[Float32], rate_in: float, rate_out: float) -> Iterator[Float32]:
    """Yield blocks (n,) at ``rate_in`` Hz as blocks (m,) at ``rate_out`` Hz."""
    resampler = Resampler(rate_in, rate_out)
    for block in blocks:
        yield resampler.push(block)
    yield resampler.push(np.empty(0, np.float32), last=True)
