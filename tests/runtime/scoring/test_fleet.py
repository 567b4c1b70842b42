"""The statistics of the training machines, where they are not compared with the head's formula."""

import numpy as np
import pytest

from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.scoring.window_features import n_features_of

N_MELS = 8
N_FEATURES = n_features_of(N_MELS)
FIRST_RESIDUAL_MEAN = 13


def test_only_gain_directions_beyond_a_fifth_of_the_strongest_are_not_a_domain_shift() -> None:
    """Two directions, of the strengths 1 and 0.1: a shift along the weaker one counts."""
    gain = np.zeros((2, N_FEATURES))
    gain[0, FIRST_RESIDUAL_MEAN] = 1.0
    gain[1, FIRST_RESIDUAL_MEAN + 1] = 0.1
    identity = np.eye(N_FEATURES // 2)
    fleet = Fleet(
        mean=np.zeros(N_FEATURES),
        within_std=np.ones(N_FEATURES),
        gain_directions=gain,
        noise_directions=np.empty((0, N_FEATURES)),
        within_correlation=(identity, identity),
        windows=100,
        views=views_of(N_MELS),
    )
    along_strong = np.zeros(N_FEATURES)
    along_strong[FIRST_RESIDUAL_MEAN] = 4.0
    along_weak = np.zeros(N_FEATURES)
    along_weak[FIRST_RESIDUAL_MEAN + 1] = 4.0
    assert fleet.domain_shift(along_strong, 100) == 0.0
    assert fleet.domain_shift(along_weak, 100) == pytest.approx(16 / N_MELS - 0.01)
