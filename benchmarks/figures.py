"""The table of `pytest benchmarks`: a figure, that of a peer, the target, and whether it is met.

A missed target is no failure: computers differ. What computers have in common fails where it is
half as large again as its target: the ratio to a peer beside it, and memory. An accuracy and a size
are the same everywhere and fail where the target is missed.
"""

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEADS = ("what", "figure", "peer", "ratio", "target, at most", "")
MAX_SHARE_OF_TARGET = 1.5
SAME_EVERYWHERE = ("", "KiB")  # units of accuracies and sizes, which no processor changes
TIME_UNITS = ("s", "ms", "us", "ms per second of audio", "us per second of audio")


@dataclass(frozen=True)
class Row:
    """One line of the table; the less the better, where there is a target."""

    name: str
    figure: float | None  # None where it could not be compared
    unit: str
    peer: str | None = None
    peer_figure: float | None = None  # in the same unit; None where the peer is not installed
    target: float | None = (
        None  # the most aimed at: of the ratio where there is a peer, else of the figure
    )
    limit: float | None = None  # fails above it, where that is more than 1.5 of the target

    @property
    def ratio(self) -> float | None:
        """The share of the peer's figure."""
        return (
            self.figure / self.peer_figure if self.figure is not None and self.peer_figure else None
        )

    @property
    def met(self) -> bool | None:
        """The target is reached, or there is none; None where it was not compared."""
        reached = self.ratio if self.peer else self.figure
        return None if reached is None else self.target is None or reached <= self.target

    @property
    def is_gross_regression(self) -> bool:
        """A ratio, a memory or an accuracy is above `limit`; a time alone says nothing."""
        reached = self.ratio if self.peer else self.figure
        is_comparable = self.peer is not None or self.unit not in TIME_UNITS
        if reached is None or self.target is None or not is_comparable:
            return False
        share = 1.0 if self.unit in SAME_EVERYWHERE else MAX_SHARE_OF_TARGET
        return reached > max(share * self.target, self.limit or 0)

    def cells(self) -> tuple[str, ...]:
        """As they stand under `HEADS`."""
        figure = "-" if self.figure is None else f"{_number(self.figure)} {self.unit}".rstrip()
        return (
            self.name,
            figure,
            self._peer_cell(),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            "" if self.target is None else _number(self.target),
            self._verdict(),
        )

    def _verdict(self) -> str:
        """Whether the target is met; empty where there is none, or nothing was compared."""
        if self.target is None or self.met is None:
            return ""
        return "met" if self.met else "missed"

    def _peer_cell(self) -> str:
        if self.peer is None:
            return "none"
        return (
            f"{self.peer} is not installed"
            if self.figure is None
            else f"{self.peer}: {_number(self.peer_figure)}"
        )


Record = Callable[..., Row]  # takes what `Row` takes
Built = Callable[..., Any]  # (what, name, make, target) -> what `make` returns
Models = dict[str, Path]  # the fixture `models`


def markdown(rows: Sequence[Row]) -> str:
    """A table that people can paste."""
    lines = [HEADS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(_joined(cells, widths) for cells in ruled)


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"


def processor() -> str:
    """The name of this computer's processor and the number of its usable cores."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    values = dict(line.partition(":")[::2] for line in lines)
    names = {key.strip(): value.strip() for key, value in values.items()}
    name = names.get("model name") or names.get("Model") or platform.machine()
    return f"{name}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def as_json(rows: Sequence[Row]) -> str:
    """A list with an object for each row."""
    return (
        json.dumps([{**asdict(row), "ratio": row.ratio, "met": row.met} for row in rows], indent=2)
        + "\n"
    )


def _number(value: float | None) -> str:
    """Three digits; more would be noise."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
