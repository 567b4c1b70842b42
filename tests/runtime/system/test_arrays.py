"""The names of array types stand for the types that schemas check."""

from dataclasses import dataclass

import numpy as np
import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.schema import build


@dataclass(frozen=True)
class Levels:
    bands: Float64


def test_a_field_of_this_type_takes_an_array() -> None:
    levels = build(Levels, {"bands": np.arange(3, dtype=np.float32)})
    assert levels.bands.dtype == np.float64
    assert levels.bands.tolist() == [0, 1, 2]


def test_a_field_of_this_type_takes_nothing_else() -> None:
    with pytest.raises(ConfigError, match=r"bands is .*; allowed is an array"):
        build(Levels, {"bands": [0.0, 1.0]})
