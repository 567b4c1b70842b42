"""Declares `--clips`: its options and how it opens."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import ConfigError
from ...scoring.detector import Detector
from ...system.arrays import Float32
from ..declaration import FOLDER, POSITIVE, OpenOutput, OutputContext, OutputDeclaration, run_option
from ..lines import ClipReference, EventLine, Line
from ..outbox import Outbox
from ..sink import SourceTap
from .line import ClipLine

OPTIONS = (
    run_option(
        "--clips",
        type=FOLDER,
        value_kind="output-folder",
        help="Store the sound of each alarm in this folder, as FLAC files.",
    ),
    run_option(
        "--clips-megabytes",
        default=500.0,
        show_default=True,
        type=POSITIVE,
        help="Maximum total size of the stored clips, MB.",
    ),
    run_option(
        "--clips-days",
        default=90.0,
        show_default=True,
        type=POSITIVE,
        help="Maximum age of a stored clip, days.",
    ),
)


@dataclass(frozen=True)
class ClipOptions:
    """The values of the options."""

    clips: Path | None
    clips_megabytes: float
    clips_days: float


class ClipTap(SourceTap):
    """Records the sound of one source around each alarm, and queues it for the sink."""

    wants_sound = True

    def __init__(
        self, folder: Path, source: str, machine: str | None, outbox: Outbox[Line]
    ) -> None:
        """outbox: the queue of the clip files."""
        from .recorder import ClipRecorder

        self._recorder = ClipRecorder(folder, source, machine)
        self._outbox = outbox

    def push(self, samples: Float32, samplerate: int) -> None:
        self._put(self._recorder.push(samples, samplerate))

    def add_to_event(self, line: EventLine) -> EventLine:
        return replace(line, clip=ClipReference(self._recorder.clip_path(line)))

    def gap(self) -> None:
        self._put(self._recorder.gap())

    def close(self) -> None:
        self._put(self._recorder.close())

    def _put(self, clips: Iterable[ClipLine]) -> None:
        for clip in clips:
            self._outbox.put(clip)


def open_clips(options: ClipOptions, context: OutputContext) -> OpenOutput | None:
    """Open the queue of the clip files, with a recorder for each source."""
    folder = options.clips
    if not folder:
        return None
    if not context.live:
        raise ConfigError(
            "--clips stores the sound of a microphone or a pipe; that of files is stored already"
        )
    from .files import MAX_WAITING_CLIPS, ClipFiles

    sink = ClipFiles(folder, megabytes=options.clips_megabytes, days=options.clips_days)
    outbox: Outbox[Line] = context.outbox(sink, MAX_WAITING_CLIPS)

    def make_tap(source: str, detector: Detector, model: Path) -> SourceTap:
        return ClipTap(folder, source, detector.machine, outbox)

    return OpenOutput([outbox], make_tap=make_tap)


OUTPUT = OutputDeclaration(OPTIONS, ClipOptions, open_clips)
