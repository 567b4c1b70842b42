"""What a sentence calls recordings and their seconds."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeae.calibrate.recording import (
    MAX_PLACES,
    CalibrationRecording,
    name_recordings,
    name_windows,
)
from edgeae.runtime.scoring.window_stream import Window

DETECTOR: Any = SimpleNamespace(  # windows of 4 s, one after another
    window_frames=125, spec=SimpleNamespace(frames_per_second=31.25), apart=lambda windows: windows
)


def recording(name: str, windows: int, start: float = 0.0) -> CalibrationRecording:
    ends = [start + 4 * (k + 1) for k in range(windows)]
    return CalibrationRecording(
        name, [Window(end, np.zeros(1), -30.0) for end in ends], 16000, start
    )


def test_what_follows_a_gap_is_as_long_as_its_windows() -> None:
    assert recording("hw:1", 3, start=20.5).seconds == 12.0


@pytest.mark.parametrize(
    ("given", "expected"), [(["a"], "a"), (["a", "a"], "a"), (["a", "b", "c"], "a and 2 more")]
)
def test_several_are_named_by_the_first(given: list[str], expected: str) -> None:
    assert name_recordings([recording(name, 1) for name in given]) == expected


def test_a_short_recording_is_named_alone_and_a_long_one_with_its_seconds() -> None:
    recordings = [recording("a", 1), recording("b", 4), recording("c", 1)]
    assert (
        name_windows(DETECTOR, recordings, np.array([1, 1, 0, 1, 1, 0], bool))
        == "a, b: seconds 0 to 4 and 8 to 16"
    )


def test_more_places_than_a_sentence_holds_are_counted() -> None:
    recordings = [recording(name, 1) for name in "abcdef"]
    assert name_windows(DETECTOR, recordings, np.ones(6, bool)) == f"a, b, c, {6 - MAX_PLACES} more"
