"""What a user waits for, and what an artifact takes on the disk."""

import subprocess
import time
from pathlib import Path

import pytest
import soundfile
from figures import Models, Record
from listening import EDGEAE

from edgeae.runtime.scoring.selftest import seeded_noise

STARTS = 7  # the fastest counts: other processes only slow it down
HELP_TARGET = 0.05  # seconds
SCORE_TARGET = 0.35  # seconds


def _seconds_to_first_line(*arguments: object) -> float:
    began = time.perf_counter()
    with subprocess.Popen([*EDGEAE, *map(str, arguments)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        elapsed = time.perf_counter() - began
        process.stdout.read()
    assert process.returncode == 0
    return elapsed


def test_help(record: Record) -> None:
    seconds = min(_seconds_to_first_line("--help") for _ in range(STARTS))
    record("edgeae --help", seconds, "s", target=HELP_TARGET)


def test_first_score_of_a_file(record: Record, models: Models, tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    soundfile.write(path, seeded_noise(1, 160000), 16000, subtype="PCM_16")
    seconds = min(_seconds_to_first_line("run", models["machine"], path) for _ in range(STARTS))
    record("edgeae run FILE, until its first score", seconds, "s", target=SCORE_TARGET)


@pytest.mark.parametrize("name", ["int8", "machine"])
def test_size(record: Record, models: Models, name: str) -> None:
    what = {"int8": "edge, int8, artifact", "machine": "edge, int8, artifact of one machine"}[name]
    sizes = [models[form].stat().st_size / 1024 for form in (name, "float")]
    ratio = record(what, sizes[0], "KiB", "artifact in float", sizes[1]).ratio
    assert ratio is not None
    assert ratio < 1
