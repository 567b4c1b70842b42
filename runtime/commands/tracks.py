"""`--track` and `--state`: a file for each source."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ..errors import ConfigError
from ..monitoring.charts_file import ChartsFile, ChartsFileLimits
from ..monitoring.drift import DriftLimits
from ..monitoring.drift_file import DriftFile
from ..scoring.detector import Detector
from ..system.identity import distinct, slug
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
    names = options.source_names()
    if track is None:
        return [None] * len(names)
    paths = _paths("--track", track, names, ".json")
    return [
        stack.enter_context(DriftFile(path, detector, options.tracking.track_days, limits))
        for path, detector in zip(paths, detectors, strict=True)
    ]


def open_memories(
    stack: ExitStack,
    options: RunOptions,
    detectors: Sequence[Detector],
    limits: ChartsFileLimits,
) -> list[ChartsFile | None]:
    """What keeps the learned sound of each source; saved as by `open_tracks`.

    ConfigError for a file or a folder that cannot be used.
    """
    state = options.learning.state
    names = options.source_names()
    if state is None:
        return [None] * len(names)
    if state == options.tracking.track and len(names) == 1:
        raise ConfigError(f"--state {state}: is the file of --track, too; name another file")
    paths = _paths("--state", state, names, "-state.json")
    return [
        stack.enter_context(ChartsFile(path, detector, limits))
        for path, detector in zip(paths, detectors, strict=True)
    ]


def _paths(option: str, path: Path, names: Sequence[str], suffix: str) -> list[Path]:
    """The file of each source: the one that is named, or one in the folder that is named."""
    if len(names) == 1:
        return [path]
    if not path.is_dir():
        raise ConfigError(f"{option} {path}: of several sources it is a folder; create it first")
    return [path / f"{name}{suffix}" for name in distinct(names, slug)]
