"""The self-test an artifact carries: does this computer compute what the workstation computed?

An int8 network gives the same bits on every processor that computes it rightly, so its outputs for
seeded patches have one checksum. The front end and a float network differ in the last digits: the
score of a seeded sound has a tolerance.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..model.artifact import Artifact
from ..model.network import Network, NetworkLimits
from ..model.sections import SelfTestSection
from ..system.arrays import Float32
from ..system.digest import sha256
from .detector import Detector

SECONDS = 3
PATCHES = 4
SEED = 20200615
TOLERANCE = 1e-3  # absolute, of score and energy (natural logarithms)


def _uniform(seed: int, n: int) -> NDArray[np.int64]:
    """(n,) integers from -32768 to 32767 of a linear congruential generator: the same on every
    computer."""
    factor = np.cumprod(
        np.full(n, 1664525, np.uint32), dtype=np.uint32
    )  # Numerical Recipes, section 7.1
    before = np.concatenate([[1], factor[:-1]]).astype(np.uint32)
    state = factor * np.uint32(seed) + np.cumsum(before, dtype=np.uint32) * np.uint32(1013904223)
    return (state >> np.uint32(16)).astype(np.int64) - 32768


def test_sound(seed: int, n: int) -> Float32:
    """(n,) seeded noise at -20 dBFS."""
    return _uniform(seed, n).astype(np.float32) * np.float32(0.1 * np.sqrt(3) / 32768)


def test_patches(detector: Detector, seed: int) -> Float32:
    """(PATCHES, patch_frames, n_mels) seeded levels in dB that span what the 8 bits of the input
    can express.

    They stay within 9 standard deviations, far from where sums of squares cease to be exact.
    """
    section = detector.artifact.quantization
    if section is None:
        raise ArtifactError("a float network has no range of input levels to test")
    low = section.input_low_db.astype(np.float32)
    high = section.input_high_db.astype(np.float32)
    half = np.minimum((high - low) / 2, 9 * detector.band_std.astype(np.float32))
    shape = (PATCHES, detector.network.patch_frames, detector.spec.n_mels)
    uniform = _uniform(seed, int(np.prod(shape))).reshape(shape).astype(np.float32) / np.float32(
        32768
    )
    return np.asarray((low + high) / 2 + half * uniform)


def checksum(detector: Detector, seed: int) -> str:
    """SHA-256 of what an int8 network gives for the seeded patches, little-endian float32."""
    patches = test_patches(detector, seed)
    digest = sha256()
    for output in (detector.network.residual(patches), detector.network(patches)):
        digest.update(np.ascontiguousarray(output, "<f4").tobytes())
    return digest.hexdigest()


def measure(detector: Detector, seed: int = SEED) -> SelfTestSection:
    """What the self-test gives here; `edgeae export` stores it."""
    spec = detector.spec
    is_int8 = detector.artifact.quantization is not None
    seconds = max(SECONDS, 2 * detector.network.patch_frames / spec.frames_per_second)
    sound = test_sound(seed, round(seconds * spec.sample_rate))
    window = list(detector.windows([sound], spec.sample_rate))[-1]
    return SelfTestSection(
        seed=seed,
        sha256=checksum(detector, seed) if is_int8 else None,
        energy=float(window.features[0]),
        score=float(detector.head.score(window.features)),
        tolerance=TOLERANCE,
    )


def update_selftest(detector: Detector) -> Detector:
    """The detector with the score that its self-test must give now that its head is another one.

    The rest stays the workstation's: a device that computes otherwise cannot calibrate that away.
    """
    expected = detector.artifact.selftest
    if expected is None:  # the network is a torch one, which never leaves the workstation
        return detector
    score = measure(detector, expected.seed).score
    return detector.with_sections(selftest=replace(expected, score=score))


def load_checked(path: Path) -> Detector:
    """The detector of an artifact that passes its self-test; ArtifactError names the file if it
    does not."""
    return load_all([path])[0]


def load_all(paths: Sequence[Path], limits: NetworkLimits | None = None) -> list[Detector]:
    """The detectors of several artifacts, checked; those of the same network share one session."""
    detectors: dict[bytes, Detector] = {}  # by their network
    loaded = []
    for path in paths:
        artifact = Artifact.read(path)
        network = artifact.network_bytes()
        same = detectors.get(network)
        try:
            detector = detectors[network] = Detector(
                artifact, same.network if same else Network(artifact, limits)
            )
            check(detector)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error
        loaded.append(detector)
    return loaded


def check(detector: Detector) -> str:
    """One sentence if the artifact computes here what it should; ArtifactError if it does not."""
    expected = detector.artifact.selftest
    if expected is None:
        raise ArtifactError("the artifact carries no self-test; export it again")
    measured = measure(detector, expected.seed)
    off = max(abs(measured.energy - expected.energy), abs(measured.score - expected.score))
    limit = expected.tolerance
    if measured.sha256 != expected.sha256:
        raise ArtifactError(
            "self-test failed: this processor or its onnxruntime computes the int8 network "
            "otherwise than the computer "
            "that exported it; export with --reduce-range (x86 without VNNI "
            "needs it) or use the float artifact"
        )
    if not off <= limit:
        raise ArtifactError(
            f"self-test failed: the score is off by {off:.2g}, allowed is {limit:g}; "
            f"this computer's numpy or onnxruntime computes otherwise, "
            f"install other versions or export again here"
        )
    exact = "int8 outputs exact, " if expected.sha256 else ""
    return f"self-test passed ({exact}score off by {off:.1e}, allowed {limit:g})"
