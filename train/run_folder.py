"""What a training run leaves in its folder, and how it is read back. Needs no torch.

runs/edge-20260101-120000/          runs/latest -> edge-20260101-120000
    config.yaml      every value, the defaults included
    data.json        the recordings, their content, and whether they fitted or validated
    checkpoints/     the three best by validation loss, and last.ckpt after every epoch
    tensorboard/     curves
    metrics.json     the results; written at the end, so its presence means that the run is complete
    cache/           features
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.files import LOCK, FileLock, replace_file
from edgeae.runtime.system.path_text import is_utf8, path_of, path_text
from edgeae.runtime.system.schema import build

RUNS = Path("runs")
LATEST = RUNS / "latest"
DEFAULT_DATA = Path("data")
LOCKED_NAME = "training"
LOCK_NAME = f".{LOCKED_NAME}{LOCK}"  # of the file that a running training locks
T = TypeVar("T")
# See `edgeae.train.config.TrainingConfig.checkpoint_name`.
_CHECKPOINT_NAME = re.compile(r"(?:model-)?epoch=?(\d+)-val_loss=?(\d+\.\d+)(?:-v\d+)?\.ckpt")


@dataclass(frozen=True)
class RecordedFile:
    """One recording of the training data, as data.json lists it."""

    file: str  # relative to the data set
    machine: str
    sha256: str  # of the file's content
    part: str  # "fit" or "validation"


@dataclass(frozen=True)
class DataRecord:
    """The training data of a run, as data.json holds it."""

    folder: str  # of the data set, absolute
    fingerprint: str | None = None  # SHA-256 of names and contents
    recordings: tuple[RecordedFile, ...] = ()


@dataclass(frozen=True)
class Metrics:
    """The results of a run, as metrics.json holds them; epochs count from 0."""

    val_loss: float  # of the best epoch, squared standard deviations
    epoch: int  # the best one
    epochs: int  # number of trained epochs
    seconds: float  # of training, over all resumptions
    parameters: int
    macs_per_second: float  # for one second of audio
    versions: dict[str, str]


def run_to_resume(run: Path | None) -> Path:
    """The folder of the run to resume: ``run``, or the one that runs/latest points to.

    Raises ConfigError where there is no run.
    """
    folder = run or LATEST
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{folder}: no run to resume; give its folder with -o RUN")
    if folder.is_symlink():
        return folder.parent / folder.readlink()
    return folder


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of ``run`` with the smallest validation loss; ConfigError without any."""
    return checkpoints_by_loss(run)[0]


def checkpoints_by_loss(run: Path) -> list[Path]:
    """The kept checkpoints of ``run``, that with the smallest validation loss first.

    Raises ConfigError without any.
    """
    losses: dict[Path, float] = {}
    for path in sorted((run / "checkpoints").glob("*.ckpt")):
        match = _CHECKPOINT_NAME.fullmatch(path.name)
        if match:
            losses[path] = float(match[2])
    if not losses:
        raise ConfigError(
            f"{run}: no checkpoint of a finished epoch; train with edgeae train or give another run"
        )
    return sorted(losses, key=losses.__getitem__)


def epoch_of(checkpoint: Path) -> int:
    """The epoch, from 0, that the name of a checkpoint of a finished epoch states."""
    match = _CHECKPOINT_NAME.fullmatch(checkpoint.name)
    if match is None:
        raise ConfigError(f"{checkpoint}: not the name of a checkpoint of a finished epoch")
    return int(match[1])


def claim_folder(run: Path, *, resume: bool) -> None:
    """Make the folder of a run; ConfigError if another run is in it, or none that can be resumed.

    The feature cache of an attempt that failed early may be there already.
    """
    if run.is_dir() and not run.is_symlink():
        taken = any(path.name not in ("cache", LOCK_NAME) for path in run.iterdir())
    else:
        taken = run.is_symlink() or run.exists()
    if not is_utf8(run.absolute()):
        raise ConfigError(
            f"{run.absolute()}: the name is not UTF-8, which checkpoints and curves need; "
            f"give another -o RUN"
        )
    if resume and not (run / "config.yaml").is_file():
        raise ConfigError(f"{run}: no run to resume; give its folder with -o RUN")
    if taken and not resume:
        raise ConfigError(
            f"{run}: exists already; resume it with --resume -o {run}, or give another -o RUN"
        )
    run.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def training_lock(run: Path) -> Iterator[None]:
    """Keep other trainings out of a folder; ConfigError if one is running in it."""
    try:
        lock = FileLock(run / LOCKED_NAME)
    except BlockingIOError as error:
        raise ConfigError(
            f"{run}: a training is running in it; wait until it ends, or give another -o RUN"
        ) from error
    try:
        yield
    finally:
        lock.release()


def record_data(run: Path, data: Path, recordings: Sequence[RecordedFile]) -> None:
    """Write data.json; ConfigError where a resumed run began with other recordings."""
    lines = sorted(f"{item.file} {item.sha256}" for item in recordings)
    fingerprint = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    target = run / "data.json"
    if target.exists():
        earlier = data_record(run)
        if earlier is None or earlier.fingerprint != fingerprint:
            raise ConfigError(
                f"{data}: not the recordings that {run} began with; start a new run for them"
            )
    record = DataRecord(path_text(data.resolve()), fingerprint, tuple(recordings))
    _write_json(target, asdict(record))


def data_folder_of(run: Path) -> Path:
    """The data set that ``run`` was trained on.

    Raises ConfigError if data.json does not name one that exists.
    """
    record = data_record(run)
    if record is None:
        raise ConfigError(f"{run}: does not say what it was trained on; give --data DATA")
    folder = path_of(record.folder)
    if not folder.is_dir():
        raise ConfigError(
            f"{run}: was trained on {folder}, which does not exist any more; give --data DATA"
        )
    return folder


def data_folder_or_default(run: Path) -> Path:
    """The data set that ``run`` began with; ``data`` for a run that has recorded none yet."""
    if (run / "data.json").is_file():
        return data_folder_of(run)
    return DEFAULT_DATA


def validation_files(run: Path, data: Path) -> frozenset[Path]:
    """The recordings of ``data`` that ``run`` validated with; empty if data.json does not say."""
    record = data_record(run)
    recordings = record.recordings if record else ()
    return frozenset(data / path_of(item.file) for item in recordings if item.part == "validation")


def data_record(run: Path) -> DataRecord | None:
    """The content of data.json; None where it is missing or damaged."""
    return _read(DataRecord, run / "data.json")


def write_metrics(run: Path, metrics: Metrics) -> None:
    """Write metrics.json, which marks the run as complete."""
    _write_json(run / "metrics.json", asdict(metrics))


def metrics_record(run: Path) -> Metrics | None:
    """The content of metrics.json; None where it is missing or damaged."""
    return _read(Metrics, run / "metrics.json")


def is_complete(run: Path) -> bool:
    """True if the run was trained to its end."""
    return (run / "metrics.json").exists()


def point_latest(run: Path) -> None:
    """Point runs/latest to ``run``, if that is in runs/.

    A concurrent reader sees the old or the new target.
    """
    if run.resolve().parent != RUNS.resolve():
        return
    unfinished = RUNS / f".latest.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(run.resolve().name)
    unfinished.replace(LATEST)


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    replace_file(path, f"{json.dumps(value, indent=2)}\n".encode())


def _read(kind: type[T], path: Path) -> T | None:
    """The dataclass in a JSON file; None where the file is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return build(kind, values, ignore_unknown=True)
    except (OSError, ValueError, ConfigError):
        return None
