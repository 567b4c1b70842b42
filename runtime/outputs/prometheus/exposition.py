"""Prometheus' text format 0.0.4: metric families and their samples as lines.

    # HELP edgeae_score Distance from normal of the last window, a natural logarithm.
    # TYPE edgeae_score gauge
    edgeae_score{source="hw:1",machine="pump-3"} 0.412

The format is specified in Prometheus' documentation, "Exposition formats: Text-based format": each
family is described once, and its samples stand together.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass
class Family:
    """A metric family: the samples of one name."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str  # one line, without a backslash
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, labels: Mapping[str, str], value: float | None) -> None:
        """Add a sample; without a value there is none."""
        if value is not None:
            self.samples.append((labels, float(value)))

    def lines(self, common_labels: Mapping[str, str]) -> Iterator[str]:
        """The lines of the family; none for a family without samples.

        common_labels: of every sample.
        """
        if not self.samples:
            return
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            yield f"{self.name}{_label_set({**labels, **common_labels})} {_number(value)}"


def render(families: Iterable[Family], labels: Mapping[str, str] | None = None) -> str:
    """The whole document; each line ends in a newline. labels: of every sample."""
    return "".join(f"{line}\n" for family in families for line in family.lines(labels or {}))


def _label_set(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}"


def _number(value: float) -> str:
    """A whole number without a point; Prometheus reads Python's `nan` and `inf`, too."""
    return str(int(value)) if value.is_integer() else repr(value)
