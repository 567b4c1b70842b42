"""The views of a window: groups of features that are scored apart.

No view suits every kind of machine, and one covariance for all of them hides the view in which a
fault shows. The features of a window (`edgeae.runtime.scoring.window_features`) form

    view        source      features
    spectrum    input       mean of each band
    variation   input       spread over time and change from frame to frame
    residual    residual    the same three statistics of what the network cannot predict
    identity    identity    the embedding by which the network knows machines apart, if it has one

What disturbs one view of a source, such as background noise, disturbs the other views of it too.
So a view is scored without what the other views of its source explain. An artifact states its
views, so that a reader need not derive them from the number of features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..model.sections import ViewSection

INPUT = "input"
RESIDUAL = "residual"
IDENTITY = "identity"


@dataclass(frozen=True)
class View:
    """A group of features.

    name: unique among the views of a window.
    features: where they are in the feature vector of a window.
    source: what they are computed from.
    weight: in the score, relative to the other views of a machine of the training.
    """

    name: str
    features: slice
    source: str
    weight: float = 1.0

    @property
    def n_features(self) -> int:
        """Number of features of the view."""
        return int(self.features.stop - self.features.start)


def views_of(n_mels: int, n_identity: int = 0) -> tuple[View, ...]:
    """The views of a window of ``n_mels`` bands; n_identity: numbers of the identity embedding."""
    n_variation = 2 * (n_mels // 4)
    items = [
        ("spectrum", INPUT, n_mels, 1.0),
        ("variation", INPUT, n_variation, 1.0),
        ("residual", RESIDUAL, n_mels + n_variation, 1.0),
    ]
    if n_identity:
        items.append((IDENTITY, IDENTITY, n_identity, 1.0))
    return _placed(items)


def sources_of(views: Sequence[View]) -> dict[str, slice]:
    """Where the features of each source are in the feature vector of a window."""
    sources: dict[str, slice] = {}
    for view in views:
        before = sources.get(view.source, view.features)
        sources[view.source] = slice(before.start, view.features.stop)
    return sources


def to_sections(views: Sequence[View]) -> tuple[ViewSection, ...]:
    """The views as an artifact states them."""
    return tuple(ViewSection(v.name, v.source, v.n_features, v.weight) for v in views)


def from_sections(sections: Sequence[ViewSection], n_features: int) -> tuple[View, ...]:
    """The views of an artifact, in the order of their features; the energy precedes them.

    Raises ValueError unless they hold all of the ``n_features`` features, have different names,
    and the views of a source follow each other.
    """
    views = _placed([(s.name, s.source, s.n_features, s.weight) for s in sections])
    if 1 + sum(view.n_features for view in views) != n_features:
        raise ValueError(f"its views do not hold {n_features} features")
    if len({view.name for view in views}) < len(views):
        raise ValueError("two of its views have one name")
    n_changes = sum(a.source != b.source for a, b in pairwise(views))
    if n_changes + 1 != len({view.source for view in views}):
        raise ValueError("the views of a source do not follow each other")
    if not views or views[0].source != INPUT or RESIDUAL not in {view.source for view in views}:
        raise ValueError("it has no view of the input or of the residual")
    if not any(view.weight > 0 for view in views if view.source == INPUT):
        raise ValueError("no view of its input has a weight")
    return views


def _placed(items: Sequence[tuple[str, str, int, float]]) -> tuple[View, ...]:
    """Views side by side, after the energy; items: (name, source, n_features, weight) of each."""
    views: list[View] = []
    start = 1
    for name, source, n_features, weight in items:
        views.append(View(name, slice(start, start + n_features), source, weight))
        start += n_features
    return tuple(views)
