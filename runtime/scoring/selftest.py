"""The self-test an artifact carries: does this computer compute what the workstation computed?

An int8 network gives the same bits on every processor that computes it correctly, so its outputs
for seeded patches have one checksum. The front end and a float network differ in the last digits,
so the score of seeded noise has a tolerance.
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

NOISE_SECONDS = 3
N_PATCHES = 4
DEFAULT_SEED = 20200615
SCORE_TOLERANCE = 1e-3  # absolute, for score and energy (natural logarithms)


def _uniform(seed: int, n: int) -> NDArray[np.int64]:
    """(n,) integers from -32768 to 32767, the same on every computer.

    The linear congruential generator of Press et al., Numerical Recipes in C, 1992, section 7.1.
    """
    factor = np.cumprod(np.full(n, 1664525, np.uint32), dtype=np.uint32)
    before = np.concatenate([[1], factor[:-1]]).astype(np.uint32)
    state = factor * np.uint32(seed) + np.cumsum(before, dtype=np.uint32) * np.uint32(1013904223)
    return (state >> np.uint32(16)).astype(np.int64) - 32768


def seeded_noise(seed: int, n: int) -> Float32:
    """(n,) noise at -20 dBFS, the same on every computer; full scale 1."""
    return _uniform(seed, n).astype(np.float32) * np.float32(0.1 * np.sqrt(3) / 32768)


def seeded_patches(detector: Detector, seed: int) -> Float32:
    """(N_PATCHES, patch_frames, n_mels), dB: levels that cover the range of the input's 8 bits.

    They stay within 9 standard deviations, where sums of squares are exact by a wide margin.
    """
    section = detector.artifact.quantization
    if section is None:
        raise ArtifactError("a float network has no range of input levels to test")
    low = section.input_low_db.astype(np.float32)
    high = section.input_high_db.astype(np.float32)
    half = np.minimum((high - low) / 2, 9 * detector.band_std.astype(np.float32))
    shape = (N_PATCHES, detector.network.patch_frames, detector.spec.n_mels)
    integers = _uniform(seed, int(np.prod(shape))).reshape(shape)
    uniform = integers.astype(np.float32) / np.float32(32768)
    return np.asarray((low + high) / 2 + half * uniform)


def checksum(detector: Detector, seed: int) -> str:
    """SHA-256 of what an int8 network gives for the seeded patches, little-endian float32."""
    patches = seeded_patches(detector, seed)
    digest = sha256()
    statistics = detector.network(patches)
    for output in (detector.network.residual(patches), statistics.sums, statistics.identity):
        digest.update(np.ascontiguousarray(output, "<f4").tobytes())
    return digest.hexdigest()


def measure(detector: Detector, seed: int = DEFAULT_SEED) -> SelfTestSection:
    """The result of the self-test on this computer; `edgeae export` stores it."""
    spec = detector.spec
    is_int8 = detector.artifact.quantization is not None
    seconds = max(NOISE_SECONDS, 2 * detector.network.patch_frames / spec.frames_per_second)
    noise = seeded_noise(seed, round(seconds * spec.sample_rate))
    window = list(detector.windows([noise], spec.sample_rate))[-1]
    return SelfTestSection(
        seed=seed,
        sha256=checksum(detector, seed) if is_int8 else None,
        energy=float(window.features[0]),
        score=float(detector.head.score(window.features)),
        tolerance=SCORE_TOLERANCE,
    )


def update_selftest(detector: Detector) -> Detector:
    """The detector with a self-test that expects the score of its new head.

    The checksum and the energy remain those of the workstation, so that calibration on a device
    that computes differently still fails the self-test.
    """
    expected = detector.artifact.selftest
    # A torch network, which never leaves the workstation, has no self-test.
    if expected is None:
        return detector
    score = measure(detector, expected.seed).score
    return detector.with_sections(selftest=replace(expected, score=score))


def load_checked(path: Path) -> Detector:
    """Load an artifact and run its self-test.

    Raises ArtifactError, which names the file, if the self-test fails.
    """
    return load_all([path])[0]


def load_all(paths: Sequence[Path], limits: NetworkLimits | None = None) -> list[Detector]:
    """Load several artifacts and run their self-tests; equal networks share one session."""
    detectors: dict[bytes, Detector] = {}  # by the bytes of the network
    loaded = []
    for path in paths:
        artifact = Artifact.read(path)
        network_bytes = artifact.network_bytes()
        same = detectors.get(network_bytes)
        try:
            network = same.network if same else Network(artifact, limits)
            detector = Detector(artifact, network)
            detectors[network_bytes] = detector
            check(detector)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error
        loaded.append(detector)
    return loaded


def check(detector: Detector) -> str:
    """Run the self-test and return one sentence; ArtifactError if a result is not as expected."""
    expected = detector.artifact.selftest
    if expected is None:
        raise ArtifactError("the artifact carries no self-test; export it again")
    measured = measure(detector, expected.seed)
    energy_error = abs(measured.energy - expected.energy)
    score_error = abs(measured.score - expected.score)
    error = max(energy_error, score_error)
    limit = expected.tolerance
    if measured.sha256 != expected.sha256:
        raise ArtifactError(
            "self-test failed: this processor or its onnxruntime computes the int8 network "
            "differently from the computer that exported it; export with --reduce-range "
            "(x86 without VNNI needs it) or use the float artifact"
        )
    # Also true for an error of NaN.
    if not error <= limit:
        raise ArtifactError(
            f"self-test failed: the score is off by {error:.2g}, allowed is {limit:g}; "
            f"numpy or onnxruntime on this computer computes differently; "
            f"install other versions or export again here"
        )
    exact = "int8 outputs exact, " if expected.sha256 else ""
    return f"self-test passed ({exact}score off by {error:.1e}, allowed {limit:g})"
