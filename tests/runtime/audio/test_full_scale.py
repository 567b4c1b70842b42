"""Samples that are not on the scale of sound."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.audio.full_scale import find_other_scale

SOUND = 0.1 * np.random.default_rng(0).standard_normal(4000)


@pytest.mark.parametrize(
    "samples",
    [SOUND, 10 * SOUND, 60 * SOUND, np.zeros(9), np.ones(9), np.empty(0), np.rint(SOUND * 4)],
)
def test_loud_sound_is_still_sound(samples: NDArray[np.float64]) -> None:
    assert find_other_scale(samples) is None


@pytest.mark.parametrize(
    ("scale", "divisor"), [(2**15, 2**15), (2**23, 2**23), (2**31, 2**31), (2**8, 2**15)]
)
@pytest.mark.parametrize("round_", [np.rint, np.asarray])
def test_integers_are_recognised(scale: float, divisor: int, round_: np.ufunc) -> None:
    samples = round_(SOUND * scale)
    problem = find_other_scale(samples)
    assert problem is not None
    assert problem.endswith(f"divide them by {divisor}")


def test_the_level_is_named() -> None:
    problem = find_other_scale(np.resize([1000.0, -1000.0], 99))
    assert problem is not None
    assert "(+60 dBFS)" in problem


def test_what_no_converter_gives_is_refused_too() -> None:
    problem = find_other_scale(np.array([1e30, 0.0]))
    assert problem == (
        "holds samples of 1e+30 times full scale (+597 dBFS); check where they come from"
    )
