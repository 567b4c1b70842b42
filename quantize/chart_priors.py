"""How the charts of a new machine vary, learned from the training machines.

Each training machine plays the new machine in turn. Its recordings are joined to one stream; the
first minute of a part of it calibrates the charts, the fleet is fitted on the other parts and the
other machines, and the other minutes of that part show how far normal sound deviates
(`edgeae.runtime.charts.view_chart`):

    stream of one machine     | part 0: |cal| minutes .......... | part 1: |cal| minutes ....... |

A prior of general values keeps a fleet that shows only a few minutes from being believed too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeae.runtime.charts.minute_pool import MINUTE_SECONDS, nearest_share
from edgeae.runtime.charts.normal_sound import NormalSound
from edgeae.runtime.charts.view_chart import MIN_MINUTES, ChartPrior, ViewChart
from edgeae.runtime.model.sections import ChartPriorSection
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.views import View
from edgeae.runtime.system.arrays import Float64

N_PARTS = 2  # of a machine's stream
MAX_MINUTES = 20  # of a part
GENERAL = ChartPrior()
GENERAL_DEGREES = 4.0  # degrees of freedom that the general spread is worth
GENERAL_TRIALS = 1.0  # simulated calibrations that the general offset is worth
NO_PRIOR = ChartPrior(offset=0.0)


@dataclass(frozen=True)
class MachineStream:
    """The joined recordings of a training machine.

    windows: (n, n_features) features of its windows.
    step_seconds: between two of them.
    window_seconds: length of each.
    """

    windows: Float64
    step_seconds: float
    window_seconds: float

    @property
    def windows_per_minute(self) -> int:
        """Number of windows that a minute of the stream has."""
        return max(1, round(MINUTE_SECONDS / self.step_seconds))

    @property
    def windows_apart(self) -> int:
        """Every so many windows do not overlap."""
        return max(1, round(self.window_seconds / self.step_seconds))

    def parts(self) -> list[Float64]:
        """The parts of the stream that are long enough for a trial; possibly none."""
        n_minutes = 1 + MIN_MINUTES
        part_windows = len(self.windows) // N_PARTS
        if part_windows < n_minutes * self.windows_per_minute:
            return []
        return [self.windows[k * part_windows : (k + 1) * part_windows] for k in range(N_PARTS)]


@dataclass
class _Trials:
    """Sums over the simulated calibrations of one view."""

    squares: float = 0.0  # of the deviations of minutes from the mean of their trial
    degrees: float = 0.0  # of freedom
    offsets: list[float] = field(default_factory=list)

    def add(self, offset: float, distances: Float64) -> None:
        self.offsets.append(offset)
        self.squares += float(np.square(distances - distances.mean()).sum())
        self.degrees += len(distances) - 1

    def section(self, view: View) -> ChartPriorSection:
        """What they show, together with the general values."""
        squares = self.squares + GENERAL_DEGREES * GENERAL.spread**2
        offsets = sum(self.offsets) + GENERAL_TRIALS * GENERAL.offset
        return ChartPriorSection(
            view=view.name,
            offset=round(offsets / (len(self.offsets) + GENERAL_TRIALS), 4),
            spread=round(float(np.sqrt(squares / (self.degrees + GENERAL_DEGREES))), 4),
        )


def fit_chart_priors(
    streams: Sequence[MachineStream],
    gain: Float64,
    views: tuple[View, ...],
    noise: Float64 | None = None,
    rounding: Float64 | None = None,
) -> tuple[ChartPriorSection, ...]:
    """The prior of each of these views.

    gain, noise, rounding: (n, n_features), see `Fleet.fit`.
    """
    trials = {view.name: _Trials() for view in views}
    for number, stream in enumerate(streams):
        others = [other.windows[:: other.windows_apart] for other in streams]
        parts = stream.parts()
        for k, part in enumerate(parts):
            remaining = np.concatenate(parts[:k] + parts[k + 1 :])
            others[number] = remaining[:: stream.windows_apart]
            fleet = Fleet.fit(others, gain, views, noise, rounding)
            for view in views:
                trials[view.name].add(*_trial(fleet, view, stream, part))
    return tuple(trials[view.name].section(view) for view in views)


def _trial(fleet: Fleet, view: View, stream: MachineStream, part: Float64) -> tuple[float, Float64]:
    """One simulated calibration.

    Returns the mean distance of its minutes less that of its calibration windows, and the distance
    (n_minutes,) of each minute.
    """
    per_minute = stream.windows_per_minute
    scaled = part / fleet.within_std
    calibration = scaled[: per_minute : stream.windows_apart]
    sound = NormalSound(calibration, len(calibration), calibration.mean(axis=0))
    chart = ViewChart(fleet, view, NO_PRIOR, MINUTE_SECONDS / stream.window_seconds, sound)
    start = chart.minute.mean
    n_minutes = min(MAX_MINUTES, len(scaled) // per_minute - 1)
    for minute in range(1, 1 + n_minutes):
        windows = scaled[minute * per_minute : (minute + 1) * per_minute]
        squares = chart.squares(windows[:, view.features] - chart.mean)
        n_nearest = max(1, int(nearest_share(stream.window_seconds) * per_minute))
        nearest = np.argsort(squares)[:n_nearest]
        sound.learn(windows[nearest].mean(axis=0))
    distances = chart.minute_distances(sound)
    return float(distances.mean()) - start, distances
