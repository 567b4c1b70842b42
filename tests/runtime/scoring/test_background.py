"""Recordings with the machine off, and what their sound does to the features of the machine's."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.features.mixing import mixed
from edgeae.runtime.scoring.background import (
    BACKGROUND_SHARE,
    SNRS_DB,
    background_changes,
    read_background,
)
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

SPEC = MelSpec()


def noise(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(0).normal(0, 0.01, round(seconds * SPEC.sample_rate))


def test_a_recording_is_read_as_log_mel(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "off.wav", noise(3.0), SPEC.sample_rate)
    (frames,) = read_background([tmp_path / "off.wav"], SPEC)
    assert frames.shape[1] == SPEC.n_mels
    assert len(frames) / SPEC.frames_per_second == pytest.approx(3.0, abs=0.1)


def test_a_short_recording_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", noise(1.0), SPEC.sample_rate)
    with pytest.raises(
        AudioError, match=r"short\.wav: \d\.\d s of background; record at least 2 s"
    ):
        read_background([tmp_path / "short.wav"], SPEC)


def test_the_changes_are_those_at_each_ratio(trained: Trained) -> None:
    detector = Detector.load(trained.float_)
    rng = np.random.default_rng(1)
    excerpt, other, off = (
        rng.normal(-40, 5, (64, SPEC.n_mels)).astype(np.float32) for _ in range(3)
    )
    changes = background_changes(detector, [excerpt, other], [off])
    n = 2 * len(SNRS_DB)
    quiet = detector.mean_features(excerpt)
    loudest = detector.mean_features(mixed(excerpt, off, SNRS_DB[0])) - quiet
    assert len(changes) == n
    np.testing.assert_allclose(changes[0], loudest * np.sqrt(BACKGROUND_SHARE / n))
