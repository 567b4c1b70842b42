"""A few of many items."""

import pytest

from edgeae.runtime.system.spread import evenly_spread


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [0]), (3, [0, 2, 4]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])]
)
def test_items_are_evenly_spread(most: int, expected: list[int]) -> None:
    assert evenly_spread(range(5), most) == expected
