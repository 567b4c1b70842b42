"""What is louder than anything in training does not hide in the saturation of 8 bits."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import soundfile

from edgeae.calibrate.calibrate import calibrate
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32

RATE = 16000
CLEAR = 0.1  # ln: scores that differ by less may change places


@pytest.fixture(scope="module")
def normals(trained: Any) -> list[Float32]:
    """Recordings of a machine that the network never heard."""
    return [
        soundfile.read(path, dtype="float32")[0]
        for path in sorted((trained.new / "train").glob("*.wav"))
    ]


@pytest.fixture(scope="module")
def sounds(normals: list[Float32]) -> dict[str, Float32]:
    """Normal sound, and what should be beyond it."""
    rng, normal = np.random.default_rng(0), normals[-1]
    level = normal.std()
    noise, t = rng.standard_normal(len(normal)).astype(np.float32), np.arange(len(normal)) / RATE
    found = {f"normal {k}": sound for k, sound in enumerate(normals[3:])}
    found["noise +20 dB"] = normal + 10 * level * noise
    found["all +20 dB"] = np.clip(10 * normal, -1, 1)
    for hertz in (120, 1000, 6500):
        tone = np.sin(2 * np.pi * hertz * t).astype(np.float32)
        found[f"{hertz} Hz +20 dB"] = normal + 10 * level * np.sqrt(2) * tone
        found[f"{hertz} Hz full scale"] = tone
    found["noise full scale"] = np.sign(noise)
    found["square full scale"] = np.sign(np.sin(2 * np.pi * 500 * t)).astype(np.float32)
    found["silence"] = np.zeros_like(normal)
    return found


@pytest.fixture(scope="module")
def scores(
    trained: Any, normals: list[Float32], sounds: dict[str, Float32]
) -> dict[str, dict[str, float]]:
    """Of the float and the int8 artifact, calibrated on the same three recordings."""
    made = {}
    for name, path in (("float", trained.float_), ("int8", trained.int8)):
        detector = calibrate(Detector.load(path), normals[:3], RATE)
        made[name] = {sound: detector.score(samples, RATE) for sound, samples in sounds.items()}
    return made


def highest_normal(found: dict[str, float]) -> float:
    return max(score for name, score in found.items() if name.startswith("normal"))


def test_every_loud_sound_but_a_gain_is_far_beyond_every_normal_one(
    scores: dict[str, dict[str, float]],
) -> None:
    for found in scores.values():
        near = [name for name, score in found.items() if score <= highest_normal(found) + 0.5]
        assert [name for name in near if not name.startswith("normal")] == ["all +20 dB"]


def test_saturation_hides_nothing(scores: dict[str, dict[str, float]]) -> None:
    """int8 scores as float does, or higher: a reconstruction at its limit enlarges the residual.

    A change of gain is no fault: there a tenth of what is beyond normal may be lost.
    """
    normal = highest_normal(scores["float"])
    lost = {name: score - scores["int8"][name] for name, score in scores["float"].items()}
    assert [
        name for name in lost if lost[name] > CLEAR * max(1.0, scores["float"][name] - normal)
    ] == []


def test_int8_ranks_loud_sounds_as_float_does(scores: dict[str, dict[str, float]]) -> None:
    """Broadband sounds are left out: float follows them far outside its training, int8 does not.

    Silence is left out as well: it lies below what 8 bits express, and `run` does not judge it.
    """
    float_, int8 = (
        {
            name: score
            for name, score in found.items()
            if not name.startswith(("noise", "square", "silence"))
        }
        for found in scores.values()
    )
    clear = [(a, b) for a, b in combinations(float_, 2) if abs(float_[a] - float_[b]) > CLEAR]
    assert len(clear) >= 36
    assert [
        pair
        for pair in clear
        if (float_[pair[0]] > float_[pair[1]]) != (int8[pair[0]] > int8[pair[1]])
    ] == []


def test_what_saturates_the_network_is_said(trained: Any, sounds: dict[str, Float32]) -> None:
    detector = Detector.load(trained.int8)
    shares = {
        name: max(r.out_of_range for r in detector.stream([sound], RATE))
        for name, sound in sounds.items()
    }
    assert shares["normal 0"] < 0.001
    assert min(shares[name] for name in ("noise full scale", "square full scale", "silence")) > 0.05
