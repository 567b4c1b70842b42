"""Control limits against Student's t of scipy."""

import pytest
from scipy import stats

from edgeae.runtime.charts.control_limits import MIN_PROBABILITY, t_quantile


@pytest.mark.parametrize("degrees", [10.0, 20.0, 57.5, 1e4])
@pytest.mark.parametrize("probability", [0.1, 1e-2, 1e-4, 1e-6])
def test_the_quantile_is_that_of_student(probability: float, degrees: float) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(
        stats.t.isf(probability, degrees), rel=0.012
    )


def test_a_rarer_event_and_fewer_degrees_lie_further_out() -> None:
    assert t_quantile(1e-5, 20) > t_quantile(1e-4, 20) > 0
    assert t_quantile(1e-4, 10) > t_quantile(1e-4, 20)


def test_a_probability_beyond_all_use_has_a_finite_quantile() -> None:
    assert t_quantile(1e-300, 20) == t_quantile(MIN_PROBABILITY, 20) < 100
