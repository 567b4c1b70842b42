"""The table that a user of a Raspberry Pi makes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.runtime import conftest as alsa

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "pi.sh"
PER_SECOND = r"\d+\.\d+ ms of one core"

alsa_environment, alsa_microphone = alsa.alsa_environment, alsa.alsa_microphone


def pi(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EDGEAE_PYTHON": sys.executable}
    command = ["sh", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
def test_the_table_says_what_an_artifact_costs_here(
    trained: Any, alsa_microphone: Callable[..., Any]
) -> None:
    recordings = sorted((trained.new / "test").glob("normal_*.wav"))
    sound = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in recordings])
    alsa_microphone(np.resize(sound, 60 * 16000), seconds=0.008)
    done = pi(trained.int8, "--device", "hw:1", "--seconds", 0.5)
    assert done.returncode == 0, done.stderr
    first, _, *lines = done.stdout.splitlines()
    assert first == "| what | on this computer |"
    found = {}
    for line in lines:
        match = re.fullmatch(r"\| (.+?) \| (.+) \|", line)
        assert match
        found[match[1]] = match[2]
    assert found["packages"].startswith(f"numpy {np.__version__}")
    assert found["self-test"].startswith("self-test passed (int8 outputs exact")
    for name in ("front end", "network", "sound to score"):
        assert re.fullmatch(PER_SECOND, found[f"{name}, per second of sound"])
    assert re.fullmatch(rf"{PER_SECOND} per second, \d+\.\d+ MiB", found["listening for 0.5 s"])
    assert {
        "temperature before",
        "temperature after",
        "power before",
        "power after",
    } <= found.keys()


@pytest.mark.parametrize(
    ("arguments", "code", "word"), [((), 2, "MODEL.onnx"), (("none.onnx",), 3, "cannot be read")]
)
def test_what_is_no_artifact_is_said(arguments: tuple[str, ...], code: int, word: str) -> None:
    done = pi(*arguments)
    assert (done.returncode, done.stdout.count("\n") <= 2) == (code, True)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
