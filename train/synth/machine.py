"""A synthetic rotating machine: a slow fan with shaft, blades, bearing and housing.

What the microphone records of a healthy machine, and where a fault adds its own sound:

    shaft phase --+--> harmonics of shaft and blades --+
    (drifts)      +--> blades cutting the air (wake) --+--> microphone: place, gain
                  +--> housing shaken by the drive ----+        ^
    load, speed -----> flow noise ---------------------+     room: hum, noise

Speed, load, placement, gain and room change the level and the mean spectrum from one clip to the
next by more than a fault does (`edgeae.train.synth.faults`).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError

Array = NDArray[np.float64]

MAINS_HZ = 50
WANDER_SECONDS = 10  # speed and flow return to their mean within about so long
KNOTS_PER_SECOND = 10  # of a random walk


@dataclass(frozen=True)
class Machine:
    """The character of one machine: what stays the same from clip to clip."""

    speed: float  # Hz, turns of the shaft a second
    blades: int
    orders: tuple[float, ...]  # amplitudes of the shaft harmonics 1, 2, ...
    flow_slope: float  # dB per octave of the flow noise
    housing: float  # Hz, resonance of the housing
    wake: float  # Hz, centre of the noise of the blades
    friction: float  # Hz, centre of the noise of metal on metal
    bearing: float  # Hz, resonance that an impact in the bearing excites
    bearing_order: float  # impacts per turn, see `bearing_order`
    level: float  # dBFS of the unit in which the sources are mixed; a clip is about 3 dB louder

    @classmethod
    def draw(cls, machine: int, seed: int) -> "Machine":
        """The machine with number ``machine``; depends on (seed, machine) alone."""
        rng = random_stream(seed, machine)
        blades = int(rng.integers(3, 7))
        return cls(
            speed=rng.uniform(6, 10),
            blades=blades,
            orders=_draw_orders(rng, blades),
            flow_slope=rng.uniform(-4.8, -3.5),
            housing=rng.uniform(250, 400),
            wake=rng.uniform(800, 1300),
            friction=rng.uniform(1600, 2600),
            bearing=rng.uniform(3000, 5000),
            bearing_order=bearing_order(int(rng.integers(7, 12)), rng.uniform(0.2, 0.3)),
            level=rng.uniform(-33, -30),
        )


@dataclass(frozen=True)
class Rotation:
    """The machine during one recording: what the faults act on.

    Arrays are (n,); their unit is the nominal level.
    """

    phase: Array  # turns of the shaft
    samplerate: int  # Hz
    load: float  # 1 at nominal load
    shaking: Array  # sound of the housing, shaken by the drive
    wake: Array  # sound of the blades that pass the microphone

    def since(self, start: int) -> "Rotation":
        """The rotation without its first ``start`` samples."""
        return replace(
            self,
            phase=self.phase[start:],
            shaking=self.shaking[start:],
            wake=self.wake[start:],
        )


def bearing_order(balls: int, ratio: float) -> float:
    """Impacts per turn of a damaged outer race (ball pass frequency, BPFO, over shaft frequency).

    ``balls / 2 * (1 - ratio)`` with ratio = ball diameter / pitch diameter * cos(contact angle);
    Randall and Antoni, Rolling element bearing diagnostics - a tutorial, MSSP 25 (2011).
    """
    return balls / 2 * (1 - ratio)


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """The random numbers that belong to ``key``, independent of those of every other key."""
    if seed < 0 or min(key) < 0:
        raise ConfigError(
            f"synth: seed and machine are {seed} and {key[0]}; allowed are 0 and above"
        )
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def rotate(machine: Machine, rng: np.random.Generator, n: int, samplerate: int) -> Rotation:
    """Speed and load of one clip of ``n`` samples, and the sources that follow the shaft.

    Every clip has a small imbalance, as every real machine has.
    """
    bins = frequencies(n, samplerate)
    load = float(np.exp(rng.normal(0, 0.2)))
    phase = _shaft_phase(machine, rng, n, samplerate, load)
    shaking = noise(rng, resonance(bins, machine.housing, 0.35), n)
    imbalance = 1 + rng.uniform(0, 0.15) * np.cos(2 * np.pi * (phase + rng.uniform()))
    wake = noise(rng, resonance(bins, machine.wake, 0.4), n)
    blades = pulses(machine.blades * phase, 0.5)
    return Rotation(
        phase=phase,
        samplerate=samplerate,
        load=load,
        shaking=0.7 * load**0.5 * imbalance * shaking,
        wake=load * blades * wake,
    )


def healthy_sound(machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
    """(n,) sum of all sources of a machine without a fault."""
    sound = 0.5 * _harmonics(machine, rng, rotation.phase) + rotation.shaking + rotation.wake
    sound += 0.7 * _flow_noise(machine, rotation, rng)
    return np.asarray(sound)


def room_sound(rng: np.random.Generator, n: int, samplerate: int) -> Array:
    """(n,) mains hum and the noise of the other things in the room."""
    octaves = np.log2(np.maximum(frequencies(n, samplerate), 50) / 50)
    background = noise(rng, 10 ** (rng.normal(-3, 0.5) * octaves / 20), n)
    mains_phase = rng.uniform() + MAINS_HZ * np.arange(n) / samplerate
    hum = _tone(mains_phase, np.array([0.03, 0.015, 0.01, 0.0, 0.006]), np.zeros(5))
    return np.asarray(np.exp(rng.normal(-1.2, 0.4)) * background + hum)


def microphone_response(rng: np.random.Generator, n: int, samplerate: int) -> Array:
    """(n // 2 + 1,) amplitude response of the microphone at its place, with its gain."""
    knots_hz = np.array([60, 200, 600, 2000, 8000])
    octaves = np.log2(np.maximum(frequencies(n, samplerate), 60))
    decibel = np.interp(octaves, np.log2(knots_hz), rng.normal(0, 1.0, 5))
    return np.asarray(10 ** ((decibel + rng.normal(0, 2.0)) / 20))


def frequencies(n: int, samplerate: int) -> Array:
    """(n // 2 + 1,) Hz of the bins of a real transform of ``n`` samples."""
    return np.asarray(np.fft.rfftfreq(n, 1 / samplerate), np.float64)


def resonance(bins: Array, centre: float, octaves: float) -> Array:
    """(n_bins,) amplitude response of a broad resonance; ``octaves`` is its standard deviation."""
    distance = np.log2(np.maximum(bins, 1.0) / centre) / octaves
    return np.asarray(np.exp(-0.5 * distance**2))


def noise(rng: np.random.Generator, response: Array, n: int) -> Array:
    """(n,) Gaussian noise of unit root mean square, of amplitude ``response`` (n // 2 + 1,)."""
    parts = rng.standard_normal((2, response.size))
    samples = np.fft.irfft(response * (parts[0] + 1j * parts[1]), n)
    return np.asarray(samples / np.sqrt(np.mean(samples**2)))


def pulses(phase: Array, width: float) -> Array:
    """(n,) one smooth pulse of height 1 a turn; ``width`` is its share of the turn (2 sigma)."""
    return np.asarray(np.exp((np.cos(2 * np.pi * phase) - 1) / (np.pi * width) ** 2))


def _draw_orders(rng: np.random.Generator, blades: int) -> tuple[float, ...]:
    """Amplitudes of 24 shaft harmonics: lower at high orders, higher at the blade pass."""
    order = np.arange(1, 25)
    amplitudes = order ** -rng.uniform(0.5, 1.0) * np.exp(rng.normal(0, 0.5, order.size))
    amplitudes[blades - 1 :: blades] *= 2
    return tuple(amplitudes.tolist())


def _random_walk(rng: np.random.Generator, n: int, samplerate: int, step: float) -> Array:
    """(n,) random walk around 0 that takes a step of deviation ``step`` every tenth of a second."""
    interval = samplerate // KNOTS_PER_SECOND
    knots = np.arange(0, n + interval, interval)
    walk = np.cumsum(rng.normal(0, step, knots.size))
    return np.asarray(np.interp(np.arange(n), knots, walk - _slow_part(walk)))


def _slow_part(walk: Array) -> Array:
    """(n_knots,) mean of the walk over the `WANDER_SECONDS` around each knot."""
    n_around = WANDER_SECONDS * KNOTS_PER_SECOND + 1
    if walk.size <= n_around:
        return np.full_like(walk, walk.mean())
    window = np.ones(n_around)
    sums = np.convolve(walk, window, mode="same")
    return np.asarray(sums / np.convolve(np.ones_like(walk), window, mode="same"))


def _shaft_phase(
    machine: Machine, rng: np.random.Generator, n: int, samplerate: int, load: float
) -> Array:
    """(n,) turns; each clip has its own speed, higher under load, which drifts by a few percent."""
    speed = machine.speed * load**0.2 * np.exp(rng.normal(0, 0.04))
    drift = 1 + _random_walk(rng, n, samplerate, 0.003)
    return rng.uniform() + np.cumsum(speed * drift) / samplerate


def _harmonics(machine: Machine, rng: np.random.Generator, phase: Array) -> Array:
    """(n,) harmonics of the shaft; their amplitudes vary a little from clip to clip."""
    amplitudes = np.array(machine.orders) * np.exp(rng.normal(0, 0.2, len(machine.orders)))
    return _tone(phase, amplitudes / np.linalg.norm(amplitudes), rng.uniform(size=amplitudes.size))


def _tone(phase: Array, amplitudes: Array, offsets: Array) -> Array:
    """(n,) sum of the harmonics 1, 2, ... of ``phase`` (turns), read from a table of one turn."""
    angle = np.arange(4097) / 4096
    orders = np.arange(1, len(amplitudes) + 1)
    waves = np.sin(2 * np.pi * (orders[:, None] * angle + offsets[:, None]))  # (orders, 4097)
    return np.asarray(np.interp(phase % 1, angle, amplitudes @ waves))


def _flow_noise(machine: Machine, rotation: Rotation, rng: np.random.Generator) -> Array:
    """(n,) noise of the air; its slope depends on the load, its level varies slowly."""
    n = rotation.phase.size
    slope = machine.flow_slope + rng.normal(0, 0.3) + np.log2(rotation.load)
    octaves = np.log2(np.maximum(frequencies(n, rotation.samplerate), 50) / 50)
    level = 1 + _random_walk(rng, n, rotation.samplerate, 0.02)
    return rotation.load * level * noise(rng, 10 ** (slope * octaves / 20), n)
