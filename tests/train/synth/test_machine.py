from dataclasses import fields

import numpy as np
import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.train.synth.machine import (
    Machine,
    bearing_order,
    frequencies,
    healthy_sound,
    microphone_response,
    noise,
    pulses,
    random_stream,
    resonance,
    room_sound,
    rotate,
)

RATE = 16000
N = 2 * RATE


def power(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.mean(np.square(samples)))


def test_machines_have_characters_of_their_own() -> None:
    drawn = [Machine.draw(machine, seed) for seed in range(3) for machine in range(5)]
    assert len({machine.speed for machine in drawn}) == len(drawn)
    assert Machine.draw(3, 1) == Machine.draw(3, 1)


def test_ball_pass_order_of_a_known_bearing() -> None:
    # SKF 6205 of the Case Western Reserve bearing data:
    # 9 balls, 7.94 mm on a 39.04 mm pitch, BPFO 3.5848 turns
    assert bearing_order(9, 7.94 / 39.04) == pytest.approx(3.585, abs=1e-3)


def test_random_streams_are_independent_and_reproducible() -> None:
    one, again, other = (random_stream(1, *key).normal(size=1000) for key in ((2,), (2,), (2, 0)))
    np.testing.assert_array_equal(one, again)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_a_negative_seed_or_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed"):
        Machine.draw(0, -1)
    with pytest.raises(ConfigError, match="machine are 0 and -1"):
        Machine.draw(-1, 0)


def test_the_shaft_turns_about_as_fast_as_the_machine() -> None:
    machine = Machine.draw(0, 0)
    rotation = rotate(machine, random_stream(0, 1), N, RATE)
    assert (np.diff(rotation.phase) > 0).all()
    speed = np.ptp(rotation.phase) / (N / RATE)
    assert speed == pytest.approx(machine.speed * rotation.load**0.2, rel=0.2)


def test_every_array_of_a_rotation_has_one_value_per_sample() -> None:
    rotation = rotate(Machine.draw(1, 0), random_stream(0, 1), N, RATE)
    arrays = [getattr(rotation, field.name) for field in fields(rotation)]
    assert [array.shape for array in arrays if isinstance(array, np.ndarray)] == [(N,)] * 3


def test_noise_has_the_response_asked_for_and_unit_power() -> None:
    response = resonance(frequencies(N, RATE), 1000, 0.3)
    samples = noise(np.random.default_rng(0), response, N)
    spectrum = np.square(np.abs(np.fft.rfft(samples)))
    inside = (frequencies(N, RATE) > 1000 * 2**-0.9) & (frequencies(N, RATE) < 1000 * 2**0.9)
    assert power(samples) == pytest.approx(1)
    assert spectrum[inside].sum() > 0.99 * spectrum.sum()


def test_a_resonance_has_its_peak_at_the_centre() -> None:
    bins = np.array([0.0, 500.0, 1000.0, 2000.0])
    assert resonance(bins, 1000, 1.0) == pytest.approx([0, np.exp(-0.5), 1, np.exp(-0.5)], abs=1e-6)


def test_there_is_one_pulse_at_each_full_turn() -> None:
    height = pulses(np.linspace(0, 3, 3001), 0.2)
    assert height[::1000] == pytest.approx(1)
    assert height[500::1000] == pytest.approx(0, abs=0.01)


def test_the_room_hums_at_the_frequency_of_the_mains() -> None:
    n = 30 * RATE
    spectrum = np.abs(np.fft.rfft(room_sound(random_stream(0, 1), n, RATE)))
    bins = frequencies(n, RATE)
    near = (bins > 30) & (bins < 70)
    assert bins[near][spectrum[near].argmax()] == pytest.approx(50, abs=0.5)


def test_a_microphone_changes_levels_by_a_few_decibels() -> None:
    responses = [microphone_response(random_stream(0, i), N, RATE) for i in range(50)]
    decibel = 20 * np.log10(responses)
    assert 1 < decibel.std() < 4
    assert np.abs(decibel).max() < 15


def test_a_healthy_machine_sounds_different_from_clip_to_clip() -> None:
    machine = Machine.draw(0, 0)
    sounds = []
    for clip in range(3):
        rng = random_stream(0, clip)
        sounds.append(healthy_sound(machine, rotate(machine, rng, N, RATE), rng))
    assert all(np.isfinite(sound).all() and 0.1 < power(sound) < 20 for sound in sounds)
    correlations = np.asarray(np.corrcoef(sounds))
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.5


def test_speed_does_not_wander_away_in_a_long_recording() -> None:
    n = 300 * RATE
    rotation = rotate(Machine.draw(0, 0), random_stream(0, 1), n, RATE)
    speeds = np.diff(rotation.phase[:: 10 * RATE]) / 10
    assert np.ptp(speeds) < 0.05 * speeds.mean()


def test_a_part_of_a_rotation_goes_on_as_the_whole() -> None:
    rotation = rotate(Machine.draw(0, 0), random_stream(0, 1), N, RATE)
    part = rotation.since(RATE)
    np.testing.assert_array_equal(part.phase, rotation.phase[RATE:])
    assert part.wake.size == part.shaking.size == N - RATE
