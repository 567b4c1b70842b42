"""A machine whose windows are drawn from a normal distribution, with charts of its sound."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.sections import MachineSoundSection
from edgeae.runtime.scoring.explain import Explainer
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import Threshold, probability_of
from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.scoring.window_features import n_features_of
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64

SPEC = MelSpec(n_mels=16)
N_FEATURES = n_features_of(SPEC.n_mels)
WINDOW_SECONDS = 10.0
PATCHES = 10  # in a window
PATCH_SECONDS = 1.0
DEVIATION = 0.25  # of a window, in every feature
MEAN = 3.0
N_CALIBRATION = 12  # windows


class DetectorDouble(SimpleNamespace):
    """The members of a detector; like a detector, it is equal to itself alone."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def charted_detector(
    false_alarms: str = "1/week", patch_seconds: float = PATCH_SECONDS, seed: int = 0
) -> Any:
    """What charts and an alarm need of a detector that is calibrated on two minutes."""
    half = (N_FEATURES - 1) // 2
    fleet = Fleet(
        mean=np.full(N_FEATURES, MEAN),
        within_std=np.full(N_FEATURES, DEVIATION),
        gain_directions=np.empty((0, N_FEATURES)),
        noise_directions=np.empty((0, N_FEATURES)),
        within_correlation=(np.eye(half), np.eye(half)),
        windows=1000,
        views=views_of(SPEC.n_mels),
    )
    rng = np.random.default_rng([seed, 1])
    windows = MEAN + DEVIATION * rng.standard_normal((N_CALIBRATION, N_FEATURES))
    head = Head.calibrated(fleet, windows)
    probability = probability_of(false_alarms, WINDOW_SECONDS)
    section = SimpleNamespace(
        machine_sound=MachineSoundSection(windows, N_CALIBRATION), chart_priors=()
    )
    return DetectorDouble(
        head=head,
        artifact=SimpleNamespace(head=section),
        machine="pump-3",
        window=WINDOW_SECONDS,
        threshold=Threshold(5.0, false_alarms, probability, 100, True),
        explainer=Explainer(SPEC, head, np.full(SPEC.n_mels, 2.0)),
        network=SimpleNamespace(patch_frames=32),
        spec=SimpleNamespace(frames_per_second=32 / patch_seconds),
    )


def normal_windows(n: int, seed: int = 0) -> Float64:
    """(n, N_FEATURES) features of normal windows, each a patch later than the one before."""
    patches = np.random.default_rng([seed, 2]).standard_normal((n + PATCHES, N_FEATURES))
    sums = np.cumsum(patches, axis=0)
    means = (sums[PATCHES:] - sums[:-PATCHES]) / np.sqrt(PATCHES)
    return np.asarray(MEAN + DEVIATION * means)


def changed(windows: Float64, shift: Float64 | float, start: int, n_patches: int) -> Float64:
    """Windows (n, N_FEATURES) with ``n_patches`` patches of another sound.

    shift: of the features of a window that holds nothing else, in deviations.
    start: the first window whose last patch is another sound.
    """
    is_other = np.zeros(len(windows) + PATCHES - 1)
    is_other[start + PATCHES - 1 : start + PATCHES - 1 + n_patches] = 1
    share = np.convolve(is_other, np.full(PATCHES, 1 / PATCHES), mode="valid")
    return np.asarray(windows + share[:, None] * DEVIATION * shift)


def windows_of(
    features: Float64, start: float = 0.0, step: float = PATCH_SECONDS
) -> Iterator[Window]:
    """Windows of these features (n, N_FEATURES), ``step`` seconds apart."""
    for k, row in enumerate(features):
        yield Window(start + (k + 1) * step, row, -30.0)
