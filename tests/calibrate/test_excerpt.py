"""Excerpts of recordings, as samples and as log-mel, and how much of them is kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.calibrate.excerpt import (
    MAX_EXCERPT_SECONDS,
    Excerpt,
    ExcerptBudget,
    FrequencyRange,
    LogMelExcerpt,
    SampleExcerpt,
    machine_level,
)
from edgeae.runtime.features.mel import MelSpec, band_edges, log_mel
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32, Float64

RATE = 16000
SPEC = MelSpec()
BAND = FrequencyRange(1000.0, 2000.0)


def noise(seconds: float = 4.0, amplitude: float = 0.05) -> Float32:
    samples = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return (amplitude * samples).astype(np.float32)


def tone(n_samples: int, samplerate: int) -> Float64:
    return np.asarray(np.sqrt(2) * np.sin(2 * np.pi * 3000 / samplerate * np.arange(n_samples)))


def frames_of(excerpt: Excerpt) -> Float32:
    """(n_frames, n_mels) dB."""
    if isinstance(excerpt, SampleExcerpt):
        return log_mel(excerpt.samples)
    assert isinstance(excerpt, LogMelExcerpt)
    return excerpt.frames


def bands(excerpt: Excerpt) -> Float64:
    """(n_mels,) mean level of each band, dB."""
    return np.asarray(frames_of(excerpt).mean(axis=0, dtype=np.float64))


@pytest.fixture(params=["samples", "log-mel"])
def excerpt(request: pytest.FixtureRequest) -> Excerpt:
    """The same sound in both forms."""
    if request.param == "samples":
        return SampleExcerpt(noise(), RATE)
    return LogMelExcerpt(log_mel(noise()), SPEC)


def test_a_range_and_only_that_gets_louder(excerpt: Excerpt) -> None:
    change = bands(excerpt.filtered(BAND, 6.0)) - bands(excerpt)
    centres = band_edges(SPEC)[1:-1]
    inside = (centres > 1100) & (centres < 1800)
    outside = (centres < 850) | (centres > 2400)
    np.testing.assert_allclose(change[inside], 6.0, atol=0.1)
    np.testing.assert_allclose(change[outside], 0.0, atol=0.1)


def test_an_added_tone_has_its_level_at_its_frequency(excerpt: Excerpt) -> None:
    mixed = excerpt.mixed(tone, 0.1)
    assert mixed.power == pytest.approx(excerpt.power + 0.1**2, rel=0.03)
    change = bands(mixed) - bands(excerpt)
    centre = band_edges(SPEC)[1 + int(np.argmax(change))]
    assert centre == pytest.approx(3000, rel=0.03)
    assert np.median(change) < 0.5


def test_a_modulation_keeps_the_mean_power_and_spreads_the_levels(excerpt: Excerpt) -> None:
    modulated = excerpt.modulated(2.0, 0.5)
    assert modulated.power == pytest.approx(excerpt.power * (1 + 0.5**2 / 2), rel=0.03)
    normal, changed = (frames_of(each).mean(axis=1).std() for each in (excerpt, modulated))
    assert changed > normal + 2


def test_both_forms_have_the_same_power_and_length() -> None:
    samples = SampleExcerpt(noise(), RATE)
    frames = LogMelExcerpt(log_mel(noise()), SPEC)
    assert frames.power == pytest.approx(samples.power, rel=0.03)
    assert frames.seconds == pytest.approx(samples.seconds, abs=0.05)


def test_both_forms_give_the_same_windows(fresh: Detector) -> None:
    forms = (SampleExcerpt(noise(), RATE), LogMelExcerpt(log_mel(noise()), SPEC))
    samples, frames = (form.windows(fresh)[-1].features for form in forms)
    np.testing.assert_allclose(samples, frames, atol=1e-3)


def test_the_level_of_a_machine_is_that_of_all_its_sound() -> None:
    quiet = SampleExcerpt(np.full(3 * RATE, 0.1, np.float32), RATE)
    loud = SampleExcerpt(np.full(RATE, 0.5, np.float32), RATE)
    assert machine_level([quiet, loud]) == pytest.approx(np.sqrt((3 * 0.01 + 0.25) / 4), rel=1e-5)


def test_half_a_minute_is_kept_of_all_recordings_together(fresh: Detector) -> None:
    budget = ExcerptBudget(fresh)
    kept = [budget.of_samples(noise(20.0), RATE) for _ in range(3)]
    assert [each.seconds if each else 0.0 for each in kept] == [20.0, 10.0, 0.0]
    assert MAX_EXCERPT_SECONDS == 30.0


def test_what_does_not_fill_a_patch_is_not_kept(fresh: Detector) -> None:
    budget = ExcerptBudget(fresh)
    budget.of_samples(noise(29.5), RATE)
    assert budget.of_samples(noise(20.0), RATE) is None
    assert budget.of_blocks([], RATE) is None
    assert ExcerptBudget(fresh, 0.0).of_frames(log_mel(noise())) is None


def test_sound_of_another_rate_is_resampled(fresh: Detector) -> None:
    kept = ExcerptBudget(fresh).of_samples(noise(4.0), 8000)
    assert isinstance(kept, SampleExcerpt)
    assert (kept.samplerate, round(kept.seconds, 2)) == (RATE, 8.0)


def write_wav(path: Path) -> None:
    soundfile.write(path, noise(4.0), RATE, "FLOAT")


def write_npy(path: Path) -> None:
    np.save(path, log_mel(noise(4.0)))


@pytest.mark.parametrize(("name", "write"), [("a.wav", write_wav), ("a.npy", write_npy)])
def test_a_file_is_kept_as_what_it_holds(
    fresh: Detector, tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    kept = ExcerptBudget(fresh, 3.0).of_file(tmp_path / name, 0)
    assert kept is not None
    assert kept.seconds == pytest.approx(3.0, abs=0.1)
    assert isinstance(kept, LogMelExcerpt) == name.endswith(".npy")
