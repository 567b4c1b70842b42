"""The alarms that `edgeae run` would raise in a long stream made of the test recordings.

    normal 3 / normal 0 / normal 5 / normal 2 / ...            how often is there a false alarm?
    normal 5 / normal 1 / ... / fault 4 / fault 0 / fault 2    how long until the alarm?
                              ^ onset

A fault lasts, and an alarm needs minutes of sound: more than a test recording holds. So recordings
are joined with a cross-fade (`joining`), and the windows of the stream become lines by the very
class that `edgeae run` uses (`SourceReporter`). Each stream begins as a device that was just
calibrated. All is played in several random orders, which are the same each time.

normal stream   all normal recordings of the machine; each alarm in it is a false one
fault stream    normal sound for some minutes, then recordings of one condition (`conditions`) in
                random order, again and again. The delay is the time from the onset to the first
                alarm that starts after it. An alarm before the onset is a false one; if it is
                still on, no other can start.

The normal sound is made of recordings that differ, where a machine would stay in one state for
hours; and short recordings do not show how a machine changes over days.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.features.joining import DEFAULT_FADE_SECONDS, joined
from edgeae.runtime.live.reporter import SourceReporter
from edgeae.runtime.monitoring.states import UNJUDGED_STATES
from edgeae.runtime.outputs.lines import EventLine, RunLine, ScoreLine
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

from .joining import KeptFrames, first_frames, in_long_blocks

SOURCE = "stream"  # the name in the lines
BLOCK_FRAMES = 1000  # half a minute: a network computes many patches faster than one at a time


@dataclass(frozen=True)
class StreamPlan:
    """How the streams of a machine are made."""

    n_orders: int = 3
    normal_seconds: float = 300.0  # before a fault
    fault_seconds: float = 900.0
    fade_seconds: float = DEFAULT_FADE_SECONDS


# Without a budget: enough to see whether alarms work at all.
SHORT_PLAN = StreamPlan(n_orders=1, normal_seconds=60.0, fault_seconds=300.0)


@dataclass(frozen=True)
class StreamRecordings:
    """The recordings of one machine that its streams are made of."""

    machine: str
    normals: Sequence[Path]
    faults: Mapping[str, Sequence[Path]] = field(default_factory=dict)  # by condition


@dataclass(frozen=True)
class FaultDelay:
    """What came of one fault stream."""

    condition: str
    delay: float | None  # seconds from the onset to the first alarm after it; None without one
    early: bool = False  # an alarm was on before the onset


@dataclass(frozen=True)
class StreamCounts:
    """The counts of the streams of one machine, or the sum of several."""

    seconds: float  # of normal sound
    distinct_seconds: float  # of it, without playing a recording again in another order
    n_alarms: int  # that began in it
    n_windows: int  # of it
    n_windows_in_alarm: int
    n_not_judged: int = 0  # windows of all streams
    faults: tuple[FaultDelay, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The fields as a JSON object."""
        return cls(**{**value, "faults": tuple(FaultDelay(**fault) for fault in value["faults"])})

    def __add__(self, other: "StreamCounts") -> "StreamCounts":
        return StreamCounts(
            self.seconds + other.seconds,
            self.distinct_seconds + other.distinct_seconds,
            self.n_alarms + other.n_alarms,
            self.n_windows + other.n_windows,
            self.n_windows_in_alarm + other.n_windows_in_alarm,
            self.n_not_judged + other.n_not_judged,
            self.faults + other.faults,
        )


@dataclass(frozen=True)
class AlarmState:
    """The alarm after one window of a stream."""

    end: float  # of the window, seconds
    starts: bool  # an alarm starts with this window
    active: bool  # an alarm is on
    judged: bool = True


def alarm_states(detector: Detector, blocks: Iterable[Float32]) -> Iterator[AlarmState]:
    """The state of the alarm after each window of a stream of log-mel blocks."""
    reporter = SourceReporter(detector, SOURCE)
    for window in _windows(detector, blocks):
        lines = list(reporter.lines([window]))
        yield AlarmState(
            end=window.end,
            starts=any(_is_start(line) for line in lines),
            active=reporter.alarm_active,
            judged=not any(is_not_judged(line) for line in lines),
        )


def _windows(detector: Detector, blocks: Iterable[Float32]) -> Iterator[Window]:
    stream = detector.window_stream()
    for frames in in_long_blocks(blocks, BLOCK_FRAMES):
        yield from stream.push_frames(frames)
    yield from stream.flush()


def _is_start(line: RunLine) -> bool:
    return isinstance(line, EventLine) and line.phase == "start"


def is_not_judged(line: RunLine) -> bool:
    """True for the line of a window whose sound was not judged, such as silence."""
    return isinstance(line, ScoreLine) and line.health in UNJUDGED_STATES


def simulate_streams(
    detector: Detector,
    recordings: StreamRecordings,
    channel: Channel = 0,
    plan: StreamPlan | None = None,
) -> StreamCounts | None:
    """Play the streams of one machine to its ``detector``; None without normal recordings."""
    plan = plan or StreamPlan()
    if not recordings.normals:
        return None
    frames = KeptFrames(detector.spec, channel)
    fade_frames = round(plan.fade_seconds * detector.spec.frames_per_second)
    counts = []
    for order in range(plan.n_orders):
        rng = np.random.default_rng([order, *recordings.machine.encode()])
        normal = _in_random_order(recordings.normals, rng)
        blocks = joined(map(frames.read, normal), fade_frames)
        counts.append(count_normal(alarm_states(detector, blocks), distinct=order == 0))
        for condition, faults in recordings.faults.items():
            blocks = fault_stream(frames, recordings.normals, faults, plan, rng)
            states = alarm_states(detector, blocks)
            counts.append(count_fault(states, condition, plan.normal_seconds))
    return sum_counts(counts)


def _in_random_order(paths: Sequence[Path], rng: np.random.Generator) -> list[Path]:
    return [paths[k] for k in rng.permutation(len(paths))]


def _again_and_again(paths: Sequence[Path], rng: np.random.Generator) -> Iterator[Path]:
    """The paths without an end, each time in another order."""
    while True:
        yield from _in_random_order(paths, rng)


def fault_stream(
    frames: KeptFrames,
    normals: Sequence[Path],
    faults: Sequence[Path],
    plan: StreamPlan,
    rng: np.random.Generator,
) -> Iterator[Float32]:
    """Blocks (n, n_mels), dB: ``plan.normal_seconds`` of normal sound, then the fault.

    The fade from one to the other begins at the onset.
    """
    frames_per_second = frames.spec.frames_per_second
    fade_frames = round(plan.fade_seconds * frames_per_second)
    normal_frames = round(plan.normal_seconds * frames_per_second)
    fault_frames = round(plan.fault_seconds * frames_per_second)
    normal = joined(map(frames.read, _again_and_again(normals, rng)), fade_frames)
    fault = map(frames.read, _again_and_again(faults, rng))
    recordings = chain([first_frames(normal, normal_frames + fade_frames)], fault)
    return first_frames(joined(recordings, fade_frames), normal_frames + fault_frames)


def count_normal(states: Iterable[AlarmState], *, distinct: bool) -> StreamCounts:
    """The counts of a stream of normal sound.

    distinct: its sound was not played before
    """
    states = list(states)
    return StreamCounts(
        seconds=states[-1].end,
        distinct_seconds=states[-1].end if distinct else 0.0,
        n_alarms=sum(state.starts for state in states),
        n_windows=len(states),
        n_windows_in_alarm=sum(state.active for state in states),
        n_not_judged=sum(not state.judged for state in states),
    )


def count_fault(states: Iterable[AlarmState], condition: str, onset: float) -> StreamCounts:
    """The counts of a stream with a fault; onset: its time, seconds."""
    states = list(states)
    before = [state for state in states if state.end <= onset]
    starts = [state.end for state in states if state.starts and state.end > onset]
    delay = round(starts[0] - onset, 3) if starts else None
    fault = FaultDelay(condition, delay, early=bool(before) and before[-1].active)
    return StreamCounts(
        seconds=onset,
        distinct_seconds=0.0,
        n_alarms=sum(state.starts for state in before),
        n_windows=len(before),
        n_windows_in_alarm=sum(state.active for state in before),
        n_not_judged=sum(not state.judged for state in states),
        faults=(fault,),
    )


def sum_counts(counts: Sequence[StreamCounts]) -> StreamCounts:
    """The sum of one or more counts."""
    total, *others = counts
    for item in others:
        total = total + item
    return total
