"""Stream simulation: the joined test recordings of a machine, scored as `edgeae run` does.

    normal 0 | normal 1 | normal 2 | normal 3 | ...            how often is there a false alarm?
    normal k | normal k+1 | anomaly | anomaly | anomaly ...    how long until the alarm?
                          ^ the splice

An alarm needs several windows that overlap: more sound than most test recordings hold. One by one
they could never raise an alarm, and a count of no false alarms would mean nothing. So they are
played as one stream through the window stream and the alarm rule of `run`, which are not reset
between recordings. They are joined as log-mel frames, which do not depend on each other: a joint
makes no click, and a window across it contains frames of both recordings. That averages recordings
that differ, where a machine would stay in one state for hours; and short recordings do not show how
a machine changes over days. Read the count with its interval, and a rate per day as what this much
sound can exclude.

A fault is played for a minute: its recording again and again, from its start. A real fault may
raise its alarm later, and may come and go.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any, Self

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

from .evaluation_result import Alarms, Estimate
from .metrics import count_interval, without_none

MAX_SPLICES = 20  # of a machine
FAULT_SECONDS = 60.0
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True)
class StreamCounts:
    """The counts of the stream of one machine, or the sum of several."""

    seconds: float  # of normal sound
    n_alarms: int  # that began in it
    n_windows: int
    n_windows_in_alarm: int
    delays: tuple[float | None, ...]  # seconds from each splice to the alarm; None without alarm
    n_early: int  # further splices, before which normal sound had already raised an alarm

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The fields as a JSON object."""
        return cls(**{**value, "delays": tuple(value["delays"])})

    def __add__(self, other: "StreamCounts") -> "StreamCounts":
        return StreamCounts(
            self.seconds + other.seconds,
            self.n_alarms + other.n_alarms,
            self.n_windows + other.n_windows,
            self.n_windows_in_alarm + other.n_windows_in_alarm,
            self.delays + other.delays,
            self.n_early + other.n_early,
        )


@dataclass(frozen=True)
class AlarmState:
    """The alarm after one window of a stream."""

    end: float  # of the window, seconds
    starts: bool  # an alarm starts with this window
    active: bool  # an alarm is on


def frames_of(path: Path, spec: MelSpec, channel: Channel = 0) -> Iterator[Float32]:
    """The log-mel frames (n_frames, n_mels), dB, of a recording in blocks."""
    if path.suffix.lower() == ".npy":
        yield read_log_mel(path, spec)
        return
    with AudioFile(path, channel) as audio:
        sound = resampled(audio.blocks(), audio.samplerate, spec.sample_rate)
        yield from MelStream(spec).frames(sound)


def first_frames(blocks: Iterable[Float32], n_frames: int) -> Iterator[Float32]:
    """The first ``n_frames`` frames of a stream of blocks."""
    for block in blocks:
        yield block[:n_frames]
        n_frames -= len(block)
        if n_frames <= 0:
            return


def _windows(detector: Detector, blocks: Iterable[Float32]) -> Iterator[Window]:
    stream = detector.window_stream()
    for frames in blocks:
        yield from stream.push_frames(frames)
    yield from stream.flush()


def alarm_states(detector: Detector, blocks: Iterable[Float32]) -> Iterator[AlarmState]:
    """The state of the alarm after each window of a stream of log-mel blocks."""
    alarm = Alarm(detector.threshold, detector.explainer)
    for window in _windows(detector, blocks):
        event = alarm.update(detector.result(window))
        starts = event is not None and event.phase == "start"
        yield AlarmState(window.end, starts, alarm.active)


def detection_delay(
    detector: Detector, normal: Iterable[Float32], fault: Iterable[Float32]
) -> float | None:
    """Seconds from the splice between ``normal`` and ``fault`` to the first alarm.

    None without an alarm; not above 0 if the normal sound raised the alarm.

    normal, fault: blocks of log-mel frames (n_frames, n_mels), dB
    """
    normal_blocks = list(normal)
    splice = sum(map(len, normal_blocks)) / detector.spec.frames_per_second
    for state in alarm_states(detector, chain(normal_blocks, fault)):
        if state.starts:
            return round(state.end - splice, 3)
    return None


@dataclass(frozen=True)
class Splice:
    """Normal sound and the fault after it, as blocks of log-mel frames (n_frames, n_mels), dB."""

    normal: Iterable[Float32]
    fault: Iterable[Float32]


def splices(
    detector: Detector, normals: Sequence[Path], anomalies: Sequence[Path], channel: Channel
) -> Iterator[Splice]:
    """A splice for each of up to MAX_SPLICES anomalous recordings, spread evenly by name.

    Each follows other normal recordings, which fill the decision window and the k-of-n rule of the
    alarm. The splices fall on different frames of a patch.
    """
    spec = detector.spec
    patch_frames = detector.network.patch_frames
    n = min(len(anomalies), MAX_SPLICES)
    lead_frames = detector.window_frames + detector.threshold.of_windows * patch_frames
    fault_frames = round(FAULT_SECONDS * spec.frames_per_second)
    for i in range(n):
        others = islice(cycle(normals), i * len(normals) // n, None)
        normal = chain.from_iterable(frames_of(path, spec, channel) for path in others)
        lead = first_frames(normal, lead_frames + i * patch_frames // n)
        path = anomalies[i * len(anomalies) // n]
        fault = list(first_frames(frames_of(path, spec, channel), fault_frames))
        yield Splice(lead, first_frames(cycle(fault), fault_frames))


def simulate_stream(
    detector: Detector, normals: Sequence[Path], anomalies: Sequence[Path], channel: Channel = 0
) -> StreamCounts | None:
    """Play the test recordings of one machine to its ``detector``; None without normal ones."""
    if not normals:
        return None
    normal = chain.from_iterable(frames_of(path, detector.spec, channel) for path in normals)
    states = list(alarm_states(detector, normal))
    delays = [
        detection_delay(detector, splice.normal, splice.fault)
        for splice in splices(detector, normals, anomalies, channel)
    ]
    return count(states, delays)


def count(states: Sequence[AlarmState], delays: Sequence[float | None]) -> StreamCounts:
    """The counts of a stream.

    states: after each window of the normal sound
    delays: of each splice, see `detection_delay`; one not above 0 is no detection
    """
    counted = tuple(delay for delay in delays if delay is None or delay > 0)
    return StreamCounts(
        seconds=states[-1].end,
        n_alarms=sum(state.starts for state in states),
        n_windows=len(states),
        n_windows_in_alarm=sum(state.active for state in states),
        delays=counted,
        n_early=len(delays) - len(counted),
    )


def alarm_metrics(counts: StreamCounts | None) -> Alarms:
    """The metrics of one stream, or of the sum of several; all None without a stream."""
    if counts is None:
        return Alarms()
    days = counts.seconds / SECONDS_PER_DAY
    low, high = count_interval(counts.n_alarms)
    n_splices = len(counts.delays)
    detected = list(without_none(counts.delays))
    return Alarms(
        normal_hours=counts.seconds / SECONDS_PER_HOUR,
        false_alarms=counts.n_alarms,
        false_alarms_per_day=Estimate(counts.n_alarms / days, low / days, high / days),
        share_in_alarm=counts.n_windows_in_alarm / counts.n_windows,
        splices=n_splices,
        early_alarms=counts.n_early,
        delay_median_s=_quantile(detected, 0.5),
        delay_p90_s=_quantile(detected, 0.9),
        never_detected=1 - len(detected) / n_splices if n_splices else None,
    )


def _quantile(delays: Sequence[float], share: float) -> float | None:
    return round(float(np.quantile(delays, share)), 2) if delays else None
