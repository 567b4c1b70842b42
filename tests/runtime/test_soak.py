"""An hour of sound through the live process; `make soak` is the long form."""

from pathlib import Path
from typing import Any

import pytest
import soak

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.scoring.detector import Detector

pytestmark = pytest.mark.slow

HOURS = 1.0  # the first tenth of it holds the first learning of the charts
MOST_GROWTH = 1024  # KiB


@pytest.fixture(scope="module")
def counted(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> soak.Soak:
    machine = tmp_path_factory.mktemp("machine") / "machine.onnx"
    clips: list[Path] = audio_files(trained.new / "train")
    detector = Detector.load(trained.int8)
    calibrate_files(
        detector, clips, machine="id_03", false_alarms="1/hour", report=print
    ).artifact.write(machine)
    return soak.soak(
        machine, soak.load([trained.new / "train", trained.new / "test"]), HOURS, faults_per_hour=20
    )


def test_every_line_is_the_offline_one(counted: soak.Soak) -> None:
    assert counted.different == 0
    assert counted.scored > 1000


def test_windows_are_scored_or_lost_in_a_gap(counted: soak.Soak) -> None:
    assert counted.gaps > 0
    lost = counted.expected - counted.scored
    # The first window after a gap ends a window later; the length of the gap counts as time.
    assert 0 < lost <= counted.gaps * counted.window_patches


def test_neither_memory_nor_descriptors_grow(counted: soak.Soak) -> None:
    found = counted.summary()
    assert found["rss_growth_kib"] < MOST_GROWTH
    assert len(set(found["descriptors"])) == 1
