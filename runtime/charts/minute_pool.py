"""The windows of the last minute, pooled so that a burst does not move them.

A minute is the mean of as many of its windows as a burst of half a minute leaves alone, those that
are nearest to normal; so no door or voice moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.window_stream import Window
from ..system.arrays import Float64
from .view_chart import ViewChart, mean_square

MINUTE_SECONDS = 60.0
WINDOW_STEP_SECONDS = 1.0  # between two windows that are pooled, at least
MAX_BURST_SECONDS = 30.0  # of sound that must not move a minute
MIN_NEAREST_SHARE = 0.2  # of the windows of a minute, that are pooled


def nearest_share(window_seconds: float) -> float:
    """The share of the windows of a minute that a burst leaves alone, if they last so long."""
    share = 1 - (MAX_BURST_SECONDS + window_seconds) / MINUTE_SECONDS
    return max(share, MIN_NEAREST_SHARE)


@dataclass(frozen=True)
class PooledMinute:
    """The mean of the nearest windows of a minute.

    vector: (n_features,) in deviations of the fleet.
    projected: of each view, its whitened deviation (n,) from the mean of the machine.
    """

    vector: Float64
    projected: list[Float64]


class MinutePool:
    """The windows of the last minute of one source."""

    def __init__(
        self,
        charts: Sequence[ViewChart],
        std: Float64,
        *,
        window_seconds: float,
        patch_seconds: float,
    ) -> None:
        """charts: which windows are near, in each view.

        std: (n_features,) deviations of the fleet.
        patch_seconds: between two windows.
        """
        self._charts = charts
        self._std = std
        self._patches_per_step = max(1, round(WINDOW_STEP_SECONDS / patch_seconds))
        step_seconds = self._patches_per_step * patch_seconds
        self._n_pooled = max(1, round(MINUTE_SECONDS / step_seconds))
        share = nearest_share(window_seconds)
        # The pool follows a change when no more of its windows are as before than it takes.
        self.lag_seconds = (1 - share) * self._n_pooled * step_seconds
        # Rounded down: a burst that begins within a patch reaches one window more.
        self._n_nearest = max(1, int(share * self._n_pooled))
        self._vectors = np.zeros((self._n_pooled, len(std)))
        self._projected = [np.zeros_like(self._vectors[:, c.view.features]) for c in charts]
        self._squares = np.zeros((len(charts), self._n_pooled))
        self._n_windows = 0  # since the last gap
        self._n_added = 0  # since the last gap

    @property
    def n_windows(self) -> int:
        """The number of windows of a whole minute."""
        return self._n_pooled

    @property
    def n_added(self) -> int:
        """The number of windows since the last gap."""
        return self._n_added

    @property
    def n_present(self) -> int:
        """The number of windows of the minute that is not complete."""
        return self._n_added % self._n_pooled

    @property
    def is_full(self) -> bool:
        """Whether a whole minute is in the pool."""
        return self._n_added >= self._n_pooled

    @property
    def is_complete(self) -> bool:
        """Whether the last window was the last of a minute that shares none with the one before."""
        return self._n_added > 0 and self._n_added % self._n_pooled == 0

    def push(self, window: Window) -> bool:
        """Add a window; False for one that is too short or too soon."""
        self._n_windows += 1
        if not window.is_full or (self._n_windows - 1) % self._patches_per_step:
            return False
        place = self._n_added % self._n_pooled
        vector = window.features / self._std
        self._vectors[place] = vector
        for i, chart in enumerate(self._charts):
            projected = chart.project(vector[chart.view.features] - chart.mean)
            self._projected[i][place] = projected
            self._squares[i, place] = mean_square(projected)
        self._n_added += 1
        return True

    def pooled(self) -> PooledMinute:
        """The last minute; the nearest windows count equally, and are others in each view."""
        vector: Float64 = np.zeros_like(self._std)
        projected: list[Float64] = []
        nearest = np.argpartition(self._squares, self._n_nearest - 1, axis=1)
        for i, chart in enumerate(self._charts):
            weights = np.zeros(self._n_pooled)
            weights[nearest[i, : self._n_nearest]] = 1 / self._n_nearest
            vector[chart.view.features] = weights @ self._vectors[:, chart.view.features]
            projected.append(weights @ self._projected[i])
        return PooledMinute(vector, projected)

    def refit(self) -> None:
        """Follow charts that were fitted again."""
        for chart, projected in zip(self._charts, self._projected, strict=True):
            projected[:] = chart.project(self._vectors[:, chart.view.features] - chart.mean)

    def reset(self) -> None:
        """Forget all windows."""
        self._n_windows = 0
        self._n_added = 0
