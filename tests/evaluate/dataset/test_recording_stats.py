"""The properties of one recording."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.dataset.band_levels import INSPECTION_SPEC, BandLevels
from edgeae.evaluate.dataset.recording_stats import RecordingStats, measure_recording
from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.system.arrays import Float32, Float64

RATE = 16000


def _noise(seconds: float = 5.0) -> Float64:
    return np.random.default_rng(0).normal(0, 0.1, round(RATE * seconds))


def _measure(
    path: Path, n_kept: int = 10, levels: BandLevels | None = None
) -> tuple[RecordingStats, Float32]:
    recording = Recording(path, "normal", "id_00")
    return measure_recording(recording, "train", 0, levels or BandLevels(), n_kept)


def _write(path: Path, samples: Float64, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, "FLOAT")
    return path


def test_size_level_and_content_are_those_of_the_samples(tmp_path: Path) -> None:
    samples = _noise()
    stats, _ = _measure(_write(tmp_path / "a.wav", samples))
    assert (stats.samplerate, stats.channels, stats.seconds) == (RATE, 1, 5.0)
    level = 20 * np.log10(np.sqrt(np.mean(samples**2)))
    assert stats.level_dbfs == pytest.approx(level, abs=0.006)
    assert stats.sha256 == hashlib.sha256(samples.astype(np.float32).tobytes()).hexdigest()
    assert stats.clipped_share == stats.silent_share == stats.stuck_share == 0
    assert stats.bandwidth_hz is None and stats.fingerprint is None  # ten frames are too few
    assert (stats.split, stats.machine, stats.label) == ("train", "id_00", "normal")


def test_frames_are_those_of_the_features_and_all_are_counted(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.wav", _noise())
    frames = read_log_mel(path, INSPECTION_SPEC)
    levels = BandLevels()
    stats, first = _measure(path, 40, levels)
    assert stats.frames == len(frames)
    assert np.array_equal(first, frames[:40])
    assert (levels.counts.sum(axis=1) == len(frames)).all()
    assert stats.fingerprint is not None and len(stats.fingerprint) == 128
    everything, all_frames = _measure(path, 10**6)
    assert np.array_equal(all_frames, frames) and everything.frames == len(frames)


@pytest.mark.parametrize("amplitude", [1.0, 0.5])  # full scale, and a flat top below it
def test_clipped_samples_are_a_share(tmp_path: Path, amplitude: float) -> None:
    samples = np.clip(20 * _noise(), -1, 1) * amplitude
    stats, _ = _measure(_write(tmp_path / "a.wav", samples))
    assert stats.clipped_share is not None and stats.clipped_share > 0.3


def test_silent_and_stuck_shares_are_those_of_the_worst_second(tmp_path: Path) -> None:
    silent = _noise()
    silent[2 * RATE : 2 * RATE + RATE // 2] = 0
    stats, _ = _measure(_write(tmp_path / "a.wav", silent))
    assert stats.silent_share == pytest.approx(0.5, abs=0.01)
    stuck = _noise()
    stuck[2 * RATE : 3 * RATE] = 0.01
    stats, _ = _measure(_write(tmp_path / "b.wav", stuck))
    assert stats.stuck_share == pytest.approx(1, abs=0.01)
    assert stats.silent_share == 0


def test_another_rate_is_resampled_for_the_frames(tmp_path: Path) -> None:
    stats, _ = _measure(_write(tmp_path / "a.wav", _noise(), 8000))
    assert stats.samplerate == 8000 and stats.seconds == 10.0
    assert stats.bandwidth_hz == pytest.approx(4000, rel=0.06)


def test_features_have_no_samples(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(-40, 5, (60, 128)).astype(np.float32)
    np.save(tmp_path / "a.npy", frames)
    stats, first = _measure(tmp_path / "a.npy")
    assert (stats.frames, stats.seconds) == (60, round(60 / INSPECTION_SPEC.frames_per_second, 3))
    assert stats.samplerate is stats.channels is stats.level_dbfs is None
    assert stats.clipped_share is stats.silent_share is stats.stuck_share is None
    assert np.array_equal(first, frames[:10])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(AudioError, match="not a readable"):
        _measure(tmp_path / "a.wav")
