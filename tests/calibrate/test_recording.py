"""What a sentence calls recordings and their seconds."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeae.calibrate.recording import MOST_PLACES, CalibrationRecording, names, places
from edgeae.runtime.scoring.window_stream import Window

DETECTOR: Any = SimpleNamespace(  # windows of 4 s, one after another
    window_frames=125, spec=SimpleNamespace(frames_per_second=31.25), apart=lambda windows: windows
)


def sound(name: str, windows: int, start: float = 0.0) -> CalibrationRecording:
    ends = [start + 4 * (k + 1) for k in range(windows)]
    return CalibrationRecording(
        name, [Window(end, np.zeros(1), -30.0) for end in ends], 16000, start
    )


def test_what_follows_a_gap_is_as_long_as_it_was_heard() -> None:
    assert sound("hw:1", 3, start=20.5).seconds == 12.0


@pytest.mark.parametrize(
    ("given", "said"), [(["a"], "a"), (["a", "a"], "a"), (["a", "b", "c"], "a and 2 more")]
)
def test_several_are_named_by_the_first(given: list[str], said: str) -> None:
    assert names([sound(name, 1) for name in given]) == said


def test_a_short_recording_is_named_alone_and_a_long_one_with_its_seconds() -> None:
    sounds = [sound("a", 1), sound("b", 4), sound("c", 1)]
    assert (
        places(DETECTOR, sounds, np.array([1, 1, 0, 1, 1, 0], bool))
        == "a, b: seconds 0 to 4 and 8 to 16"
    )


def test_more_places_than_a_sentence_holds_are_counted() -> None:
    sounds = [sound(name, 1) for name in "abcdef"]
    assert places(DETECTOR, sounds, np.ones(6, bool)) == f"a, b, c, {6 - MOST_PLACES} more"
