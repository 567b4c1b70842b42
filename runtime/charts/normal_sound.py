"""The normal sound of one machine that its charts compare with: calibration and learned minutes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..system.arrays import Float64

MAX_MINUTES = 60
# From then on a new minute replaces one with the probability MAX_MINUTES / this number, so that the
# minutes that are kept are spread over about a day.
MAX_COUNTED_MINUTES = 1440
GOLDEN_RATIO = 0.6180339887498949  # its multiples fill the interval 0 to 1 evenly (Weyl)


@dataclass
class NormalSound:
    """Windows of the calibration, and minutes that were learned since.

    windows: (n, n_features) features of windows that do not overlap, in deviations of the fleet.
    n_windows: number of windows behind their mean; more than ``windows`` holds where it is thinned.
    windows_mean: (n_features,) the mean of all of them.
    minutes: (n_features,) of each learned minute, the mean features of its sound.
    n_learned: number of minutes that were ever learned.
    """

    windows: Float64
    n_windows: int
    windows_mean: Float64
    minutes: list[Float64] = field(default_factory=list)
    n_learned: int = 0

    def learn(self, minute: Float64) -> None:
        """Add a minute (n_features,); a full memory replaces another one."""
        self.n_learned += 1
        if len(self.minutes) < MAX_MINUTES:
            self.minutes.append(minute)
            return
        share = self.n_learned * GOLDEN_RATIO % 1
        place = int(share * min(self.n_learned, MAX_COUNTED_MINUTES))
        if place < MAX_MINUTES:
            self.minutes[place] = minute

    def restore(self, minutes: list[Float64], n_learned: int) -> None:
        """Continue with minutes that were learned in an earlier process.

        n_learned: number of minutes that were ever learned.
        """
        self.minutes = minutes
        self.n_learned = n_learned

    def without(self, minutes: Sequence[int]) -> "NormalSound":
        """The same sound without the minutes of these numbers."""
        left_out = set(minutes)
        kept = [minute for i, minute in enumerate(self.minutes) if i not in left_out]
        return NormalSound(self.windows, self.n_windows, self.windows_mean, kept)
