"""`--clips`: the sound of each alarm."""

from pathlib import Path

import numpy as np
import pytest
from example_lines import event
from opened_output import opened_output, sink_names

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.clips.declaration import OUTPUT
from edgeae.runtime.scoring.detector import Detector


def test_without_a_folder_nothing_opens() -> None:
    with opened_output(OUTPUT, "--clips-days", "3") as opened:
        assert opened is None


def test_recordings_have_no_clips(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"--clips .* microphone or a pipe"),
        opened_output(OUTPUT, "--clips", str(tmp_path), live=False),
    ):
        pass


def test_the_sound_before_an_alarm_is_in_the_clip_that_its_event_names(
    machine: Path, tmp_path: Path
) -> None:
    with opened_output(OUTPUT, "--clips", str(tmp_path)) as opened:
        assert opened and opened.make_tap
        assert sink_names(opened) == ["clips"]
        tap = opened.make_tap("hw:1", Detector.load(machine), machine)
        assert tap.wants_sound
        tap.push(np.zeros(16000, np.float32), 16000)
        line = tap.add_to_event(event())
        tap.close()
        assert opened.outboxes[0].drain(20)
    assert line.clip and line.clip.path
    assert Path(line.clip.path).is_file()
