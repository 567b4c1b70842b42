"""The clips of a calibration, one by one and joined."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.calibration_clips import (
    are_short,
    calibrated_on,
    joined_clips,
    read_clips,
    windows_of,
)
from edgeae.runtime.audio.recordings import Recording, by_machine, by_name, scan
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import AudioError
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    return Detector.load(trained.int8)


@pytest.fixture(scope="module")
def train(trained: Trained) -> list[Recording]:
    return by_machine(scan(trained.new, "train"))["id_03"]


def test_a_calibration_takes_the_first_clips_by_name(
    detector: Detector, train: Sequence[Recording]
) -> None:
    clips = read_clips(detector, train[::-1], 2, 0, print, skip_bad=False)
    first, second = by_name(train)[:2]
    assert [clip.name for clip in clips] == [str(first.path), str(second.path)]
    expected = [detector.independent(detector.read(item.path)) for item in (first, second)]
    assert np.array_equal(windows_of(detector, clips), np.concatenate(expected))


def test_a_bad_clip_is_replaced_by_the_next_or_refused(
    detector: Detector, train: Sequence[Recording], tmp_path: Path
) -> None:
    bad = Recording(tmp_path / "normal_id_03_!.wav", "normal", "id_03")
    bad.path.write_bytes(b"")
    reports: list[str] = []
    found = read_clips(detector, [bad, *train[:2]], 2, 0, reports.append, skip_bad=True)
    assert [clip.name for clip in found] == [str(item.path) for item in by_name(train[:2])]
    assert len(reports) == 1 and "the file is empty" in reports[0]
    with pytest.raises(AudioError, match="only 2 training recordings can be read"):
        read_clips(detector, [bad, *train[:2]], 3, 0, print, skip_bad=True)


def test_clips_that_do_not_fill_the_window_are_joined_to_windows_that_are_full(
    detector: Detector, train: Sequence[Recording]
) -> None:
    clips = read_clips(detector, train, 5, 0, print, skip_bad=False)
    short = [
        replace(clip, windows=[replace(window, is_full=False) for window in clip.windows])
        for clip in clips
    ]
    assert not are_short(clips) and are_short(short)
    joined = joined_clips(detector, clips, 0)
    assert joined.windows[-1].end == pytest.approx(5 * 4.0 - 4 * 1.0, abs=0.2)
    assert all(window.is_full for window in joined.windows)


def test_a_calibration_is_that_of_the_command(
    detector: Detector, train: Sequence[Recording], trained: Trained, tmp_path: Path
) -> None:
    path = tmp_path / "machine.onnx"
    arguments = ["calibrate", trained.int8, trained.new, "--clips", 5, "-o", path]
    options = ["--false-alarms", "1/hour"]
    assert run_command([*map(str, arguments), *options]) == 0
    expected = Detector.load(path)
    clips = read_clips(detector, train, 5, 0, print, skip_bad=False)
    found = calibrated_on(detector, clips, "id_03", "1/hour")
    assert found.threshold == expected.threshold
    assert np.array_equal(found.head.mean, expected.head.mean)
    sounds = [item.artifact.head.machine_sound for item in (found, expected)]
    assert sounds[0] is not None and sounds[1] is not None
    assert np.array_equal(sounds[0].windows, sounds[1].windows)
