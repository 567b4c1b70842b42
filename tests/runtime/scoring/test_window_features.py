"""The feature vector of a window against its formula, one number at a time."""

import math

import numpy as np
import pytest

from edgeae.runtime.model.network import statistics_of
from edgeae.runtime.scoring.window_features import (
    n_features_of,
    n_mels_of,
    smooth_basis,
    window_features,
)
from edgeae.runtime.system.arrays import Float32

N_MELS = 8
SIZE = 1 + 2 * (N_MELS + 2 * (N_MELS // 4))


def plain_view(patches: Float32) -> list[float]:
    """Mean, spread and change of (n_patches, n_frames, N_MELS), one number at a time."""
    values: list[list[float]] = patches.reshape(-1, N_MELS).astype(float).tolist()
    frames, bands, patch = len(values), range(N_MELS), patches.shape[1]

    def mean(series: list[float]) -> float:
        return math.fsum(series) / len(series)

    def log_spread(series: list[float]) -> float:
        centre = mean(series)
        return math.log(math.sqrt(mean([(v - centre) ** 2 for v in series])) + 0.02)

    def log_change(series: list[float]) -> float:
        changes = [
            series[t + 1] - series[t] for t in range(frames - 1) if (t + 1) % patch
        ]  # within a patch
        return math.log(math.sqrt(mean([change**2 for change in changes])) + 0.02)

    def smooth(logs: list[float], order: int) -> float:
        norm = math.sqrt((1 if order == 0 else 2) / N_MELS)
        return sum(
            v * norm * math.cos(math.pi * (b + 0.5) * order / N_MELS) for b, v in enumerate(logs)
        )

    means = [mean([frame[b] for frame in values]) for b in bands]
    spread = [log_spread([frame[b] for frame in values]) for b in bands]
    change = [log_change([frame[b] for frame in values]) for b in bands]
    return means + [
        smooth(logs, order) for logs in (spread, change) for order in range(N_MELS // 4)
    ]


def test_coordinates_are_what_the_formula_says() -> None:
    rng = np.random.default_rng(1)
    z, residual = rng.normal((([[[-3.0]]], [[[0.5]]])), 1.5, (2, 4, 23, N_MELS)).astype(np.float32)
    energy = math.log(math.fsum(float(r) ** 2 for r in residual.flat) / residual.size)
    expected = [energy, *plain_view(z), *plain_view(residual)]
    assert n_features_of(N_MELS) == SIZE
    found = window_features(statistics_of(z, residual), 23, len(z))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)  # the sums are float32


def test_the_identity_of_a_window_is_the_mean_over_its_patches() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3, 23, N_MELS)).astype(np.float32)
    identity = rng.normal(size=(3, 5)).astype(np.float32)
    features = window_features(statistics_of(z, z, identity), 23, len(z))[0]
    assert len(features) == n_features_of(N_MELS, 5)
    np.testing.assert_array_equal(
        features[:-5], window_features(statistics_of(z, z), 23, len(z))[0]
    )
    np.testing.assert_allclose(features[-5:], identity.mean(axis=0), rtol=1e-6)


def test_coordinates_of_digital_silence_are_finite() -> None:
    silence = np.full((2, 10, N_MELS), -7.3, np.float32)
    assert np.isfinite(
        window_features(statistics_of(silence, np.zeros_like(silence)), 10, len(silence))
    ).all()


@pytest.mark.parametrize("n_mels", [4, 5, 8, 10, 63, 64, 128])
def test_bands_follow_from_the_number_of_coordinates(n_mels: int) -> None:
    assert n_mels_of(n_features_of(n_mels)) == n_mels


def test_the_cosines_are_orthonormal_and_nobody_can_change_them() -> None:
    basis = smooth_basis(N_MELS)
    np.testing.assert_allclose(basis.T @ basis, np.eye(N_MELS // 4), atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        basis[0, 0] = 1
