"""The views of a feature vector."""

import pytest

from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.scoring.window_features import n_features_of


@pytest.mark.parametrize("n_mels", [8, 64, 128])
def test_the_views_hold_every_feature_but_the_energy_once(n_mels: int) -> None:
    n = n_features_of(n_mels)
    views = views_of(n)
    assert [view.name for view in views] == ["spectrum", "variation", "residual"]
    features = [k for view in views for k in range(n)[view.features]]
    assert features == list(range(1, n))


def test_the_spectrum_has_a_feature_for_each_band() -> None:
    spectrum, variation, residual = views_of(n_features_of(64))
    sizes = [view.features.stop - view.features.start for view in (spectrum, variation, residual)]
    assert sizes == [64, 32, 96]
