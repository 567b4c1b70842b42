"""What `edgeae run` would tell of the test recordings if a microphone heard them one after another.

    normal 0 | normal 1 | normal 2 | normal 3 | ...            how often does it ring for nothing?
    normal k | normal k+1 | anomaly | anomaly | anomaly ...    how long does it take to ring?
                          ^ the splice

An alarm needs several windows that overlap, more sound than most test recordings hold: heard one by one
they could never ring, and no false alarm would mean nothing. So they are played as one stream to the very
listener and rule of `run`, which is not reset where one recording follows another. They are joined as
log-mel frames, which do not know each other: a seam makes no click, and a window across it holds
some of both. That evens out recordings that differ, where a machine in one state for hours would not; and
how a machine changes over days is in no short recording. Read the count with its interval, and a
rate a day as what this much sound can exclude.

A fault is played for a minute: its recording again and again, from its start. It may ring later, and
a true fault may come and go.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, MelStream
from edgeae.runtime.monitoring.alarm import Alarm
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

from .metrics import UNKNOWN, count_interval, known

MOST_SPLICES = 20  # of a machine
FAULT_SECONDS = 60.0
DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Heard:
    """What the stream of one machine gave, or that of several added up."""

    seconds: float  # of normal sound
    alarms: int  # that began in it
    windows: int
    windows_in_alarm: int
    delays: tuple[float | None, ...]  # seconds from each splice to the alarm; None: none came
    early: int  # further splices, whose normal sound had already raised an alarm

    def __add__(self, other: "Heard") -> "Heard":
        return Heard(
            self.seconds + other.seconds,
            self.alarms + other.alarms,
            self.windows + other.windows,
            self.windows_in_alarm + other.windows_in_alarm,
            self.delays + other.delays,
            self.early + other.early,
        )


@dataclass(frozen=True)
class Alarms:
    """The figures of a stream; None where it was not heard, or holds nothing to say it of."""

    normal_hours: float | None = None  # of sound
    false_alarms: int | None = None  # in it
    false_alarms_per_day: float | None = None  # at this rate ...
    false_alarms_per_day_low: float | None = None
    false_alarms_per_day_high: float | None = None  # ... and its interval
    share_in_alarm: float | None = None  # of the windows of normal sound
    splices: int | None = None  # faults behind normal sound that was calm
    early_alarms: int | None = (
        None  # further ones, where normal sound had raised an alarm before the fault
    )
    delay_median_s: float | None = None  # from the splice to the alarm, where one came
    delay_p90_s: float | None = None
    never_detected: float | None = (
        None  # share of the splices without an alarm in a minute of fault
    )


def frames_of(path: Path, spec: MelSpec, channel: Channel = 0) -> Iterator[Float32]:
    """The log-mel (n_frames, n_mels), dB, of a recording in blocks."""
    if path.suffix.lower() == ".npy":
        yield read_log_mel(path, spec)
        return
    with AudioFile(path, channel) as audio:
        yield from MelStream(spec).frames(
            resampled(audio.blocks(), audio.samplerate, spec.sample_rate)
        )


def first(blocks: Iterable[Float32], frames: int) -> Iterator[Float32]:
    """The first ``frames`` frames of a stream of blocks."""
    for block in blocks:
        yield block[:frames]
        frames -= len(block)
        if frames <= 0:
            return


def _windows(detector: Detector, sound: Iterable[Float32]) -> Iterator[Window]:
    listener = detector.window_stream()
    for frames in sound:
        yield from listener.push_frames(frames)
    yield from listener.flush()


def told(detector: Detector, sound: Iterable[Float32]) -> Iterator[tuple[float, bool, bool]]:
    """Of each window of a stream of log-mel blocks: its end in seconds, does an alarm start, is one on."""
    alarm = Alarm(detector)
    for window in _windows(detector, sound):
        event = alarm.update(detector.result(window))
        yield window.end, event is not None and event.phase == "start", alarm.active


def delay(detector: Detector, normal: Iterable[Float32], fault: Iterable[Float32]) -> float | None:
    """Seconds from the splice of ``fault`` behind ``normal`` (blocks of log-mel frames) to the first alarm.

    Not above 0 if normal sound alone raised it; None if none came before the fault ended.
    """
    before = list(normal)
    spliced = sum(map(len, before)) / detector.spec.frames_per_second
    began = next((end for end, starts, _ in told(detector, chain(before, fault)) if starts), None)
    return None if began is None else round(began - spliced, 3)


def delays(
    detector: Detector, normals: Sequence[Path], anomalies: Sequence[Path], channel: Channel
) -> list[float | None]:
    """The delay of up to MOST_SPLICES anomalous recordings, spread evenly by name.

    Each follows other normal recordings, which fill the decision window and the rule of the alarm, and
    begins elsewhere in a patch.
    """

    spec, patch, n = detector.spec, detector.network.patch_frames, min(len(anomalies), MOST_SPLICES)
    filled = detector.window_frames + detector.threshold.of_windows * patch
    minute = round(FAULT_SECONDS * spec.frames_per_second)
    found = []
    for i in range(n):
        following = islice(cycle(normals), i * len(normals) // n, None)
        normal = chain.from_iterable(frames_of(path, spec, channel) for path in following)
        fault = list(first(frames_of(anomalies[i * len(anomalies) // n], spec, channel), minute))
        found.append(
            delay(detector, first(normal, filled + i * patch // n), first(cycle(fault), minute))
        )
    return found


def listen(
    detector: Detector, normals: Sequence[Path], anomalies: Sequence[Path], channel: Channel = 0
) -> Heard | None:
    """Play the test recordings of one machine to its ``detector``; None without normal ones."""
    if not normals:
        return None
    sound = chain.from_iterable(frames_of(path, detector.spec, channel) for path in normals)
    ends, starts, on = (np.array(column) for column in zip(*told(detector, sound), strict=True))
    after = delays(detector, normals, anomalies, channel)
    counted = tuple(seconds for seconds in after if seconds is None or seconds > 0)
    return Heard(
        float(ends[-1]),
        int(starts.sum()),
        len(on),
        int(on.sum()),
        counted,
        len(after) - len(counted),
    )


def alarms(heard: Heard | None) -> Alarms:
    """Of the stream of one machine or of several added up."""
    if not heard:
        return Alarms()
    days, n = heard.seconds / DAY, len(heard.delays)
    low, high = count_interval(heard.alarms)
    rung = list(known(heard.delays))
    median, late = (
        (round(float(value), 2) for value in np.quantile(rung, (0.5, 0.9))) if rung else UNKNOWN
    )
    return Alarms(
        normal_hours=heard.seconds / 3600,
        false_alarms=heard.alarms,
        false_alarms_per_day=heard.alarms / days,
        false_alarms_per_day_low=low / days,
        false_alarms_per_day_high=high / days,
        share_in_alarm=heard.windows_in_alarm / heard.windows,
        splices=n,
        early_alarms=heard.early,
        delay_median_s=median,
        delay_p90_s=late,
        never_detected=1 - len(rung) / n if n else None,
    )
