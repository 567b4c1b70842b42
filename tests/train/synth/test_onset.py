"""A long recording in which a fault begins."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.errors import ConfigError
from edgeae.train.synth.faults import FAULTS
from edgeae.train.synth.onset import write_onsets

RATE = 16000
NORMAL_SECONDS = 3.0
FAULT_SECONDS = 5.0


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_onsets(
        tmp_path_factory.mktemp("onset") / "new",
        3,
        normal_seconds=NORMAL_SECONDS,
        fault_seconds=FAULT_SECONDS,
    )


def _fault_sound(recordings: dict[str, Path], fault: str) -> np.ndarray[tuple[int], np.dtype]:
    with_fault, _ = soundfile.read(recordings[fault])
    normal, _ = soundfile.read(recordings["normal"])
    return np.asarray(with_fault - normal)


def test_there_is_a_recording_of_each_fault_and_a_normal_one(recordings: dict[str, Path]) -> None:
    assert set(recordings) == {"normal", *FAULTS}
    for path in recordings.values():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        assert info.frames == (NORMAL_SECONDS + FAULT_SECONDS) * RATE


@pytest.mark.parametrize("fault", FAULTS)
def test_before_the_onset_the_sound_is_normal(recordings: dict[str, Path], fault: str) -> None:
    sound = _fault_sound(recordings, fault)
    onset = round(NORMAL_SECONDS * RATE)
    before = sound[RATE // 2 : onset - RATE // 2]  # the filter of the microphone is circular
    after = sound[onset + 2 * RATE :]
    assert np.abs(before).max() < 0.02 * np.abs(after).max()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_grows_without_a_jump(recordings: dict[str, Path], fault: str) -> None:
    sound = _fault_sound(recordings, fault)
    onset = round(NORMAL_SECONDS * RATE)
    first, later = sound[onset - 200 : onset + 200], sound[onset + 2 * RATE :]
    assert np.abs(np.diff(first)).max() < 0.1 * np.abs(np.diff(later)).max()


def test_a_folder_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        write_onsets(tmp_path, 3, normal_seconds=1.0, fault_seconds=1.0)
