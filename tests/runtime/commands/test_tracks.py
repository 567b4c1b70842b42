"""`--track` and `--state`: a file for each source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from edgeae.runtime.commands.tracks import open_memories, open_tracks
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.monitoring.charts_file import ChartsFileLimits
from edgeae.runtime.monitoring.drift import DriftLimits
from edgeae.runtime.scoring.detector import Detector
from tests.runtime.commands.parsed_options import parsed_options

LIMITS = DriftLimits()
TWO_CHANNELS = ("--device", "hw:1", "--channels", "0,1")


@pytest.fixture
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


def test_without_the_option_no_source_is_tracked(detector: Detector) -> None:
    with ExitStack() as stack:
        options = parsed_options(*TWO_CHANNELS)
        assert open_tracks(stack, options, [detector] * 2, LIMITS) == [None, None]


def test_the_file_of_one_source_is_the_one_that_is_named(
    detector: Detector, tmp_path: Path
) -> None:
    path = tmp_path / "track.json"
    with ExitStack() as stack:
        options = parsed_options("--device", "hw:1", "--track", path)
        [track] = open_tracks(stack, options, [detector], LIMITS)
        assert track
    assert path.is_file()


def test_each_of_several_sources_has_a_file_in_the_folder(
    detector: Detector, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        options = parsed_options(*TWO_CHANNELS, "--track", tmp_path)
        tracks = open_tracks(stack, options, [detector] * 2, LIMITS)
        assert len(tracks) == 2
    names = {path.name for path in tmp_path.glob("*.json")}
    assert names == {"hw-1-channel-0.json", "hw-1-channel-1.json"}


def test_several_sources_need_a_folder_that_exists(detector: Detector, tmp_path: Path) -> None:
    options = parsed_options(*TWO_CHANNELS, "--track", tmp_path / "missing")
    with ExitStack() as stack, pytest.raises(ConfigError, match="create it first"):
        open_tracks(stack, options, [detector] * 2, LIMITS)


def test_learned_sound_and_drift_of_several_sources_can_share_a_folder(
    detector: Detector, tmp_path: Path
) -> None:
    options = parsed_options(*TWO_CHANNELS, "--track", tmp_path, "--state", tmp_path)
    with ExitStack() as stack:
        open_tracks(stack, options, [detector] * 2, LIMITS)
        assert all(open_memories(stack, options, [detector] * 2, ChartsFileLimits()))
    names = sorted(path.name for path in tmp_path.glob("hw*.json"))
    assert names == [
        f"hw-1-channel-{channel}{suffix}.json" for channel in (0, 1) for suffix in ("-state", "")
    ]


def test_learned_sound_and_drift_are_two_files(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    options = parsed_options("--device", "hw:1", "--track", path, "--state", path)
    with ExitStack() as stack, pytest.raises(ConfigError, match="name another file"):
        open_memories(stack, options, [detector], ChartsFileLimits())


def test_without_the_option_nothing_is_kept(detector: Detector) -> None:
    with ExitStack() as stack:
        options = parsed_options("--device", "hw:1")
        assert open_memories(stack, options, [detector], ChartsFileLimits()) == [None]
