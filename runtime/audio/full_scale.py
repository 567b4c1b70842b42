"""Samples that are not on the scale of sound, whose full scale is 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .level import dbfs, rms

MAX_AMPLITUDE = 32.0  # +30 dBFS, full scale 1; a sample beyond it is not sound on this scale
# From here on whole numbers alone are the integers of a file that were not divided.
MIN_INTEGER_AMPLITUDE = 2.0
INTEGER_BITS = (16, 24, 32)


def find_other_scale(samples: NDArray[np.floating[Any]]) -> str | None:
    """Why finite samples (n,) or (n, channels) are not of full scale 1; None if they are."""
    peak = float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))
    if peak <= MIN_INTEGER_AMPLITUDE:
        return None
    are_whole = bool((samples == np.rint(samples)).all())
    if peak <= MAX_AMPLITUDE and not are_whole:
        return None
    level_db = dbfs(rms(samples.ravel().astype(np.float64)))
    bits = next((bits for bits in INTEGER_BITS if peak <= 2 ** (bits - 1)), None)
    if bits is None:
        return (
            f"holds samples of {peak:.3g} times full scale ({level_db:+.0f} dBFS); check where "
            f"they come from"
        )
    return (
        f"holds samples of up to {peak:.6g} where full scale is 1 ({level_db:+.0f} dBFS), as of "
        f"integers of {bits} bits that were stored as floating point; "
        f"divide them by {2 ** (bits - 1)}"
    )
