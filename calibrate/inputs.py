"""Which recordings the arguments of `edgeae calibrate` name, and of which machine they are."""

import json
from dataclasses import dataclass
from pathlib import Path

from edgeae.runtime.audio.recordings import (
    DEFAULT_MACHINE,
    audio_files,
    label_of,
    machine_of,
    scan,
)
from edgeae.runtime.errors import ConfigError

MAX_DESCRIPTION_BYTES = 1 << 20  # of the JSON file of a clip


@dataclass(frozen=True)
class ChosenRecordings:
    """The recordings to calibrate on, and the machine that their names say."""

    paths: list[Path]
    machine: str


def choose_recordings(
    inputs: list[str], machine: str | None, max_clips: int | None
) -> ChosenRecordings:
    """The recordings that the arguments name, by name.

    inputs: files, or a folder, which is a data set (its normal training recordings) or holds normal
        recordings.
    machine: chooses its recordings of a data set.
    max_clips: the first so many.

    Raises ConfigError for an anomaly and for several machines if none is named.
    """
    paths = [path for argument in inputs for path in _recordings(Path(argument))]
    for path in paths:
        if label_of(path) == "anomaly":
            raise ConfigError(f"{path}: the name says anomaly; calibrate on normal sound only")
    machines = sorted({machine_of(path) for path in paths})
    if len(inputs) == 1 and Path(inputs[0]).is_dir() and machines != [DEFAULT_MACHINE]:
        machine = _machine_of_folder(inputs[0], machines, machine)
        paths = [path for path in paths if machine_of(path) == machine]
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
    by_file_name = sorted(paths, key=lambda path: path.name)
    return ChosenRecordings(by_file_name[:max_clips], machine)


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


def _recordings(path: Path) -> list[Path]:
    """A file, or the normal recordings of a folder."""
    if not path.is_dir():
        return [path]
    if (path / "train").is_dir() or any(path.glob("id_*/normal")):
        return [recording.path for recording in scan(path, "train")]
    paths = audio_files(path)
    if not paths:
        raise ConfigError(f"{path}: holds no recording; give a folder of normal recordings")
    return paths
