"""Which artifact a command works on when none is named."""

import os
from pathlib import Path

from .errors import ArtifactError, ConfigError

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


def split_model(arguments: tuple[str, ...]) -> tuple[Path, list[str]]:
    """The artifact among positional arguments (it ends in ``.onnx``) or the default one, and the others."""
    models = [argument for argument in arguments if argument.endswith(".onnx")]
    if len(models) > 1:
        raise ConfigError(f"two artifacts were named, {models[0]} and {models[1]}; one command works on one")
    rest = [argument for argument in arguments if argument not in models]
    return Path(models[0]) if models else default_model(), rest
