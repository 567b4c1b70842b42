"""Finds the artifact of a command that names none, and the artifacts among its arguments."""

import os
from pathlib import Path

from ..errors import ArtifactError, ConfigError

LATEST_RUN = Path("runs/latest")


def default_model() -> Path:
    """``$EDGEAE_MODEL``, else ``./model.int8.onnx``, else the newest in ``runs/latest``."""
    name = os.environ.get("EDGEAE_MODEL")
    if name:
        return Path(name)
    if Path("model.int8.onnx").is_file():
        return Path("model.int8.onnx")
    artifacts = list(LATEST_RUN.glob("*.onnx"))
    if not artifacts:
        raise ArtifactError(
            "no artifact: name one (FILE.onnx), set EDGEAE_MODEL, or make one with `edgeae train` "
            "and `edgeae export --int8`"
        )
    return max(artifacts, key=lambda path: path.stat().st_mtime)


def check_target(path: Path) -> None:
    """ConfigError unless an artifact can be written to ``path``."""
    if path.suffix != ".onnx":
        raise ConfigError(f"{path}: the name of an artifact ends in .onnx")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; create it first")


def split_models(arguments: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """The artifacts among positional arguments, or the default one, and the other arguments.

    The names of artifacts end in ``.onnx``.
    """
    models = [Path(argument) for argument in arguments if argument.endswith(".onnx")]
    others = [argument for argument in arguments if not argument.endswith(".onnx")]
    try:
        return models or [default_model()], others
    except ArtifactError as error:
        missing = [name for name in others if name != "-" and not Path(name).exists()]
        if not missing:
            raise
        raise ArtifactError(f"{error}; {missing[0]} does not exist") from error


def split_model(arguments: tuple[str, ...]) -> tuple[Path, list[str]]:
    """The one artifact of a command, and its other arguments; ConfigError for several."""
    models, others = split_models(arguments)
    if len(models) > 1:
        raise ConfigError(
            f"two artifacts were named, {models[0]} and {models[1]}; one command works on one"
        )
    return models[0], others
