"""A synthetic rotating machine: a slow fan with shaft, blades, bearing and housing.

What the microphone hears of a healthy machine, and where a fault adds its own sound:

    shaft phase --+--> harmonics of shaft and blades --+
    (drifts)      +--> blades cutting the air (wake) --+--> microphone: place, gain
                  +--> housing shaken by the drive ----+        ^
    load, speed -----> flow noise ---------------------+     room: hum, noise

    imbalance    shakes the housing once per turn             within 0.2 to 0.6 kHz
    lost_blade   one gap per turn in the wake                 within 0.5 to 2 kHz
    rubbing      friction noise over a part of every turn     within 1 to 4 kHz
    bearing      knocks that ring at a resonance              within 2 to 7 kHz

Speed, load, placement, gain and room change the level and the mean spectrum from one clip to the
next by more than a fault does. What tells a fault is how the sound moves within a turn, and small
shifts of the spectrum along directions in which healthy clips hardly vary.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.progress import Step, counted, no_step

Array = NDArray[np.float64]
Samples = NDArray[np.float32]

SAMPLERATE = 16000  # Hz
SEVERITY = (0.4, 1.0)  # of the anomalies of a data set
KINDS = (
    "train/normal",
    "test/normal",
    "test/anomaly",
)  # of clips; the position is part of their seed


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
    bearing: float  # Hz, resonance that a knock in the bearing excites
    bearing_order: float  # knocks per turn, see `bearing_order`
    level: float  # dBFS of the unit in which the sources are mixed; a clip is about 3 dB louder

    @classmethod
    def draw(cls, machine: int, seed: int) -> "Machine":
        """The machine with number ``machine``; depends on (seed, machine) alone."""
        rng = _stream(seed, machine)
        blades = int(rng.integers(3, 7))
        return cls(
            speed=rng.uniform(6, 10),
            blades=blades,
            orders=_orders(rng, blades),
            flow_slope=rng.uniform(-4.8, -3.5),
            housing=rng.uniform(250, 400),
            wake=rng.uniform(800, 1300),
            friction=rng.uniform(1600, 2600),
            bearing=rng.uniform(3000, 5000),
            bearing_order=bearing_order(int(rng.integers(7, 12)), rng.uniform(0.2, 0.3)),
            level=rng.uniform(-33, -30),
        )


@dataclass(frozen=True)
class Fault:
    """A fault and how far it has gone; ``severity`` scales the amplitude of its sound."""

    kind: str
    severity: float = 1.0  # 0 is healthy, 1 as bad as the data sets have it

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ConfigError(f"fault: {self.kind!r} is unknown; allowed are {', '.join(FAULTS)}")
        if not 0 <= self.severity <= 1:
            raise ConfigError(f"fault: the severity is {self.severity}; allowed is 0 to 1")


@dataclass(frozen=True)
class Turning:
    """The machine during one clip: what the faults act on. Arrays are (n,); unit is nominal level."""

    phase: Array  # turns of the shaft
    samplerate: int  # Hz
    load: float  # 1 at nominal load
    shaking: Array  # sound of the housing, shaken by the drive
    wake: Array  # sound of the blades that pass the microphone


def bearing_order(balls: int, ratio: float) -> float:
    """Knocks per turn of a damaged outer race (ball pass frequency, BPFO, over shaft frequency).

    ``balls / 2 * (1 - ratio)`` with ratio = ball diameter / pitch diameter * cos(contact angle);
    Randall and Antoni, Rolling element bearing diagnostics - a tutorial, MSSP 25 (2011).
    """
    return balls / 2 * (1 - ratio)


def _stream(seed: int, *key: int) -> np.random.Generator:
    """The random numbers that belong to ``key``, independent of those of every other key."""
    if seed < 0 or min(key) < 0:
        raise ConfigError(
            f"synth: seed and machine are {seed} and {key[0]}; allowed are 0 and above"
        )
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _orders(rng: np.random.Generator, blades: int) -> tuple[float, ...]:
    """Amplitudes of 24 shaft harmonics: they fall with order, those of the blade pass stand out."""
    order = np.arange(1, 25)
    amplitudes = order ** -rng.uniform(0.5, 1.0) * np.exp(rng.normal(0, 0.5, order.size))
    amplitudes[blades - 1 :: blades] *= 2
    return tuple(amplitudes.tolist())


def _bump(frequency: Array, centre: float, octaves: float) -> Array:
    """(n_bins,) amplitude response of a broad resonance; ``octaves`` is its standard deviation."""
    distance = np.log2(np.maximum(frequency, 1.0) / centre) / octaves
    return np.asarray(np.exp(-0.5 * distance**2))


def _frequencies(n: int, samplerate: int) -> Array:
    return np.asarray(np.fft.rfftfreq(n, 1 / samplerate), np.float64)


def _noise(rng: np.random.Generator, response: Array, n: int) -> Array:
    """(n,) Gaussian noise of unit root mean square with the amplitude ``response`` (n // 2 + 1,)."""
    parts = rng.standard_normal((2, response.size))
    noise = np.fft.irfft(response * (parts[0] + 1j * parts[1]), n)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _wander(rng: np.random.Generator, n: int, samplerate: int, step: float) -> Array:
    """(n,) random walk around 0 that takes a step of deviation ``step`` every tenth of a second."""
    knots = np.arange(0, n + samplerate // 10, samplerate // 10)
    walk = np.cumsum(rng.normal(0, step, knots.size))
    return np.asarray(np.interp(np.arange(n), knots, walk - walk.mean()))


def _burst(phase: Array, width: float) -> Array:
    """(n,) one smooth bump of height 1 at each full turn; ``width`` is its share of the turn (2 sigma)."""
    return np.asarray(np.exp((np.cos(2 * np.pi * phase) - 1) / (np.pi * width) ** 2))


def _phase(
    machine: Machine, rng: np.random.Generator, n: int, samplerate: int, load: float
) -> Array:
    """(n,) turns; every clip has its own speed, higher under load, which drifts by a few percent."""
    speed = machine.speed * load**0.2 * np.exp(rng.normal(0, 0.04))
    drift = 1 + _wander(rng, n, samplerate, 0.003)
    return rng.uniform() + np.cumsum(speed * drift) / samplerate


def _tone(phase: Array, amplitudes: Array, offsets: Array) -> Array:
    """(n,) sum of the harmonics 1, 2, ... of ``phase`` (turns), read from a table of one turn."""
    angle = np.arange(4097) / 4096
    orders = np.arange(1, len(amplitudes) + 1)
    waves = np.sin(2 * np.pi * (orders[:, None] * angle + offsets[:, None]))  # (orders, 4097)
    return np.asarray(np.interp(phase % 1, angle, amplitudes @ waves))


def _harmonics(machine: Machine, rng: np.random.Generator, phase: Array) -> Array:
    """(n,) harmonics of the shaft; their amplitudes vary a little from clip to clip."""
    amplitudes = np.array(machine.orders) * np.exp(rng.normal(0, 0.2, len(machine.orders)))
    return _tone(phase, amplitudes / np.linalg.norm(amplitudes), rng.uniform(size=amplitudes.size))


def _turning(machine: Machine, rng: np.random.Generator, n: int, samplerate: int) -> Turning:
    """Speed and load of one clip, and the sources that turn with the shaft; a little uneven as all are."""
    frequency = _frequencies(n, samplerate)
    load = float(np.exp(rng.normal(0, 0.2)))
    phase = _phase(machine, rng, n, samplerate, load)
    shaking = _noise(rng, _bump(frequency, machine.housing, 0.35), n)
    uneven = 1 + rng.uniform(0, 0.15) * np.cos(2 * np.pi * (phase + rng.uniform()))
    wake = _noise(rng, _bump(frequency, machine.wake, 0.4), n)
    blades = _burst(machine.blades * phase, 0.5)
    return Turning(
        phase, samplerate, load, 0.7 * load**0.5 * uneven * shaking, load * blades * wake
    )


def _flow(
    machine: Machine, rng: np.random.Generator, n: int, samplerate: int, load: float
) -> Array:
    """(n,) noise of the air: falls with frequency, less at high load, and swells slowly."""
    slope = machine.flow_slope + rng.normal(0, 0.3) + np.log2(load)
    octaves = np.log2(np.maximum(_frequencies(n, samplerate), 50) / 50)
    swell = 1 + _wander(rng, n, samplerate, 0.02)
    return load * swell * _noise(rng, 10 ** (slope * octaves / 20), n)


def _room(rng: np.random.Generator, n: int, samplerate: int) -> Array:
    """(n,) hum of the mains and the noise of the other things in the room."""
    octaves = np.log2(np.maximum(_frequencies(n, samplerate), 50) / 50)
    noise = _noise(rng, 10 ** (rng.normal(-3, 0.5) * octaves / 20), n)
    mains = rng.uniform() + 50 * np.arange(n) / samplerate
    hum = _tone(mains, np.array([0.03, 0.015, 0.01, 0.0, 0.006]), np.zeros(5))
    return np.asarray(np.exp(rng.normal(-1.2, 0.4)) * noise + hum)


def _place(rng: np.random.Generator, n: int, samplerate: int) -> Array:
    """(n // 2 + 1,) amplitude response of the microphone where it stands this time, with its gain."""
    knots = np.log2([60, 200, 600, 2000, 8000])
    decibel = np.interp(
        np.log2(np.maximum(_frequencies(n, samplerate), 60)), knots, rng.normal(0, 1.0, 5)
    )
    return np.asarray(10 ** ((decibel + rng.normal(0, 2.0)) / 20))


def _imbalance(machine: Machine, turning: Turning, rng: np.random.Generator) -> Array:
    """The centrifugal force of a heavy spot loads and relieves the housing once per turn."""
    return 0.8 * np.cos(2 * np.pi * turning.phase) * turning.shaking


def _lost_blade(machine: Machine, turning: Turning, rng: np.random.Generator) -> Array:
    """One of the blades no longer cuts the air: a gap in the wake."""
    gap = (turning.phase * machine.blades + 0.5) % machine.blades < 1
    return np.where(gap, -turning.wake, 0.0)


def _rubbing(machine: Machine, turning: Turning, rng: np.random.Generator) -> Array:
    """The shaft touches the housing over a fifth of every turn."""
    n = turning.phase.size
    noise = _noise(rng, _bump(_frequencies(n, turning.samplerate), machine.friction, 0.4), n)
    return 0.65 * _burst(turning.phase + rng.uniform(), 0.2) * noise


def _bearing(machine: Machine, turning: Turning, rng: np.random.Generator) -> Array:
    """Balls roll over a dent in the outer race, slip a little, and every knock rings.

    Knocks at BPFO with a slip of 1 to 2 % (Randall and Antoni, MSSP 25, 2011); the rotating load of
    the fan presses the balls on the dent once per turn.
    """
    phase, rate = turning.phase, turning.samplerate
    count = int(np.ptp(phase) * machine.bearing_order * 1.1) + 2
    knocks = phase[0] + np.cumsum(1 + rng.normal(0, 0.02, count)) / machine.bearing_order
    knocks = knocks[knocks < phase[-1]]
    start = np.interp(knocks, phase, np.arange(phase.size)).astype(np.intp)
    height = (1 + 0.8 * np.cos(2 * np.pi * knocks)) * np.exp(rng.normal(0, 0.3, knocks.size))
    t = np.arange(rate // 50) / rate
    ring = np.exp(-0.05 * 2 * np.pi * machine.bearing * t) * np.sin(2 * np.pi * machine.bearing * t)
    out = np.zeros(phase.size + ring.size)
    np.add.at(out, start[:, None] + np.arange(ring.size), height[:, None] * ring)
    return np.asarray(1.6 * turning.load**0.5 * out[: phase.size])


FAULTS: dict[str, Callable[[Machine, Turning, np.random.Generator], Array]] = {
    "imbalance": _imbalance,
    "bearing": _bearing,
    "rubbing": _rubbing,
    "lost_blade": _lost_blade,
}


def fault_band(machine: Machine, fault: str) -> tuple[float, float]:
    """(low, high) Hz: the band that holds at least four fifths of the energy that a fault changes."""
    centre, octaves = {
        "imbalance": (machine.housing, 0.35),
        "bearing": (machine.bearing, 0.3),
        "rubbing": (machine.friction, 0.4),
        "lost_blade": (machine.wake, 0.4),
    }[Fault(fault).kind]
    return centre * 2 ** (-1.5 * octaves), centre * 2 ** (1.5 * octaves)


def render(
    machine: Machine,
    rng: np.random.Generator,
    seconds: float,
    fault: Fault | None = None,
    samplerate: int = SAMPLERATE,
) -> Samples:
    """One clip of the machine under a speed, load, place and room of its own, all from ``rng``.

    Returns (round(seconds * samplerate),) samples, full scale 1. A fault draws from ``rng`` after
    everything else: with the same stream, the clips with and without it differ by its sound alone.
    ConfigError for less than a tenth of a second or 16 kHz, which a ringing bearing needs.
    """
    if seconds < 0.1 or samplerate < SAMPLERATE:
        raise ConfigError(
            f"synth: {seconds} s at {samplerate} Hz; allowed is from 0.1 s at {SAMPLERATE} Hz"
        )
    n = round(seconds * samplerate)
    turning = _turning(machine, rng, n, samplerate)
    sound = 0.5 * _harmonics(machine, rng, turning.phase) + turning.shaking + turning.wake
    sound += 0.7 * _flow(machine, rng, n, samplerate, turning.load)
    room, place = _room(rng, n, samplerate), _place(rng, n, samplerate)
    if fault:
        sound += fault.severity * FAULTS[fault.kind](machine, turning, rng)
    heard = np.fft.irfft(place * np.fft.rfft(sound + room), n)
    return (10 ** (machine.level / 20) * heard).astype(np.float32)


def _clip(
    machine: int, kind: str, index: int, seconds: float, seed: int
) -> tuple[Samples, Fault | None]:
    """One clip of a data set and its fault; depends on the arguments alone, not on other clips."""
    rng = _stream(seed, machine, KINDS.index(kind), index)
    fault = None
    if kind == "test/anomaly":
        fault = Fault(list(FAULTS)[index % len(FAULTS)], rng.uniform(*SEVERITY))
    return render(Machine.draw(machine, seed), rng, seconds, fault), fault


def write_dataset(
    folder: str | Path,
    *,
    machines: Sequence[int],
    train_clips: int,
    test_normals: int,
    test_anomalies: int,
    seconds: float = 10.0,
    seed: int = 0,
    step: Step = no_step,
) -> Path:
    """Write a data set in the naming of DCASE, as 16 kHz mono PCM_16 WAV; returns its folder.

    ``train/normal_id_00_00000000.wav``, ``test/normal_id_00_00000000.wav`` and
    ``test/anomaly_id_00_00000000.wav``, the faults in rotation; ``faults.csv`` tells the fault and
    the severity of each anomaly. The counts are per machine. A clip depends on (seed, machine,
    kind, index) and its length alone. ConfigError when the folder already holds a file.
    """
    import soundfile

    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(path.is_file() for path in root.rglob("*"))):
        raise ConfigError(
            f"{root}: holds files already; name a new folder for the synthetic data set"
        )
    for name in ("train", "test"):
        (root / name).mkdir(parents=True, exist_ok=True)
    counts = dict(zip(KINDS, (train_clips, test_normals, test_anomalies), strict=True))
    rows = [("file", "fault", "severity")]
    for machine, kind in counted(product(dict.fromkeys(machines), KINDS), "synthesis", step):
        for index in range(counts[kind]):
            samples, fault = _clip(machine, kind, index, seconds, seed)
            name = f"{kind}_id_{machine:02d}_{index:08d}.wav"
            soundfile.write(root / name, samples, SAMPLERATE, subtype="PCM_16")
            if fault:
                rows.append((name, fault.kind, f"{fault.severity:.3f}"))
    with (root / "faults.csv").open("w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)
    return root
