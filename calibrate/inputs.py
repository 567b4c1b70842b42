"""Which recordings the arguments of `edgeae calibrate` name, and of which machine they are."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeae.runtime.audio.folder import audio_files, folder_content, ignore_report
from edgeae.runtime.audio.layout import data_sets_below, layout_of
from edgeae.runtime.audio.recording_name import DEFAULT_MACHINE, Reading, read_name
from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.errors import ConfigError

MAX_DESCRIPTION_BYTES = 1 << 20  # of the JSON file of a clip
COMMAND = "edgeae calibrate MODEL"


@dataclass(frozen=True)
class ChosenRecordings:
    """The recordings to calibrate on, and the machine that their names say."""

    paths: list[Path]
    machine: str


def choose_recordings(
    inputs: list[str],
    machine: str | None,
    max_clips: int | None,
    *,
    recursive: bool = False,
    report: Callable[[str], None] = ignore_report,
) -> ChosenRecordings:
    """The recordings that the arguments name, by name.

    inputs: files, or a folder, which is a data set (its normal training recordings) or holds normal
        recordings.
    machine: chooses its recordings of a data set.
    max_clips: the first so many.
    recursive: also those in the sub-folders of a folder that is no data set.
    report: receives a sentence about files of a folder that are not read.

    Raises ConfigError for an anomaly and for several machines if none is named.
    """
    readings = {
        path: reading
        for argument in inputs
        for path, reading in _recordings(Path(argument), recursive, report).items()
    }
    for path, reading in readings.items():
        _check_normal(path, reading)
    machines = sorted({reading.machine for reading in readings.values()})
    paths = list(readings)
    if len(inputs) == 1 and Path(inputs[0]).is_dir() and machines != [DEFAULT_MACHINE]:
        machine = _machine_of_folder(inputs[0], machines, machine)
        paths = [path for path in paths if readings[path].machine == machine]
    elif not machine:
        named = [name for name in machines if name != DEFAULT_MACHINE]
        if len(named) > 1:
            raise ConfigError(
                f"the recordings are of the machines {', '.join(named)}; "
                f"name one of them with --machine"
            )
    machine = machine or machines[0]
    if max_clips and len(paths) < max_clips:
        raise ConfigError(
            f"--clips {max_clips}: there are only {len(paths)} recordings of {machine}; "
            f"give --clips {len(paths)}, or more recordings"
        )
    by_file_name = sorted(paths, key=lambda path: (path.name, path))
    return ChosenRecordings(by_file_name[:max_clips], machine)


def _check_normal(path: Path, reading: Reading) -> None:
    """ConfigError if the path says anomaly, or contradicts itself."""
    if reading.conflict:
        raise ConfigError(f"{path}: {reading.conflict}; calibrate on normal sound only")
    if reading.label == "anomaly":
        place = reading.evidence[0].partition(" ")[0]
        raise ConfigError(f"{path}: the {place} says anomaly; calibrate on normal sound only")


def choose_clips(folder: Path, machine: str | None, max_clips: int | None) -> ChosenRecordings:
    """The clips of one machine that `edgeae run --clips` stored in a folder, by name.

    A clip whose JSON file names another machine is left out; one without such a file is used.

    machine: of the artifact.
    max_clips: the first so many.

    Raises ConfigError if there are not so many.
    """
    machine = machine or DEFAULT_MACHINE
    paths = [path for path in audio_files(folder) if _machine_of_clip(path) in (None, machine)]
    if not paths or (max_clips and len(paths) < max_clips):
        raise ConfigError(
            f"{folder}: holds {len(paths) or 'no'} clip{'s' * (len(paths) != 1)} of {machine}; "
            f"give a folder with the clips of its false alarms"
        )
    return ChosenRecordings(paths[:max_clips], machine)


def _machine_of_clip(path: Path) -> str | None:
    """The machine that the JSON file of a clip names; None if there is no such file."""
    try:
        description = json.loads(path.with_suffix(".json").read_bytes()[:MAX_DESCRIPTION_BYTES])
        return str(description["machine"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _machine_of_folder(folder: str, machines: list[str], machine: str | None) -> str:
    """The machine whose recordings of a folder are used; ConfigError if that is not clear."""
    if machine in machines:
        return machine
    if machine is None and len(machines) == 1:
        return machines[0]
    plural = "s" if len(machines) > 1 else ""
    missing = f", not {machine}" if machine else ""
    raise ConfigError(
        f"{folder}: holds the machine{plural} {', '.join(machines)}{missing}; "
        f"name one of them with --machine"
    )


def _recordings(path: Path, recursive: bool, report: Callable[[str], None]) -> dict[Path, Reading]:
    """A file, or the normal recordings of a folder, with what their paths say."""
    if not path.is_dir():
        return {path: read_name(path)}
    layout = layout_of(path)
    is_above_data_sets = not audio_files(path) and data_sets_below(path, "train")
    # The scan names the data sets below.
    if layout.train or layout.labels or is_above_data_sets:
        recordings = scan(path, "train", report=report, command=COMMAND)
        return {item.path: read_name(item.path, path) for item in recordings}
    content = folder_content(path, recursive=recursive)
    if not content.recordings:
        raise content.no_recording("holds no recording; give a folder of normal recordings")
    for message in content.not_read():
        report(message)
    absolute = path.absolute()
    return {
        item: read_name(absolute / item.relative_to(path), absolute.parent)
        for item in content.recordings
    }
