"""Machines with windows from a normal distribution, and thresholds fitted to them."""

import numpy as np

from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import (
    Reference,
    Threshold,
    fit_threshold,
    leave_one_out_scores,
)
from edgeae.runtime.system.arrays import Float64

SIZE = 13  # four mel bands
WINDOW = 10.0  # seconds
NO_GAIN = np.zeros((0, SIZE))


def correlated_machines(machines: int, windows: int, seed: int) -> list[Float64]:
    """Gaussian machines: means of their own, one covariance, a spread that differs by some 20 %."""
    mixing = np.random.default_rng(0).standard_normal((SIZE, SIZE)) + 2 * np.eye(SIZE)
    rng = np.random.default_rng(seed)
    return [
        10 * rng.standard_normal(SIZE)
        + np.exp(rng.normal(0, 0.2)) * rng.standard_normal((windows, SIZE)) @ mixing
        for _ in range(machines)
    ]


def fitted_threshold(
    references: list[Reference], head: Head, windows: Float64, budget: str
) -> Threshold:
    """The threshold of a head that was calibrated on ``windows`` (n, size)."""
    leave_one_out = (
        leave_one_out_scores(head.fleet, windows, head.kind).mean(axis=0)
        if len(windows) > 2
        else None
    )
    return fit_threshold(
        references, head, budget, WINDOW, windows=len(windows), leave_one_out=leave_one_out
    )
