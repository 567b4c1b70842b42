"""A few of many items, evenly spread."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def spread_places(n_items: int, max_items: int) -> NDArray[np.intp]:
    """At most ``max_items`` places of ``n_items``, at even distances, both ends included."""
    count = min(max_items, n_items)
    return np.linspace(0, n_items - 1, count).round().astype(np.intp)


def evenly_spread(items: Sequence[T], max_items: int) -> list[T]:
    """At most ``max_items`` of ``items``, at even distances, the first and the last included."""
    return [items[place] for place in spread_places(len(items), max_items)]
