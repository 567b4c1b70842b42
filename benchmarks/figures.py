"""The table of `pytest benchmarks`: a figure, that of a peer, and the most that is aimed at."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEADS = ("what", "figure", "peer", "ratio", "at most")


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

    def cells(self) -> tuple[str, ...]:
        """As they stand under `HEADS`."""
        figure = "-" if self.figure is None else f"{_number(self.figure)} {self.unit}".rstrip()
        target = (
            ""
            if self.target is None
            else _number(self.target) + (", missed" if self.met is False else "")
        )
        return (
            self.name,
            figure,
            self._peer_cell(),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            target,
        )

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
