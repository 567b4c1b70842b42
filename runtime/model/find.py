"""Which artifact a command works on when none is named."""

import os
from pathlib import Path

from ..errors import ArtifactError, ConfigError

NEWEST = Path("runs/latest")


def default_model() -> Path:
    """``$EDGEAE_MODEL``, else ``./model.int8.onnx``, else the newest artifact in ``runs/latest``."""
    if named := os.environ.get("EDGEAE_MODEL"):
        return Path(named)
    if Path("model.int8.onnx").is_file():
        return Path("model.int8.onnx")
    found = sorted(NEWEST.glob("*.onnx"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ArtifactError(
            "no artifact: name one (FILE.onnx), set EDGEAE_MODEL, or make one with `edgeae train` "
            "and `edgeae export --int8`"
        )
    return found[-1]


def check_target(path: Path) -> None:
    """ConfigError unless an artifact can be written to ``path``."""
    if path.suffix != ".onnx":
        raise ConfigError(f"{path}: the name of an artifact ends in .onnx")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; create it first")


def split_models(arguments: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """The artifacts among positional arguments (they end in ``.onnx``) or the default one, and the others."""
    models = [Path(argument) for argument in arguments if argument.endswith(".onnx")]
    rest = [argument for argument in arguments if not argument.endswith(".onnx")]
    try:
        return models or [default_model()], rest
    except ArtifactError as error:
        missing = next((name for name in rest if name != "-" and not Path(name).exists()), None)
        raise ArtifactError(
            f"{error}; {missing} does not exist" if missing else str(error)
        ) from error


def split_model(arguments: tuple[str, ...]) -> tuple[Path, list[str]]:
    """The same for a command that works on one artifact."""
    models, rest = split_models(arguments)
    if len(models) > 1:
        raise ConfigError(
            f"two artifacts were named, {models[0]} and {models[1]}; one command works on one"
        )
    return models[0], rest
