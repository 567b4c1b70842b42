"""Prometheus' text format 0.0.4: families of samples as lines.

    # HELP edgeae_score Distance from normal of the last window, a natural logarithm.
    # TYPE edgeae_score gauge
    edgeae_score{source="hw:1",machine="pump-3"} 0.412

A family is described once, and its samples stand together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass
class Family:
    """The samples of one name. A sample without a value is none."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str  # one line, without a backslash
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, labels: Mapping[str, str], value: float | None) -> None:
        if value is not None:
            self.samples.append((labels, float(value)))

    def lines(self) -> Iterable[str]:
        """Nothing for a family without samples."""
        if self.samples:
            yield f"# HELP {self.name} {self.help}"
            yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            inside = ",".join(
                f'{name}="{text.translate(_ESCAPES)}"' for name, text in labels.items()
            )
            yield (
                f"{self.name}{{{inside}}} {_number(value)}"
                if inside
                else f"{self.name} {_number(value)}"
            )


def render(families: Iterable[Family]) -> str:
    """The whole document; each line ends in a newline."""
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _number(value: float) -> str:
    """Python's `nan` and `inf` are read as well; whole numbers need no point."""
    return str(int(value)) if value.is_integer() else repr(value)
