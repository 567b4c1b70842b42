"""The self-test an artifact carries: does this computer compute what the workstation computed?"""

from pathlib import Path
from typing import Any

import numpy as np

from .detector import Detector
from .errors import ArtifactError
from .mel import Float32

SECONDS = 3
SEED = 20200615
TOLERANCE = 1e-3  # relative, of the residual; absolute, of the score (a natural logarithm)


def test_sound(seed: int, n: int) -> Float32:
    """(n,) noise at -20 dBFS from a linear congruential generator: the same integers on every computer."""
    state, out = seed, np.empty(n, np.float32)
    for i in range(n):
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF  # Numerical Recipes, section 7.1
        out[i] = (state >> 16) - 32768
    return out * np.float32(0.1 * np.sqrt(3) / 32768)


def measure(detector: Detector, seed: int = SEED) -> dict[str, Any]:
    """What the self-test gives here; `edgeae export` stores it."""
    sound = test_sound(seed, SECONDS * detector.spec.sample_rate)
    window = list(detector.windows([sound], detector.spec.sample_rate))[-1]
    return {
        "seed": seed,
        "seconds": SECONDS,
        "energy": float(window.coordinates[0]),
        "score": float(detector.head.score(window.coordinates)),
        "tolerance": TOLERANCE,
    }


def renewed(detector: Detector) -> Detector:
    """The detector with the score that its self-test must give now that its head is another one.

    The energy stays the workstation's: a device that computes otherwise cannot calibrate that away.
    """
    expected = detector.artifact.sections["selftest"]
    if not isinstance(expected, dict) or "seed" not in expected:  # never exported; `check` says so
        return detector
    score = measure(detector, int(expected["seed"]))["score"]
    return detector.with_sections(selftest={**expected, "score": score})


def load_checked(path: Path) -> Detector:
    """The detector of an artifact that passes its self-test; ArtifactError names the file if it does not."""
    detector = Detector.load(path)
    try:
        check(detector)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return detector


def check(detector: Detector) -> str:
    """One sentence if the artifact computes here what it should; ArtifactError if it does not."""
    expected = detector.artifact.sections["selftest"]
    try:
        found = measure(detector, int(expected["seed"]))
        off = max(abs(found[key] - expected[key]) for key in ("energy", "score"))
        limit = float(expected["tolerance"])
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise ArtifactError("the artifact carries no self-test; export it again") from error
    if not off <= limit:
        raise ArtifactError(
            f"self-test failed: the score is off by {off:.2g}, allowed is {limit:g}; the file is damaged or this "
            f"processor computes int8 otherwise (export with --reduce-range or use the float artifact)"
        )
    return f"self-test passed (off by {off:.1e}, allowed {limit:g})"
