"""The seconds before and after the start of an alarm, kept in memory while the source is scored.

sound      ----------------------------------------------------->
ring       .......[ before ]                                          the last seconds, one array
clip              [ before ][        after        ]                   given away when it is whole
                            ^ the alarm starts                        a gap, the next alarm, the
                            end cut it
"""

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ...audio.pcm import Pcm, to_int16
from ...errors import ConfigError
from ...system.arrays import Float32
from ...system.slug import slug
from ..lines import ClipReference, EventLine
from .line import ClipLine

MOST_SECONDS = 120.0  # of one clip, which is memory: 12 MB at 48 kHz
STAMP = "%Y%m%dT%H%M%S"
NAME = re.compile(
    r"\d{8}T\d{6}\.\d{3}Z_[a-z0-9-]+_[0-9a-f]{6}\.(?:flac|json)"
)  # of a clip and of its JSON file


class Ring:
    """The last ``size`` samples, in the memory of one array."""

    def __init__(self, size: int) -> None:
        self._samples = np.zeros(size, np.int16)
        self._end = self._held = 0

    def push(self, samples: Pcm) -> None:
        size = len(self._samples)
        samples = samples[max(0, len(samples) - size) :]
        first = samples[: size - self._end]
        self._samples[self._end : self._end + len(first)] = first
        self._samples[: len(samples) - len(first)] = samples[len(first) :]
        self._held = min(size, self._held + len(samples))
        self._end = (self._end + len(samples)) % max(size, 1)

    def last(self) -> Pcm:
        """(n,) in the order of their time."""
        both = np.concatenate([self._samples[self._end :], self._samples[: self._end]])
        return both[len(both) - self._held :]


class Recorder:
    """The clips of one source. `hear`, `gap` and `close` give those that ended, as lines for
    `ClipFiles`.

    A clip is always one stretch of sound without a hole: a gap ends the one that is being
    collected and empties the
    memory of what came before, and the clip's JSON tells how long both parts are.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        machine: str | None,
        *,
        before: float = 10.0,
        after: float = 20.0,
    ) -> None:
        if before < 0 or after < 0 or not 0 < before + after <= MOST_SECONDS:
            raise ConfigError(
                f"clips of {before:g} s before and {after:g} s after the start of an alarm; "
                f"neither can be negative, "
                f"and both together are more than 0 and at most {MOST_SECONDS:g} s"
            )
        self._folder = folder
        self._source = source
        self._machine = machine
        self._before = before
        self._after = after
        self._samplerate = 0
        self._ring = Ring(0)
        self._path: str | None = None
        self._clip: _Clip | None = None
        self._ended: list[ClipLine] = []

    def hear(self, samples: Float32, samplerate: int) -> list[ClipLine]:
        """A block (n,) of any length, full scale 1; another ``samplerate`` than before is a gap."""
        if samplerate != self._samplerate:
            self._end("gap")
            self._samplerate = samplerate
            self._forget()
        block = to_int16(samples)
        self._ring.push(block)
        if self._clip and self._clip.push(block):
            self._end("complete")
        return self._take()

    def event(self, line: EventLine) -> str | None:
        """The path for an alarm's line: at its start that of a new clip, later on the same; None
        without any sound."""
        if line.phase == "start":
            self._end("alarm")
            samples = self._ring.last()
            self._path = str(self._folder / self._name(line)) if self._samplerate else None
            if self._path:
                self._clip = _Clip(self._path, line, samples, round(self._after * self._samplerate))
        return self._path

    def gap(self) -> list[ClipLine]:
        """Sound was lost."""
        self._end("gap")
        self._forget()
        return self._take()

    def close(self) -> list[ClipLine]:
        """The source ended."""
        self._end("stop")
        return self._take()

    def _name(self, line: EventLine) -> str:
        at = datetime.fromisoformat(line.time).astimezone(UTC)
        milliseconds = f"{at.microsecond // 1000:03}"
        name = slug(self._machine or self._source)
        return f"{at:{STAMP}}.{milliseconds}Z_{name}_{uuid.uuid4().hex[:6]}.flac"

    def _forget(self) -> None:
        self._ring = Ring(round(self._before * self._samplerate))

    def _end(self, why: str) -> None:
        if self._clip and self._clip.held:
            self._ended.append(self._clip.line(self._source, self._machine, why, self._samplerate))
        self._clip = None

    def _take(self) -> list[ClipLine]:
        ended, self._ended = self._ended, []
        return ended


class _Clip:
    """A clip that is being collected."""

    def __init__(self, path: str, event: EventLine, before: Pcm, after: int) -> None:
        self._path = path
        self._event = replace(event, clip=ClipReference(path))
        self._before = len(before)
        self._samples = np.concatenate([before, np.zeros(after, np.int16)])
        self.held = len(before)

    def push(self, samples: Pcm) -> bool:
        """Whether it is complete."""
        part = samples[: len(self._samples) - self.held]
        self._samples[self.held : self.held + len(part)] = part
        self.held += len(part)
        return self.held == len(self._samples)

    def line(self, source: str, machine: str | None, ended: str, samplerate: int) -> ClipLine:
        return ClipLine(
            source=source,
            machine=machine,
            samplerate=samplerate,
            path=self._path,
            before_seconds=round(self._before / samplerate, 3),
            after_seconds=round((self.held - self._before) / samplerate, 3),
            ended=ended,
            event=self._event,
            samples=self._samples[: self.held],
        )
