"""What `edgeae run` reports: one line is one object, as JSON for programs or in words for people.

    Line                     about one source
    |-- RunLine              printed and sent: `LinePublisher` adds the sequence number and the time
    |   |-- ScoreLine        a window was scored
    |   |-- EventLine        an alarm starts, goes on or ends
    |   |-- GapLine          sound was lost
    |   `-- StatusLine       capture, sound or an output changed its state
    |-- ClipLine             for `--clips` alone: the sound of an alarm
    |-- AboutLine            for `--page` alone: what does not change of a source
    `-- BandsLine            for `--page` alone: the spectrum of a window

The keys of `RunLine.to_dict` and their order are a contract with the programs that read the lines.
"""

import json
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from ..audio.pcm import Pcm
from ..monitoring.alarm import AlarmEvent, Cause, Phase
from ..monitoring.health import SoundCondition
from ..monitoring.states import UNJUDGED_STATES
from ..scoring.detector import Result
from ..scoring.explain import Moved

PROGRAM = "edgeae"  # the source of lines about the program itself
MIN_REPORTED_OUT_OF_RANGE = 0.01  # share; a smaller one is not written for people

Detail = str | int | float | bool | None
JsonObject = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Line(ABC):
    """A line about one source."""

    type: ClassVar[str]
    source: str
    machine: str | None = None

    @abstractmethod
    def to_dict(self) -> JsonObject:
        """The line as a JSON object."""

    def to_json(self) -> str:
        """The line as JSON, without a line break."""
        return json.dumps(self.to_dict())


@dataclass(frozen=True, kw_only=True)
class RunLine(Line):
    """A line that `edgeae run` prints; the fields with a default are added by `LinePublisher`."""

    t: float  # seconds from the start of the source
    time: str = ""  # ISO 8601, UTC
    sequence: int = 0  # of the lines of this process
    synced: bool | None = None  # whether the clock behind `time` is synchronised

    def to_dict(self) -> JsonObject:
        return {
            "type": self.type,
            "t": self.t,
            "time": self.time,
            "source": self.source,
            **self._values(),
            "machine": self.machine,
            "seq": self.sequence,
            "synced": self.synced,
            **self._added_values(),
        }

    def describe(self) -> str:
        """The line in words, for people."""
        return f"{self.source}  {self.t:8.1f} s  {self._words()}"

    @abstractmethod
    def _values(self) -> JsonObject:
        """What this type of line has of its own."""

    def _added_values(self) -> JsonObject:
        """What follows the sequence number."""
        return {}

    @abstractmethod
    def _words(self) -> str:
        """The same in words, without source and time."""


@dataclass(frozen=True, kw_only=True)
class ScoreLine(RunLine):
    """The score of a window."""

    type: ClassVar[str] = "score"
    score: float
    threshold: float
    anomaly: bool
    level_dbfs: float | None
    out_of_range: float  # share of the values beyond the int8 ranges
    health: str  # one of SOUND_STATES
    age: float | None = None  # seconds since the sound, when the line was published

    @classmethod
    def of(cls, source: str, result: Result) -> Self:
        """The line of a result."""
        return cls(
            source=source,
            t=result.t,
            score=result.score,
            threshold=result.threshold,
            anomaly=result.anomaly,
            level_dbfs=result.level_dbfs,
            out_of_range=result.out_of_range,
            health=result.health,
        )

    def _values(self) -> JsonObject:
        return {
            "score": self.score,
            "threshold": self.threshold,
            "anomaly": self.anomaly,
            "level_dbfs": self.level_dbfs,
            "out_of_range": self.out_of_range,
            "health": self.health,
        }

    def _added_values(self) -> JsonObject:
        return {"age": self.age}

    def _words(self) -> str:
        level = "" if self.level_dbfs is None else f"  {self.level_dbfs:6.1f} dBFS"
        beyond = ""
        if self.out_of_range >= MIN_REPORTED_OUT_OF_RANGE:
            beyond = f"  {self.out_of_range:.0%} beyond int8"
        numbers = f"score {self.score:6.2f} / {self.threshold:.2f}"
        return f"{numbers}  {self._verdict()}{level}{beyond}"

    def _verdict(self) -> str:
        if self.health in UNJUDGED_STATES:
            return "not judged"
        return "ANOMALY" if self.anomaly else "normal"


@dataclass(frozen=True)
class ClipReference:
    """Where the sound of an alarm is kept."""

    path: str | None  # None: there was no sound to keep


@dataclass(frozen=True, kw_only=True)
class EventLine(RunLine):
    """The start, continuation or end of an alarm."""

    type: ClassVar[str] = "event"
    phase: Phase
    duration: float  # seconds since the alarm started
    peak: float  # highest score so far
    bands: Sequence[Moved]  # the ranges of frequencies that changed, the largest first
    sentence: str
    cause: Cause
    clip: ClipReference | None = None  # None: no clips are kept

    @classmethod
    def of(cls, source: str, event: AlarmEvent) -> Self:
        """The line of an event."""
        return cls(
            source=source,
            t=event.t,
            phase=event.phase,
            duration=event.duration,
            peak=event.peak,
            bands=event.bands,
            sentence=event.sentence,
            cause=event.cause,
        )

    def _values(self) -> JsonObject:
        return {
            "event": self.phase,
            "duration": self.duration,
            "peak": self.peak,
            "bands": [asdict(band) for band in self.bands],
            "sentence": self.sentence,
            "cause": self.cause,
        }

    def _added_values(self) -> JsonObject:
        return {"clip": self.clip.path} if self.clip else {}

    def _words(self) -> str:
        return f"ALARM {self.phase}: {self.sentence}"


@dataclass(frozen=True, kw_only=True)
class GapLine(RunLine):
    """Sound that was lost."""

    type: ClassVar[str] = "gap"
    frames: int  # of the device
    seconds: float
    reason: str

    def _values(self) -> JsonObject:
        return {"frames": self.frames, "seconds": self.seconds, "reason": self.reason}

    def _words(self) -> str:
        return f"GAP {self.seconds:.1f} s lost ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class StatusLine(RunLine):
    """A state that begins: of the capture, of the sound, of the drift or of an output."""

    type: ClassVar[str] = "status"
    state: str
    details: Mapping[str, Detail] = field(default_factory=dict)  # further keys, by state

    @classmethod
    def of_sound(cls, source: str, t: float, condition: SoundCondition) -> Self:
        """The line of a condition of the sound that begins, or ``ok``."""
        details: dict[str, Detail] = {**condition.numbers, "sentence": condition.sentence}
        return cls(source=source, t=t, state=condition.state, details=details)

    @property
    def sentence(self) -> str | None:
        """What the state means and what to do; None for a state that needs no words."""
        sentence = self.details.get("sentence")
        return None if sentence is None else str(sentence)

    @property
    def model(self) -> str | None:
        """The path of the artifact, of the state ``listening``."""
        model = self.details.get("model")
        return None if model is None else str(model)

    @property
    def drift(self) -> float | None:
        """Share of the allowed drift, of the states ``tracking`` and ``drifted``."""
        drift = self.details.get("drift")
        return None if drift is None else float(drift)

    def _values(self) -> JsonObject:
        return {"state": self.state, **self.details}

    def _words(self) -> str:
        return f"{self.state}: {self.sentence}" if self.sentence else self.state


@dataclass(frozen=True, kw_only=True)
class ClipLine(Line):
    """The sound around the start of an alarm; `to_dict` is all but the samples."""

    type: ClassVar[str] = "clip"
    samplerate: int  # Hz
    path: str
    before_seconds: float  # of sound before the start of the alarm
    after_seconds: float
    ended: str  # why the clip ends: complete, gap, alarm, stop
    event: EventLine  # the start of the alarm
    samples: Pcm  # (n,)

    def to_dict(self) -> JsonObject:
        return {
            "type": self.type,
            "source": self.source,
            "machine": self.machine,
            "samplerate": self.samplerate,
            "path": self.path,
            "before": self.before_seconds,
            "after": self.after_seconds,
            "ended": self.ended,
            "event": self.event.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class AboutLine(Line):
    """What does not change of a source: its calibration and its bands."""

    type: ClassVar[str] = "about"
    threshold: float
    false_alarms: str  # the budget, such as 1/week
    extrapolated: bool
    alarm_windows: int
    of_windows: int
    window: float  # seconds
    model: str  # name of the artifact's file
    windows: int  # of the calibration
    centres_hz: Sequence[int]  # of the bands
    normal: bytes  # level of each band, as in `BandsLine.levels`

    def to_dict(self) -> JsonObject:
        return {
            "type": self.type,
            "source": self.source,
            "machine": self.machine,
            "threshold": self.threshold,
            "false_alarms": self.false_alarms,
            "extrapolated": self.extrapolated,
            "alarm_windows": self.alarm_windows,
            "of_windows": self.of_windows,
            "window": self.window,
            "model": self.model,
            "windows": self.windows,
            "centres_hz": list(self.centres_hz),
            "normal": b64encode(self.normal).decode(),
        }


@dataclass(frozen=True, kw_only=True)
class BandsLine(Line):
    """The spectrum of a window; a byte a band, see `edgeae.runtime.outputs.page.bands`."""

    type: ClassVar[str] = "bands"
    levels: bytes
    residual: bytes

    def to_dict(self) -> JsonObject:
        return {
            "type": self.type,
            "source": self.source,
            "machine": self.machine,
            "levels": b64encode(self.levels).decode(),
            "residual": b64encode(self.residual).decode(),
        }
