"""One source of live sound (a channel of a device, or a pipe) and the lines about it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import AudioError
from ..monitoring.charts_file import ChartsFile
from ..monitoring.drift_file import DriftFile
from ..monitoring.states import SOUND_STATES
from ..outputs.feedback import FeedbackWay
from ..outputs.latest import CAPTURE_STATES, PAUSE_STATES
from ..outputs.lifecycle import Outputs
from ..outputs.lines import (
    Detail,
    EventLine,
    GapLine,
    RunLine,
    ScoreLine,
    StatusLine,
)
from ..scoring.detector import Detector
from ..scoring.window_stream import Window, WindowStream, infer_batched
from ..system.arrays import Float32
from ..system.clock import now
from .reporter import SourceReporter
from .stream import Stream
from .verdict import Verdict

# The duration is over if less than this is missing: seconds are sums of rounded numbers.
_DURATION_TOLERANCE_SECONDS = 1e-6
SHOWN_STATES = (*SOUND_STATES, *CAPTURE_STATES, *PAUSE_STATES)


def publish_pending(sources: Sequence["Source"]) -> None:
    """Publish the windows of all sources; each network is called once for all its sources."""
    windows = infer_batched([source.window_stream for source in sources])
    for source, windows_of_source in zip(sources, windows, strict=True):
        source.publish_windows(windows_of_source)


class Source:
    """Scores the sound of one machine and publishes the lines about it."""

    def __init__(
        self,
        name: str,
        detector: Detector,
        outputs: Outputs,
        *,
        model: Path,
        duration: float | None = None,
        track: DriftFile | None = None,
        memory: ChartsFile | None = None,
        learns: bool = True,
    ) -> None:
        """name: of the source, in its lines.

        detector: scores its windows.
        outputs: receive the lines, and what they tap beside them.
        model: path of the artifact, for the lines.
        duration: seconds of sound, lost ones included, after which it is done.
        track: follows the drift of the machine.
        memory: keeps what the charts learn.
        learns: whether the charts learn, without ``memory``.
        """
        self.name = name
        self.too_short: AudioError | None = None  # why the sound gave no score at all
        self.published = False  # any line
        self._detector = detector
        self._outputs = outputs
        self._model = model
        self._duration = duration
        self._taps = outputs.taps(name, detector, model)
        self._sound_taps = [tap for tap in self._taps if tap.wants_sound]
        self._reporter = SourceReporter(detector, name, track, memory, learns=learns)
        self._stream = Stream(detector, detector.spec.sample_rate)
        self._n_gaps = 0
        self._lost_seconds = 0.0
        self._is_paused = False
        self._paused_seconds = 0.0  # of sound, in this pause
        self._last_sound_time = now()
        self.last_event_time = -math.inf  # seconds of `now`

    @property
    def t(self) -> float:
        """Seconds since the start."""
        return self._stream.t

    @property
    def window_stream(self) -> WindowStream:
        """What makes windows of its sound."""
        return self._stream.window_stream

    @property
    def records_sound(self) -> bool:
        """True if something beside the scoring takes its sound, as the clips do."""
        return bool(self._sound_taps)

    @property
    def samplerate(self) -> int:
        """The rate in Hz at which its detector needs no resampling."""
        return self._detector.spec.sample_rate

    @property
    def verdict(self) -> Verdict:
        """What its windows came to so far."""
        return self._reporter.verdict

    @property
    def n_windows(self) -> int:
        """How many windows were scored."""
        return self.verdict.n_windows

    @property
    def alarm_active(self) -> bool:
        """True while an alarm lasts."""
        return self._reporter.alarm_active

    def done(self, silent_seconds: float = 0.0) -> bool:
        """True if its duration is over. silent_seconds: since its device failed; they count too."""
        if self._duration is None:
            return False
        elapsed = self._stream.seconds + silent_seconds
        return elapsed >= self._duration - _DURATION_TOLERANCE_SECONDS

    def start(self, samplerate: int, channels: int, encoding: str) -> None:
        """Begin to receive sound, as frames of ``channels`` at ``samplerate`` Hz."""
        publish_pending([self])
        self._stream = Stream(self._detector, samplerate, self._stream.seconds)
        self.publish_status(
            "listening",
            samplerate=samplerate,
            channels=channels,
            format=encoding,
            threshold=self._detector.threshold.value,
            window=self._detector.window,
            model=str(self._model),
        )

    def push(self, block: Float32, end_time: float) -> None:
        """Add a block of sound. Its windows are published by `publish_pending`.

        block: (n,), full scale 1.
        end_time: when its last sample was captured, seconds of `now`.

        Raises AudioError if the block is not valid sound.
        """
        if self._sound_taps:
            # The clip of an alarm begins where the alarm does, so no window may wait.
            publish_pending([self])
        block = self._within_duration(block)
        if self._is_paused:
            self._drop(block, end_time)
            return
        self._stream.add(block)
        self._last_sound_time = end_time
        for tap in self._sound_taps:
            tap.push(block, self._stream.samplerate)

    def push_gap(self, frames: int, reason: str) -> None:
        """Account for lost sound. Everything that a gap means for a source is here.

        frames: about how many, at the rate of the device.
        reason: why they were lost.
        """
        self._interrupt(frames)
        self._publish_gap(frames, reason)

    def _interrupt(self, frames: int) -> None:
        """Begin anew after sound that is missing. frames: about how many."""
        # The windows before the gap are complete.
        publish_pending([self])
        # No window mixes sound from before and after the gap.
        self._stream.gap(frames)
        # Windows before the gap do not count for an alarm after it.
        self._reporter.reset_alarm()
        # No clip contains a gap.
        for tap in self._taps:
            tap.gap()

    def _publish_gap(self, frames: int, reason: str) -> None:
        seconds = frames / self._stream.samplerate
        self._n_gaps += 1
        self._lost_seconds += seconds
        self._publish(
            GapLine(
                source=self.name, t=self.t, frames=frames, seconds=round(seconds, 3), reason=reason
            )
        )

    def publish_status(self, state: str, **details: Detail) -> None:
        """Publish a status, after the windows before it. details: further keys of the line."""
        publish_pending([self])
        self._publish(StatusLine(source=self.name, t=self.t, state=state, details=details))

    def accept(self, way: FeedbackWay) -> None:
        """A person calls the sound of the last hour normal; way: how they said it."""
        publish_pending([self])
        for line in self._reporter.accept(way):
            self._publish(line)

    def pause(self, way: FeedbackWay) -> None:
        """Score no sound until `resume`; way: how a person said it."""
        if self._is_paused:
            return
        self._interrupt(0)
        self._is_paused = True
        self._paused_seconds = 0.0
        sentence = "a person paused the scoring: nothing is known about the machine meanwhile"
        self.publish_status("paused", by=way, sentence=sentence)

    def resume(self, way: FeedbackWay) -> None:
        """Score the sound again; way: how a person said it."""
        if not self._is_paused:
            return
        self._end_pause()
        self.publish_status("resumed", by=way)

    def _drop(self, block: Float32, end_time: float) -> None:
        """Account for sound that arrives during a pause."""
        self._stream.gap(len(block))
        self._paused_seconds += len(block) / self._stream.samplerate
        self._last_sound_time = end_time
        # The microphone works; a restart would only end the pause.
        self._outputs.notify.scored()

    def _end_pause(self) -> None:
        self._is_paused = False
        self._publish_gap(round(self._paused_seconds * self._stream.samplerate), "paused")

    def finish(self) -> None:
        """Publish what remains at the end of the sound, and a last status."""
        publish_pending([self])
        if self._is_paused:
            self._end_pause()
        # Less than a window since a gap gives a score that is too uncertain beside full windows.
        if self._stream.full or not self.n_windows:
            try:
                self.publish_windows(self._stream.flush())
            except AudioError as error:
                self.too_short = AudioError(f"{self.name}: {error}")
        for tap in self._taps:
            tap.close()
        if not self.published:
            return
        self.publish_status(
            "stopped",
            windows=self.n_windows,
            gaps=self._n_gaps,
            lost_seconds=round(self._lost_seconds, 3),
            alarm=self.alarm_active,
        )

    def publish_windows(self, windows: Iterable[Window]) -> None:
        """Publish the lines of windows that its sound completed."""
        for line in self._reporter.lines(self._tapped(windows)):
            # Several windows of one block end before its last sample.
            queued_seconds = max(0.0, self._stream.seconds - line.t)
            self._publish(line, age=now() - self._last_sound_time + queued_seconds)
            self._outputs.notify.scored()

    def _within_duration(self, block: Float32) -> Float32:
        """Cut a block at the end of the duration."""
        if self._duration is None:
            return block
        remaining_seconds = self._duration - self._stream.seconds
        remaining_frames = round(remaining_seconds * self._stream.samplerate)
        return block[: max(remaining_frames, 0)]

    def _tapped(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Yield the windows; the taps get each before its lines."""
        for window in windows:
            for tap in self._taps:
                tap.add_window(window)
            yield window

    def _is_shown_by_systemd(self, line: RunLine) -> bool:
        """Whether its words become the status of the service; while the sound is not judged, no
        report about what was learned replaces that."""
        if isinstance(line, ScoreLine):
            return False
        is_report = isinstance(line, StatusLine) and line.state not in SHOWN_STATES
        return self._reporter.is_judged or not is_report

    def _publish(self, line: RunLine, age: float | None = None) -> None:
        """Publish a line. age: seconds since the sound that it is about."""
        publisher = self._outputs.publisher
        self.published = True
        line = publisher.add_sequence_and_time(line, self._detector.machine, age)
        if self._is_shown_by_systemd(line):
            self._outputs.notify.status(line.describe())
        if isinstance(line, EventLine):
            self.last_event_time = now()
            for tap in self._taps:
                line = tap.add_to_event(line)
        publisher.send(line)
