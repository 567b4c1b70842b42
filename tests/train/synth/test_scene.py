"""One recording of a machine, with or without a fault."""

import numpy as np
import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.train.synth.faults import Fault
from edgeae.train.synth.machine import Machine, random_stream
from edgeae.train.synth.scene import GROWTH_SECONDS, MIN_CLIP_SECONDS, MIN_SAMPLERATE_HZ, Scene

SECONDS = 6.0
ONSET_SECONDS = 2.0
RATE = MIN_SAMPLERATE_HZ


def _scene() -> Scene:
    return Scene.draw(Machine.draw(3, 0), random_stream(0, 3), SECONDS)


def test_the_same_stream_draws_the_same_scene() -> None:
    assert np.array_equal(_scene().record(), _scene().record())
    assert _scene().record().shape == (round(SECONDS * RATE),)


def test_a_fault_begins_at_its_onset_and_grows() -> None:
    scene = _scene()
    fault = Fault("bearing", 1.0)
    with_fault = scene.record_onset(fault, ONSET_SECONDS, random_stream(0, 3, 1))
    difference = np.abs(with_fault - scene.record())
    onset = round(ONSET_SECONDS * RATE)
    grown = onset + round(GROWTH_SECONDS * RATE)
    # The filter of the microphone spreads a sound by a few milliseconds.
    before = difference[RATE // 4 : onset - RATE // 4].max()
    growing = difference[onset : onset + (grown - onset) // 4].max()
    assert before < 0.1 * growing < 0.1 * difference[grown:].max()


@pytest.mark.parametrize(
    ("seconds", "samplerate"), [(MIN_CLIP_SECONDS / 2, RATE), (SECONDS, RATE - 1)]
)
def test_too_short_or_too_slow_is_refused(seconds: float, samplerate: int) -> None:
    with pytest.raises(ConfigError, match="allowed is from"):
        Scene.draw(Machine.draw(3, 0), random_stream(0, 3), seconds, samplerate)
