"""int8 gives the same on the processors of a Raspberry Pi; a processor that differs is found.

They are emulated by qemu: `make emulated`. Results are exact there, times mean nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeae.quantize.export import export
from edgeae.runtime.scoring.detector import Detector
from tests.emulated.conftest import TOLERANCE, Outputs, Processor, emulated, host_saturates

# Of what few windows decide: a level that is rounded to the next step of z moves it by more.
CALIBRATED = 1e-3

pytestmark = emulated


@pytest.fixture(scope="module")
def haswell(processor: Callable[[str], Processor]) -> Processor:
    """x86-64 with AVX2 and without VNNI: its sums of two products saturate at 16 bits."""
    return processor("haswell")


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """(12, 32, 128) dB: steady sound, varied sound, and all levels from silence to full scale."""
    rng = np.random.default_rng(1)
    parts = [rng.normal(-40, deviation, (4, 32, 128)) for deviation in (5, 15, 80)]
    path = tmp_path_factory.mktemp("patches") / "patches.npy"
    np.save(path, np.concatenate(parts).clip(-100, 30).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def recordings(trained: Any) -> list[Path]:
    """A normal one and an anomaly of the new machine."""
    return [min((trained.new / "test").glob(f"{label}_*.wav")) for label in ("normal", "anomaly")]


@pytest.fixture(scope="module")
def reduced(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact with weights of 7 bits, as `edgeae export --int8 --reduce-range` writes it."""
    path = tmp_path_factory.mktemp("reduced") / "reduced.int8.onnx"
    return export(trained.run, int8=True, reduce_range=True, report=print).write(trained.run, path)


def different(one: Outputs, other: Outputs) -> list[str]:
    """Names of the outputs that are not the same to the last bit."""
    assert one.keys() == other.keys()
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def test_a_pi_computes_every_output_of_the_network_to_the_last_bit(
    pi: Processor, host: Processor, trained: Any, patches: Path
) -> None:
    assert different(pi.outputs(trained.int8, patches), host.outputs(trained.int8, patches)) == []


def test_the_self_test_passes_on_a_pi(pi: Processor, trained: Any) -> None:
    assert "self-test passed" in pi.edgeae("info", trained.int8)


def test_a_pi_scores_recordings_as_this_computer_does(
    pi: Processor, host: Processor, machine: Path, recordings: list[Path]
) -> None:
    found, expected = (
        [line["score"] for line in p.lines(machine, *recordings)] for p in (pi, host)
    )
    assert len(found) == len(recordings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_a_pi_calibrates_as_this_computer_does(
    pi: Processor, machine: Path, trained: Any, normals: list[Path], recordings: list[Path]
) -> None:
    found, expected = Detector.load(pi.calibrated(trained.int8, normals)), Detector.load(machine)
    assert found.machine == expected.machine == "id_03"
    assert found.threshold.value == pytest.approx(expected.threshold.value, abs=CALIBRATED)
    off = (found.head.mean - expected.head.mean) / expected.head.fleet.within_std
    assert np.abs(off).max() < CALIBRATED
    windows = [window.features for path in recordings for window in expected.read(path, 0)]
    one, other = (
        [detector.head.score(window) for window in windows] for detector in (found, expected)
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=CALIBRATED)


@pytest.mark.skipif(
    host_saturates(), reason="this computer saturates as the emulated one: it is no reference"
)
def test_a_processor_that_saturates_is_found_by_the_self_test(
    haswell: Processor, host: Processor, trained: Any, patches: Path
) -> None:
    assert different(haswell.outputs(trained.int8, patches), host.outputs(trained.int8, patches))
    done = haswell.run("info", trained.int8)
    assert done.returncode == 3
    assert "--reduce-range" in done.stderr


def test_with_reduced_range_it_computes_every_output_to_the_last_bit(
    haswell: Processor, host: Processor, reduced: Path, patches: Path
) -> None:
    assert different(haswell.outputs(reduced, patches), host.outputs(reduced, patches)) == []
    assert "self-test passed" in haswell.edgeae("info", reduced)
