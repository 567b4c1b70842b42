"""The level of live sound on stderr, for the person at the microphone."""

import math
import os
from types import TracebackType
from typing import Self

import click
import numpy as np

from ..system.arrays import Float32
from ..system.progress import Progress, terminal_width
from .level import SILENCE_DBFS, dbfs, deviation, peak

CLIPPING_AMPLITUDE = 0.999  # full scale 1; a peak from here on is clipped, or soon will be
TERMINAL_SECONDS = 0.25  # of sound, between two lines on a terminal
LOG_SECONDS = 10.0  # of sound, between two lines elsewhere
BAR_START_DBFS = -60.0
MIN_BAR_WIDTH = 5  # characters
MAX_BAR_WIDTH = 30  # characters
TEXT_WIDTH = 50  # characters of the line beside the bar
PEAK_FALL_DB = 1.5  # from one line to the next


class LevelMeter:
    """One line that is drawn over on a terminal; elsewhere a line every 10 s, or none.

    12 of 60 s  [############      |      ]  -31.2 dBFS, peak -14.9

    total_seconds: of sound that are expected. log: write lines where stderr is no terminal.
    """

    def __init__(self, total_seconds: float, *, log: bool = True) -> None:
        self._total_seconds = total_seconds
        self._progress = Progress()
        self._terminal = self._progress.visible
        self._enabled = self._terminal or log
        self._interval = TERMINAL_SECONDS if self._terminal else LOG_SECONDS
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._next_line = self._interval  # seconds of sound
        self._peak_mark = -math.inf  # dBFS
        self._peak = 0.0
        self._squares = 0.0
        self._sum = 0.0
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.step("")

    def message(self, text: str) -> None:
        """Write a line that stays above the meter, on a terminal or not."""
        self._progress.message(text)

    def push(self, block: Float32, seconds: float) -> None:
        """Add a block (n,), full scale 1, that ends ``seconds`` after the start."""
        if not self._enabled:
            return
        self._peak = max(self._peak, peak(block))
        self._squares += float(np.square(block, dtype=np.float64).sum())
        self._sum += float(block.sum(dtype=np.float64))
        self._count += len(block)
        if seconds < self._next_line or not self._count:
            return
        self._show(seconds)
        self._next_line = (seconds // self._interval + 1) * self._interval
        self._reset()

    def _reset(self) -> None:
        """Begin the measurement of the next line."""
        self._peak = 0.0
        self._squares = 0.0
        self._sum = 0.0
        self._count = 0

    def _show(self, seconds: float) -> None:
        level_db = dbfs(deviation(self._squares, self._sum, self._count))
        self._peak_mark = max(dbfs(self._peak), self._peak_mark - PEAK_FALL_DB)
        bar = f"[{self._bar(level_db)}]  " if self._terminal else ""
        line = (
            f"{seconds:.0f} of {self._total_seconds:.0f} s  "
            f"{bar}{level_db:.1f} dBFS, peak {self._peak_mark:.1f}"
        )
        if warning := self._warning(level_db):
            line = f"{line}  {warning}"
        if self._terminal:
            self._progress.step(line)
        else:
            self._progress.message(f"listening: {line}")

    def _warning(self, level_db: float) -> str:
        """What is wrong with the level, in one word; empty if nothing is."""
        if self._peak >= CLIPPING_AMPLITUDE:
            return click.style("clips", fg="red") if self._colour else "clips"
        if level_db < SILENCE_DBFS:
            return click.style("silent", fg="yellow") if self._colour else "silent"
        return ""

    def _bar(self, level_db: float) -> str:
        width = min(MAX_BAR_WIDTH, max(MIN_BAR_WIDTH, terminal_width() - TEXT_WIDTH))
        bar = list(f"{'#' * _filled(level_db, width):{width}}")
        if mark := _filled(self._peak_mark, width):
            bar[mark - 1] = "|"
        return "".join(bar)


def _filled(level_db: float, width: int) -> int:
    """How many of ``width`` characters a level fills, from -60 dBFS to full scale."""
    return round(width * min(max(1 - level_db / BAR_START_DBFS, 0.0), 1.0))
