"""The views of a window: groups of features that are scored apart.

No view suits every kind of machine, and one covariance for all of them hides the view in which a
fault shows. The features of a window (`edgeae.runtime.scoring.window_features`) form

    spectrum    the mean of each band of the input
    variation   spread over time and change from frame to frame of the input
    residual    the same three statistics of what the network cannot predict
"""

from dataclasses import dataclass

from .window_features import n_mels_of, view_slices


@dataclass(frozen=True)
class View:
    """A group of features."""

    name: str
    features: slice  # of the feature vector of a window


def views_of(n_features: int) -> tuple[View, ...]:
    """The views of a feature vector of ``n_features``."""
    input_features, residual = view_slices(n_features)
    middle = input_features.start + n_mels_of(n_features)
    return (
        View("spectrum", slice(input_features.start, middle)),
        View("variation", slice(middle, input_features.stop)),
        View("residual", residual),
    )
