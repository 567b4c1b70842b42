"""One source of live sound (a channel of a device, a pipe) and what listens to it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import AudioError
from ..monitoring.drift_file import DriftFile
from ..outputs.lines import (
    ClipReference,
    Detail,
    EventLine,
    GapLine,
    RunLine,
    ScoreLine,
    StatusLine,
)
from ..outputs.registry import Outputs
from ..scoring.detector import Detector
from ..scoring.window_stream import Window, WindowStream, see
from ..system.arrays import Float32
from ..system.clock import now
from .reporter import SourceReporter
from .stream import Stream


def tell(sources: Sequence["Source"]) -> None:
    """Tell what was heard and not told yet; a network sees the sound of all its sources at once."""
    for source, windows in zip(
        sources, see([source.window_stream for source in sources]), strict=True
    ):
        source.tell_windows(windows)


class Source:
    """Takes the sound of one machine as it comes, and tells what is heard."""

    def __init__(
        self,
        name: str,
        detector: Detector,
        out: Outputs,
        *,
        model: Path,
        duration: float | None = None,
        track: DriftFile | None = None,
    ) -> None:
        """duration: seconds of sound, lost ones included, after which it is done."""
        self.name, self._detector, self._out, self._model = name, detector, out, model
        self._clips = out.recorder(name, detector.machine)
        self._view = out.view(name, detector, model)
        self._report, self._duration = SourceReporter(detector, name, track), duration
        self._stream = Stream(detector, detector.spec.sample_rate)
        self._gaps, self._lost = 0, 0.0  # how many, and seconds of them all
        self._heard = now()  # when the last sample was
        self.too_short: AudioError | None = None
        self.told = False  # anything

    @property
    def t(self) -> float:
        """Seconds since the start."""
        return self._stream.t

    @property
    def window_stream(self) -> WindowStream:
        """What the sound comes to."""
        return self._stream.window_stream

    @property
    def samplerate(self) -> int:
        """Hz that its detector would like best."""
        return self._detector.spec.sample_rate

    @property
    def anomalous(self) -> bool:
        """A window was above the threshold."""
        return self._report.anomalous

    @property
    def windows(self) -> int:
        """How many were scored."""
        return self._report.windows

    def done(self, silent: float = 0.0) -> bool:
        """Its duration is over; ``silent`` seconds since its device failed count."""
        return self._duration is not None and self._stream.seconds + silent >= self._duration - 1e-6

    def begin(self, samplerate: int, channels: int, encoding: str) -> None:
        """Sound comes from now on, as frames of ``channels`` at ``samplerate`` Hz."""
        tell([self])
        self._stream = Stream(self._detector, samplerate, self._stream.seconds)
        self.status(
            "listening",
            samplerate=samplerate,
            channels=channels,
            format=encoding,
            threshold=self._detector.threshold.value,
            window=self._detector.window,
            model=str(self._model),
        )

    def hear(self, block: Float32, heard: float) -> None:
        """A block (n,), full scale 1, whose last sample came at ``heard``; AudioError if it is no sound.

        Windows that it completes wait for `tell`, so that a network can see many sources at once.
        """
        if self._clips:
            tell([self])  # an alarm's clip begins where the alarm does, not a block later
        if self._duration is not None:
            left = round((self._duration - self._stream.seconds) * self._stream.samplerate)
            block = block[: max(left, 0)]
        self._stream.hear(block)
        self._heard = heard
        if self._clips:
            self._out.keep(self._clips.hear(block, self._stream.samplerate))

    def gap(self, frames: int, reason: str) -> None:
        """So many frames of the device were lost."""
        tell([self])
        seconds = frames / self._stream.samplerate
        self._stream.gap(frames)
        self._report.gap()
        if self._clips:
            self._out.keep(self._clips.gap())
        self._gaps, self._lost = self._gaps + 1, self._lost + seconds
        line = GapLine(
            source=self.name, t=self.t, frames=frames, seconds=round(seconds, 3), reason=reason
        )
        self._tell(line)

    def status(self, state: str, **details: Detail) -> None:
        """Tell a status."""
        tell([self])
        self._tell(StatusLine(source=self.name, t=self.t, state=state, details=details))

    def end(self) -> None:
        """The sound is over, if there was any. `too_short` is the reason if it gave no score at all."""
        tell([self])
        # Less than a window since a gap strays too much to be judged beside full windows.
        if self._stream.full or not self.windows:
            try:
                self.tell_windows(self._stream.flush())
            except AudioError as error:
                self.too_short = AudioError(f"{self.name}: {error}")
        if self._clips:
            self._out.keep(self._clips.close())
        if not self.told:
            return
        lost = round(self._lost, 3)
        self.status(
            "stopped",
            windows=self.windows,
            gaps=self._gaps,
            lost_seconds=lost,
            alarm=self._report.alarm,
        )

    def tell_windows(self, windows: Iterable[Window]) -> None:
        """Tell of windows that its sound completed."""
        for line in self._report.lines(self._viewed(windows)):
            self._tell(line, now() - self._heard + max(0.0, self._stream.seconds - line.t))
            if isinstance(line, ScoreLine):
                self._out.notify.scored()

    def _viewed(self, windows: Iterable[Window]) -> Iterator[Window]:
        """The same windows, each of which the page sees before its lines."""
        for window in windows:
            if self._view:
                self._out.picture(self._view.of(window))
            yield window

    def _tell(self, line: RunLine, age: float | None = None) -> None:
        publisher = self._out.publisher
        self.told = True
        line = publisher.add_sequence_and_time(line, self._detector.machine, age)
        if not isinstance(line, ScoreLine):
            self._out.notify.status(line.describe())
        if self._clips and isinstance(line, EventLine):
            line = replace(line, clip=ClipReference(self._clips.event(line)))
        publisher.send(line)
