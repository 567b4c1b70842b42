"""The line that passes the sound of an alarm to the sink of the clips."""

from dataclasses import dataclass
from typing import ClassVar

from ...audio.pcm import Pcm
from ..lines import EventLine, JsonObject, Line


@dataclass(frozen=True, kw_only=True)
class ClipLine(Line):
    """The sound around the start of an alarm; `to_dict` leaves out the samples."""

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
