"""`--track`: a file for the drift of each source."""

from collections.abc import Sequence
from contextlib import ExitStack

from ..errors import ConfigError
from ..monitoring.drift import DriftLimits
from ..monitoring.drift_file import DriftFile
from ..scoring.detector import Detector
from ..system.slug import slug
from .run_options import RunOptions


def open_tracks(
    stack: ExitStack,
    options: RunOptions,
    detectors: Sequence[Detector],
    limits: DriftLimits,
) -> list[DriftFile | None]:
    """What follows the drift of each source; saved when the stack is left, also by an error.

    ConfigError for a file or a folder that cannot be used.
    """
    track = options.tracking.track
    days = options.tracking.track_days
    names = options.source_names()
    if track is None:
        return [None] * len(names)
    if len(names) == 1:
        return [stack.enter_context(DriftFile(track, detectors[0], days, limits))]
    if not track.is_dir():
        raise ConfigError(f"--track {track}: of several sources it is a folder; create it first")
    paths = [track / f"{slug(name)}.json" for name in names]
    return [
        stack.enter_context(DriftFile(path, detector, days, limits))
        for path, detector in zip(paths, detectors, strict=True)
    ]
