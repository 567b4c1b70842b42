"""Finds the artifact of a command that names none, and the artifacts among its arguments."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..audio.file_types import SUFFIXES, has_suffix
from ..errors import ArtifactError, ConfigError
from ..system.similar_files import advice_for_missing

SUFFIX = ".onnx"
CALIBRATED = Path("machine.onnx")  # as `edgeae calibrate` names it
EXPORTED = Path("model.int8.onnx")  # as `edgeae export --int8` names it
LATEST_RUN = Path("runs/latest")


def default_model() -> Path:
    """The artifact that a command works on where none is named.

    It is ``$EDGEAE_MODEL``, else ``./machine.onnx``, which `edgeae calibrate` writes, else
    ``./model.int8.onnx``, else the newest in ``runs/latest``. ArtifactError if there is none.
    """
    name = os.environ.get("EDGEAE_MODEL")
    if name:
        return Path(name)
    for path in (CALIBRATED, EXPORTED):
        if path.is_file():
            return path
    latest = _newest_of_run()
    if latest is None:
        raise ArtifactError(
            "no artifact: name one (FILE.onnx), set EDGEAE_MODEL, or make one with `edgeae train` "
            "and `edgeae export --int8`"
        )
    return latest


def named_or_default(model: Path | None) -> Path:
    """``model``, else the default one, with a message on stderr if that passes over a newer one.

    Somebody who has trained again may mean the new artifact, not the calibrated old one.
    """
    if model:
        return model
    chosen = default_model()
    if os.environ.get("EDGEAE_MODEL"):
        if not chosen.exists():
            advice = advice_for_missing(chosen, "name another artifact")
            raise ArtifactError(f"EDGEAE_MODEL names {chosen}, which does not exist; {advice}")
        return chosen
    newer = _newer_than(chosen)
    if newer:
        message = f"edgeae: {chosen} is used; {newer} is newer, name it to use it"
        print(message, file=sys.stderr)
    return chosen


def _newest_of_run() -> Path | None:
    return max(LATEST_RUN.glob("*.onnx"), key=_modified, default=None)


def _newer_than(chosen: Path) -> Path | None:
    """The newest of the artifacts that come after ``chosen``, if it is newer."""
    others = [path for path in (EXPORTED, _newest_of_run()) if path and path.is_file()]
    newest = max(others, key=_modified, default=chosen)
    is_newer = chosen.is_file() and _modified(newest) > _modified(chosen)
    return newest if is_newer and not newest.samefile(chosen) else None


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def names_artifact(argument: str) -> bool:
    """True if an argument of the command line is the name of an artifact: it ends in .onnx."""
    return argument.lower().endswith(SUFFIX)


def check_target(path: Path) -> None:
    """ConfigError unless an artifact can be written to ``path``."""
    if path.suffix != SUFFIX:
        raise ConfigError(f"{path}: the name of an artifact ends in .onnx")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; create it first")


def split_models(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The artifacts among positional arguments, or the default one, and the other arguments.

    Raises ConfigError if no artifact is named, but an argument that is neither a file nor the name
    of a recording.
    """
    models = [Path(argument) for argument in arguments if names_artifact(argument)]
    others = [argument for argument in arguments if not names_artifact(argument)]
    if models:
        return models, others
    for argument in others:
        _check_is_no_artifact(argument)
    try:
        return [named_or_default(None)], others
    except ArtifactError as error:
        missing = [name for name in others if name != "-" and not Path(name).exists()]
        if not missing:
            raise
        raise ArtifactError(f"{error}; {missing[0]} does not exist") from error


def split_model(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The one artifact of a command, and its other arguments; ConfigError for several."""
    models, others = split_models(arguments)
    if len(models) > 1:
        raise ConfigError(
            f"two artifacts were named, {models[0]} and {models[1]}; one command works on one"
        )
    return models[0], others


def _check_is_no_artifact(argument: str) -> None:
    """ConfigError if an argument that does not exist was hardly meant as a recording.

    Without this, `edgeae run pump-3.onx a.wav` would score with the default artifact.
    """
    path = Path(argument)
    if argument == "-" or has_suffix(path.name, SUFFIXES) or path.exists():
        return
    raise ConfigError(
        f"{path}: there is no such file or folder, and the name of an artifact ends in .onnx; "
        f"{advice_for_missing(path, 'check the name')}"
    )
