"""Weeks of normal sound of synthetic machines: are there as many false alarms as were asked for?

    python benchmarks/simulated_weeks.py MODEL --weeks 1 --machines 4 --budget 1/day

Weeks of sound cannot be rendered, so windows are: of each machine, at one place of the microphone,
a bank of minutes at many loads. A load that follows the time of day, and wanders, picks the next
minute from the bank. A slow drift is added to the features, and several times a day a burst of 5 to
30 seconds replaces windows. The alarms are those of `edgeae run`: the same `Alarm`, fed with these
windows. Half an hour after an alarm a person says that it was normal (`Alarm.accept`).
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.monitoring.alarm import Alarm
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import PERIOD_SECONDS
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64
from edgeae.train.synth.machine import (
    Machine,
    healthy_sound,
    microphone_response,
    random_stream,
    room_sound,
    rotate,
)

FIRST_NEW_MACHINE = 3  # the numbers before are those of a demo's fleet
CLIP_SECONDS = 60.0
SAMPLE_RATE_HZ = 16000
N_CANDIDATES = 4  # clips of which the one with the nearest load follows
DAILY_LOAD = 0.15  # ln, amplitude of the load over a day
LOAD_SPREAD = 0.15  # ln, standard deviation of the wandering load
LOAD_HOURS = 4.0  # time constant of the wandering load
DRIFT_PER_WEEK = 0.5  # of the difference between two minutes
BURSTS_PER_DAY = 6.0
BURST_SECONDS = (5.0, 30.0)
BURST_STDS = (2.0, 20.0)  # fleet deviations
DAY_SECONDS = 86400.0
FEEDBACK_SECONDS = 1800.0


@dataclass(frozen=True)
class Bank:
    """Windows of one machine at many loads."""

    clips: list[Float64]  # (n_windows, n_features) of each clip
    loads: Float64  # (n_clips,) ln


@dataclass
class Counts:
    """What a simulated time gave."""

    first_day: int = 0
    later: int = 0
    bursts: int = 0
    alarm_windows: int = 0


def render_bank(detector: Detector, number: int, n_clips: int, seed: int) -> Bank:
    """Windows of machine ``number`` at one place of the microphone."""
    machine = Machine.draw(number, seed)
    n = round(CLIP_SECONDS * SAMPLE_RATE_HZ)
    response = microphone_response(random_stream(seed, number, 77), n, SAMPLE_RATE_HZ)
    clips: list[Float64] = []
    loads: list[float] = []
    for index in range(n_clips):
        rng = random_stream(seed, number, 78, index)
        rotation = rotate(machine, rng, n, SAMPLE_RATE_HZ)
        sound = healthy_sound(machine, rotation, rng) + room_sound(rng, n, SAMPLE_RATE_HZ)
        recorded = np.fft.irfft(response * np.fft.rfft(sound), n) * 10 ** (machine.level / 20)
        windows = detector.windows([recorded.astype(np.float32)], SAMPLE_RATE_HZ)
        clips.append(np.array([window.features for window in windows]))
        loads.append(math.log(rotation.load))
    return Bank(clips, np.array(loads))


def features(bank: Bank, std: Float64, rng: np.random.Generator, step: float) -> Iterator[Float64]:
    """The features of window after window, without end; step: seconds between two windows."""
    first, last = rng.choice(len(bank.clips), 2, replace=False)
    direction = bank.clips[last].mean(axis=0) - bank.clips[first].mean(axis=0)
    wandering = 0.0
    t = 0.0
    next_burst = rng.exponential(DAY_SECONDS / BURSTS_PER_DAY)
    while True:
        hours = len(bank.clips[0]) * step / 3600
        decay = math.exp(-hours / LOAD_HOURS)
        wandering = decay * wandering + LOAD_SPREAD * math.sqrt(1 - decay**2) * rng.normal()
        load = wandering + DAILY_LOAD * math.sin(2 * math.pi * t / DAY_SECONDS)
        candidates = rng.integers(len(bank.clips), size=N_CANDIDATES)
        clip = bank.clips[candidates[np.argmin(np.abs(bank.loads[candidates] - load))]]
        burst_end = 0.0
        burst = np.zeros(len(std))
        for window in clip:
            if t >= next_burst:
                burst_end = t + rng.uniform(*BURST_SECONDS)
                burst = rng.uniform(*BURST_STDS) * rng.normal(size=len(std)) * std
                next_burst = t + rng.exponential(DAY_SECONDS / BURSTS_PER_DAY)
            drift = direction * DRIFT_PER_WEEK * t / (7 * DAY_SECONDS)
            yield window + drift + (burst if t < burst_end else 0.0)
            t += step


def simulate(detector: Detector, bank: Bank, seconds: float, budget: str, seed: int) -> Counts:
    """Calibrate on the first minute, then monitor."""
    rng = np.random.default_rng(seed)
    step = detector.network.patch_frames / detector.spec.frames_per_second
    stream = features(bank, detector.head.fleet.within_std, rng, step)
    n_calibration = round(60 / step)
    apart = max(1, round(detector.window / step))
    first = np.array([next(stream) for _ in range(n_calibration)])
    machine = calibrated(detector, first[::apart], machine="simulated", false_alarms=budget)
    alarm = Alarm.of(machine)
    counts = Counts()
    unanswered = math.inf  # start of the first alarm that nobody has called normal
    for number in range(round(seconds / step)):
        t = number * step
        window = Window(end=round(t, 3), features=next(stream), level=None)
        event = alarm.update(machine.result(window, alarm.threshold_rise))
        counts.alarm_windows += alarm.active
        if t - unanswered > FEEDBACK_SECONDS:
            alarm.accept()
            unanswered = math.inf
        if event is not None and event.phase == "start":
            unanswered = min(unanswered, t)
            if t < DAY_SECONDS:
                counts.first_day += 1
            else:
                counts.later += 1
        counts.bursts += event is not None and event.phase == "burst"
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--weeks", type=float, default=1.0)
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--budget", default="1/day")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    detector = Detector.load(arguments.model)
    seconds = arguments.weeks * 7 * DAY_SECONDS
    number, _, period = arguments.budget.partition("/")
    later_seconds = arguments.machines * max(0.0, seconds - DAY_SECONDS)
    expected = float(number) * later_seconds / PERIOD_SECONDS[period]
    total = 0
    for machine in range(FIRST_NEW_MACHINE, FIRST_NEW_MACHINE + arguments.machines):
        bank = render_bank(detector, machine, arguments.clips, arguments.seed)
        counts = simulate(detector, bank, seconds, arguments.budget, arguments.seed)
        total += counts.later
        print(
            f"machine {machine}: {counts.first_day} alarms on the first day, {counts.later} later, "
            f"{counts.bursts} bursts, {counts.alarm_windows * 1.024 / 3600:.1f} h in alarm",
            flush=True,
        )
    print(f"after the first day: {total} false alarms, {expected:.1f} at {arguments.budget}")


if __name__ == "__main__":
    main()
