"""What the person at the microphone sees on stderr while it listens: time, level, peak."""

import math
import os
import shutil
import sys
from types import TracebackType
from typing import Self

import click
import numpy as np

from edgeae.runtime.audio.signal_quality import SILENCE
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.progress import CLEAR, draws_over

FULL_SCALE = 0.999  # a peak that soon clips, or does
TERMINAL_SECONDS, LOG_SECONDS = 0.25, 10.0  # of sound, between two lines
QUIETEST = -60.0  # dBFS, where the bar begins
WIDEST = 30  # characters of the bar
FALL = 1.5  # dB by which the peak mark falls from one line to the next


class Meter:
    """One line that is drawn over on a terminal, a line every 10 s elsewhere.

    12 of 60 s  [############      |      ]  -31.2 dBFS, peak -14.9
    """

    def __init__(self, seconds: float) -> None:
        self._total = seconds
        self._terminal = draws_over(sys.stderr)
        self._every = TERMINAL_SECONDS if self._terminal else LOG_SECONDS
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._due = self._every
        self._peak, self._mark = (
            0.0,
            -math.inf,
        )  # amplitude since the last line; dBFS that the mark shows
        self._squares, self._count = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal:
            self._write(CLEAR)

    def show(self, block: Float32, seconds: float) -> None:
        """Take in a block (n,), full scale 1, that ends ``seconds`` after the start."""
        self._peak = max(self._peak, float(np.abs(block).max(initial=0)))
        self._squares += float(np.square(block, dtype=np.float64).sum())
        self._count += len(block)
        if seconds < self._due or not self._count:
            return
        line = self._line(seconds)
        self._write(f"{CLEAR}{line}" if self._terminal else f"listening: {line}\n")
        self._due = (seconds // self._every + 1) * self._every
        self._peak, self._squares, self._count = 0.0, 0.0, 0

    def _line(self, seconds: float) -> str:
        level, peak = 10 * _log10(self._squares / self._count), 20 * _log10(self._peak)
        self._mark = max(peak, self._mark - FALL)
        word, colour = ("clips", "red") if self._peak >= FULL_SCALE else ("silent", "yellow")
        told = word if self._peak >= FULL_SCALE or level < 10 * _log10(SILENCE) else ""
        if told and self._colour:
            told = click.style(told, fg=colour)
        bar = f"[{self._bar(level)}]  " if self._terminal else ""
        return f"{seconds:.0f} of {self._total:.0f} s  {bar}{level:.1f} dBFS, peak {self._mark:.1f}  {told}".rstrip()

    def _bar(self, level: float) -> str:
        width = min(WIDEST, max(5, shutil.get_terminal_size().columns - 50))
        filled, mark = (
            round(width * np.clip(1 - db / QUIETEST, 0, 1)) for db in (level, self._mark)
        )
        bar = list(f"{'#' * filled:{width}}")
        if mark:
            bar[mark - 1] = "|"
        return "".join(bar)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _log10(power: float) -> float:
    """Of a power or an amplitude; digital silence is -120 dB."""
    return math.log10(max(power, 1e-12))
