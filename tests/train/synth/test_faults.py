import numpy as np
import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.train.synth.dataset import render
from edgeae.train.synth.faults import FAULTS, Fault, fault_band
from edgeae.train.synth.machine import Machine, random_stream, rotate

RATE = 16000


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("machine", range(5))
def test_energy_of_a_fault_lies_in_its_band(machine: int, fault: str) -> None:
    drawn = Machine.draw(machine, 3)
    healthy, faulty = (
        render(drawn, np.random.default_rng(7), 4.0, x) for x in (None, Fault(fault))
    )
    power = np.abs(np.fft.rfft(faulty.astype(float) - healthy)) ** 2
    frequency = np.fft.rfftfreq(len(healthy), 1 / 16000)
    low, high = fault_band(drawn, fault)
    assert power[(low <= frequency) & (frequency <= high)].sum() >= 0.8 * power.sum()


def test_fault_grows_with_its_severity_from_nothing() -> None:
    machine = Machine.draw(0, 0)
    for fault in FAULTS:
        healthy, none, half, full = (
            render(machine, np.random.default_rng(1), 1.0, x)
            for x in (None, Fault(fault, 0.0), Fault(fault, 0.5), Fault(fault, 1.0))
        )
        np.testing.assert_array_equal(none, healthy)
        np.testing.assert_allclose(half - healthy, (full - healthy) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "severity", "word"), [("rust", 1.0, "rubbing"), ("bearing", 1.5, "severity")]
)
def test_impossible_fault_is_refused(kind: str, severity: float, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Fault(kind, severity)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_repeats_with_the_shaft(kind: str) -> None:
    """Its power varies within a turn in the same way in every turn."""
    machine = Machine.draw(0, 0)
    rng = random_stream(0, 1)
    rotation = rotate(machine, rng, 20 * RATE, RATE)
    order = machine.bearing_order if kind == "bearing" else 1
    sound = FAULTS[kind](machine, rotation, rng)
    angle = np.floor(rotation.phase * order % 1 * 20).astype(int)
    power = np.bincount(angle, np.square(sound)) / np.bincount(angle)
    assert power.max() > 2 * power.min()


def test_a_healthy_machine_is_a_fault_of_no_severity() -> None:
    machine = Machine.draw(0, 0)
    rng = random_stream(0, 1)
    rotation = rotate(machine, rng, RATE, RATE)
    assert not Fault("rubbing", 0.0).sound(machine, rotation, rng).any()
