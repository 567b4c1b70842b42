"""Records the seconds before and after the start of an alarm, while the source is scored.

sound      ----------------------------------------------------->
ring       .......[ before ]                                          the last seconds, one array
clip              [ before ][        after        ]                   returned when it is complete
                            ^ the alarm starts                        or when a gap, the next alarm
                                                                      or the end of the source ends
                                                                      it
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
from ...system.identity import slug
from ..lines import ClipReference, EventLine
from .line import ClipLine

MAX_CLIP_SECONDS = 120.0  # a clip is kept in memory: 12 MB at 48 kHz
CLIP_TIME_FORMAT = "%Y%m%dT%H%M%S"
# The names of a clip and of its JSON file.
CLIP_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_[a-z0-9-]+_[0-9a-f]{6}\.(?:flac|json)")


class RingBuffer:
    """The last samples of a source, in one array."""

    def __init__(self, size: int) -> None:
        """size: number of samples."""
        self._samples = np.zeros(size, np.int16)
        self._end = 0
        self._n_samples = 0

    def push(self, samples: Pcm) -> None:
        """Add samples (n,); the oldest are overwritten."""
        size = len(self._samples)
        samples = samples[max(0, len(samples) - size) :]
        first = samples[: size - self._end]
        self._samples[self._end : self._end + len(first)] = first
        self._samples[: len(samples) - len(first)] = samples[len(first) :]
        self._n_samples = min(size, self._n_samples + len(samples))
        self._end = (self._end + len(samples)) % max(size, 1)

    def samples(self) -> Pcm:
        """(n,) the samples, the oldest first."""
        in_order = np.concatenate([self._samples[self._end :], self._samples[: self._end]])
        return in_order[len(in_order) - self._n_samples :]


class ClipRecorder:
    """Records the clips of one source. `push`, `gap` and `close` return the clips that ended.

    A clip is continuous sound: a gap ends the clip that is being recorded, and empties the ring.
    The clip's JSON file contains how many seconds come before and after the start of the alarm.
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
        """before, after: seconds of sound around the start of an alarm."""
        if before < 0 or after < 0 or not 0 < before + after <= MAX_CLIP_SECONDS:
            raise ConfigError(
                f"clips of {before:g} s before and {after:g} s after the start of an alarm; "
                f"neither can be negative, "
                f"and both together are more than 0 and at most {MAX_CLIP_SECONDS:g} s"
            )
        self._folder = folder
        self._source = source
        self._machine = machine
        self._before_seconds = before
        self._after_seconds = after
        self._samplerate = 0
        self._ring = RingBuffer(0)
        self._path: str | None = None
        self._clip: _Clip | None = None
        self._ended: list[ClipLine] = []

    def push(self, samples: Float32, samplerate: int) -> list[ClipLine]:
        """Add a block (n,) of any length, full scale 1.

        samplerate: Hz; another one than before counts as a gap.
        """
        if samplerate != self._samplerate:
            self._end("gap")
            self._samplerate = samplerate
            self._empty_ring()
        block = to_int16(samples)
        self._ring.push(block)
        if self._clip and self._clip.push(block):
            self._end("complete")
        return self._pop_ended()

    def clip_path(self, line: EventLine) -> str | None:
        """The path of the clip of an alarm; its start begins a new clip.

        None for a burst, which has no clip, and if the recorder had no sound when the alarm
        started.
        """
        if line.phase == "burst":
            return None
        if line.phase == "start":
            self._end("alarm")
            self._path = None
            if self._samplerate:
                self._path = str(self._folder / self._name(line))
                n_after = round(self._after_seconds * self._samplerate)
                self._clip = _Clip(self._path, line, self._ring.samples(), n_after)
        return self._path

    def gap(self) -> list[ClipLine]:
        """Sound was lost: end the clip."""
        self._end("gap")
        self._empty_ring()
        return self._pop_ended()

    def close(self) -> list[ClipLine]:
        """The source ended: end the clip."""
        self._end("stop")
        return self._pop_ended()

    def _name(self, line: EventLine) -> str:
        at = datetime.fromisoformat(line.time).astimezone(UTC)
        milliseconds = f"{at.microsecond // 1000:03}"
        name = slug(self._machine or self._source)
        return f"{at:{CLIP_TIME_FORMAT}}.{milliseconds}Z_{name}_{uuid.uuid4().hex[:6]}.flac"

    def _empty_ring(self) -> None:
        self._ring = RingBuffer(round(self._before_seconds * self._samplerate))

    def _end(self, reason: str) -> None:
        if self._clip and self._clip.n_samples:
            line = self._clip.line(self._source, self._machine, reason, self._samplerate)
            self._ended.append(line)
        self._clip = None

    def _pop_ended(self) -> list[ClipLine]:
        ended = self._ended
        self._ended = []
        return ended


class _Clip:
    """A clip that is being recorded."""

    def __init__(self, path: str, event: EventLine, before: Pcm, n_after: int) -> None:
        """before: (n,) the samples before the start of the alarm; n_after: samples after it."""
        self._path = path
        self._event = replace(event, clip=ClipReference(path))
        self._n_before = len(before)
        self._samples = np.concatenate([before, np.zeros(n_after, np.int16)])
        self.n_samples = len(before)

    def push(self, samples: Pcm) -> bool:
        """Add samples (n,); True if the clip is complete."""
        part = samples[: len(self._samples) - self.n_samples]
        self._samples[self.n_samples : self.n_samples + len(part)] = part
        self.n_samples += len(part)
        return self.n_samples == len(self._samples)

    def line(self, source: str, machine: str | None, ended: str, samplerate: int) -> ClipLine:
        """The line for the sink; ended: the reason why the clip ends."""
        return ClipLine(
            source=source,
            machine=machine,
            samplerate=samplerate,
            path=self._path,
            before_seconds=round(self._n_before / samplerate, 3),
            after_seconds=round((self.n_samples - self._n_before) / samplerate, 3),
            ended=ended,
            event=self._event,
            samples=self._samples[: self.n_samples],
        )
