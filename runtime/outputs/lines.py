"""The types of the lines of `edgeae run`, as JSON for programs or in words for people.

    Line                     about one source
    |-- RunLine              printed and sent; `LinePublisher` adds number and time
    |   |-- ScoreLine        a window was scored
    |   |-- EventLine        an alarm starts, continues or ends
    |   |-- GapLine          sound was lost
    |   `-- StatusLine       the capture, the sound or an output changed its state
    |-- ClipLine             `clips/line.py`, for `--clips` alone: the sound of an alarm
    |-- AboutLine            `page/lines.py`, for `--page` alone: the calibration of a source
    `-- BandsLine            `page/lines.py`, for `--page` alone: the spectrum of a window

The keys of `RunLine.to_dict` and their order are a contract with the programs that read the lines.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from ..monitoring.alarm import AlarmEvent, Cause, ChartName, Kind, Phase
from ..monitoring.health import SoundCondition
from ..monitoring.states import UNJUDGED_STATES
from ..scoring.detector import Result
from ..scoring.explain import Moved

PROGRAM = "edgeae"  # the source of lines about the program itself
MIN_REPORTED_OUT_OF_RANGE = 0.01  # share; a smaller one is not shown to people

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
        """The values that only this type of line has."""

    def _added_values(self) -> JsonObject:
        """The values that follow the sequence number."""
        return {}

    @abstractmethod
    def _words(self) -> str:
        """The values in words, without source and time."""


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
        out_of_range = ""
        if self.out_of_range >= MIN_REPORTED_OUT_OF_RANGE:
            out_of_range = f"  {self.out_of_range:.0%} beyond int8"
        numbers = f"score {self.score:6.2f} / {self.threshold:.2f}"
        return f"{numbers}  {self._verdict()}{level}{out_of_range}"

    def _verdict(self) -> str:
        if self.health in UNJUDGED_STATES:
            return "not judged"
        if self.anomaly:
            return "ANOMALY"
        return "normal" if self.health == "ok" else f"check the sound: {self.health}"


@dataclass(frozen=True)
class ClipReference:
    """The file with the sound of an alarm."""

    path: str | None  # None: no sound was recorded


@dataclass(frozen=True, kw_only=True)
class EventLine(RunLine):
    """The start, continuation or end of an alarm, or a burst."""

    type: ClassVar[str] = "event"
    phase: Phase
    duration: float  # seconds since the alarm started, or of the burst
    peak: float  # highest score so far
    bands: Sequence[Moved]  # the ranges of frequencies that changed, the largest first
    sentence: str
    cause: Cause
    kind: Kind = "persistent"
    since: float | None = None  # seconds from the start of the source; estimated onset
    chart: ChartName | None = None  # that raised the alarm; None: single windows did
    clip: ClipReference | None = None  # None: clips are not stored

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
            kind=event.kind,
            since=event.since,
            chart=event.chart,
        )

    def _values(self) -> JsonObject:
        return {
            "event": self.phase,
            "duration": self.duration,
            "peak": self.peak,
            "bands": [asdict(band) for band in self.bands],
            "sentence": self.sentence,
            "cause": self.cause,
            "kind": self.kind,
            "since": self.since,
            "chart": asdict(self.chart) if self.chart else None,
        }

    def _added_values(self) -> JsonObject:
        return {"clip": self.clip.path} if self.clip else {}

    def _words(self) -> str:
        if self.kind == "burst":
            return f"burst, no alarm: {self.sentence}"
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
    """A new state of the capture, of the sound, of the drift or of an output."""

    type: ClassVar[str] = "status"
    state: str
    details: Mapping[str, Detail] = field(default_factory=dict)  # further keys, by state

    @classmethod
    def of_sound(cls, source: str, t: float, condition: SoundCondition) -> Self:
        """The line of a new condition of the sound, or of ``ok``."""
        details: dict[str, Detail] = {**condition.numbers, "sentence": condition.sentence}
        return cls(source=source, t=t, state=condition.state, details=details)

    @property
    def sentence(self) -> str | None:
        """What the state means and what to do; None for a state without a sentence."""
        sentence = self.details.get("sentence")
        return None if sentence is None else str(sentence)

    @property
    def model(self) -> str | None:
        """The path of the artifact; only the state ``listening`` has one."""
        model = self.details.get("model")
        return None if model is None else str(model)

    @property
    def drift(self) -> float | None:
        """Share of the allowed drift; only ``tracking`` and ``drifted`` have one."""
        drift = self.details.get("drift")
        return None if drift is None else float(drift)

    def _values(self) -> JsonObject:
        return {"state": self.state, **self.details}

    def _words(self) -> str:
        return f"{self.state}: {self.sentence}" if self.sentence else self.state
