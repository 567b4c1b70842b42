"""The network of a checkpoint, read without Lightning, which takes seconds to import."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from edgeae.runtime.errors import ConfigError

from .architectures import Autoencoder, build
from .config import Config
from .run_folder import checkpoints_by_loss

# What edgeae adds to a Lightning checkpoint: {"edgeae": {"format": 1, "config": {...}}}.
CHECKPOINT_KEY = "edgeae"
CHECKPOINT_FORMAT = 1


def load_best(run: Path, report: Callable[[str], None]) -> tuple[Path, Autoencoder, Config]:
    """The best checkpoint of a run that is whole, with its network and configuration.

    run: its folder, or a checkpoint (.ckpt).
    report: receives a sentence about each better checkpoint that is damaged.

    Raises ConfigError if none is whole.
    """
    if run.suffix == ".ckpt":
        return run, *load_network(run)
    *better, last = checkpoints_by_loss(run)
    for checkpoint in better:
        try:
            return checkpoint, *load_network(checkpoint)
        except ConfigError as error:
            report(f"{error}; the next best one is used")
    return last, *load_network(last)


def load_network(checkpoint: Path) -> tuple[Autoencoder, Config]:
    """The network of a checkpoint, in eval mode on the CPU, and its configuration.

    Nothing in the file is executed. Raises ConfigError for a file that is missing, damaged or not
    a checkpoint of `edgeae train`.
    """
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{checkpoint}: no such checkpoint; train one with edgeae train"
        ) from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise ConfigError(f"{checkpoint}: damaged, or not a checkpoint; {_AGAIN}") from error
    own = state.get(CHECKPOINT_KEY) if isinstance(state, dict) else None
    if not isinstance(own, dict) or own.get("format") != CHECKPOINT_FORMAT:
        raise ConfigError(f"{checkpoint}: not a checkpoint that this edgeae train wrote; {_AGAIN}")
    config = Config.from_dict(own.get("config"), str(checkpoint))
    network = build(config.model, config.mel.n_mels)
    prefix = "network."
    weights = {
        key.removeprefix(prefix): value
        for key, value in state.get("state_dict", {}).items()
        if key.startswith(prefix)
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigError(
            f"{checkpoint}: the weights do not fit the configuration in it; {_AGAIN}"
        ) from error
    return network.eval(), config


_AGAIN = "give a file from RUN/checkpoints or train again"
