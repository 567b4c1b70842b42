"""A whole training run, from a folder of recordings to checkpoints (`edgeae.train.run_folder`)."""

import contextlib
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.scoring.background import read_background
from edgeae.runtime.system.path_text import path_of, path_text

from .architectures import cost
from .config import Config, save_config
from .lightning_module import AutoencoderModule
from .patches import PatchData, Split, band_statistics, long_enough, split
from .processes import from_first
from .run_folder import (
    Metrics,
    RecordedFile,
    claim_folder,
    is_complete,
    point_latest,
    record_data,
    training_lock,
    write_metrics,
)
from .silence import with_sound
from .torch_features import Features, features
from .trainer import Outcome, connect, fit, make_trainer
from .windows import check_windows

PACKAGES = ("edgeae", "torch", "torchaudio", "lightning", "numpy")


def train(
    data: Path,
    config: Config,
    run: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train on the recordings of ``data``/train and return ``run``.

    resume: continue after the last complete epoch of ``run``, and end as the run would have ended
        without the interruption. ``config`` and ``data`` have to be those it began with.
    callbacks: Lightning's, in addition to the run's own.

    If srun or torchrun has started several processes, the first one writes all files.

    Raises ConfigError where ``run`` is taken or cannot be resumed, AudioError for bad recordings,
    KeyboardInterrupt on SIGINT and SIGTERM (then it can be resumed).
    """
    if resume and is_complete(run):
        _print_line(f"{run} is complete")
        return run
    with _torch_threads(config.training.threads), contextlib.ExitStack() as stack:
        trainer = make_trainer(config, run, callbacks)

        def prepare() -> Split:
            claim_folder(run, resume=resume)
            stack.enter_context(training_lock(run))
            return _prepared(data, config, run)

        connect(trainer)
        parts = from_first(trainer, prepare)
        module = _module(parts, config)
        outcome = fit(trainer, module, PatchData(parts, config), run)
        if outcome:
            write_metrics(run, _metrics(outcome, module, config))
    return run


def _prepared(data: Path, config: Config, run: Path) -> Split:
    """The sound of a run, whose data and configuration are written into its folder."""
    recordings = _read(data, config, run)
    # Export needs it; one that cannot be read is reported before the training.
    background = [path_of(name) for name in config.data.background]
    read_background(background, config.mel, config.data.channel)
    check_windows(recordings, config)
    parts = split(recordings, config)
    record_data(run, data, _recorded_files(data, recordings, parts))
    save_config(config, run / "config.yaml")
    point_latest(run)
    return parts


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _read(data: Path, config: Config, run: Path) -> list[Features]:
    """The features of all recordings that hold at least one patch."""
    cache = Path(config.data.cache) if config.data.cache else run / "cache"
    recordings = features(
        scan(data, "train", report=_print_line), config, cache, _device(config), _print_line
    )
    long = long_enough(
        recordings, config.model.patch_frames, _print_line, skip_bad=config.data.skip_bad
    )
    return with_sound(long, config.data.channel, _print_line, skip_bad=config.data.skip_bad)


def _device(config: Config) -> str:
    """The torch device that computes features in float64, which Apple's GPUs do not support."""
    gpu_allowed = config.training.accelerator in ("auto", "gpu")
    return "cuda" if gpu_allowed and torch.cuda.is_available() else "cpu"


def _module(parts: Split, config: Config) -> AutoencoderModule:
    torch.manual_seed(config.training.seed)
    module = AutoencoderModule(config, len(parts.machine_names))
    module.network.set_statistics(*band_statistics(parts.fit, config.mel))
    return module


def _recorded_files(data: Path, recordings: Sequence[Features], parts: Split) -> list[RecordedFile]:
    return [
        RecordedFile(
            file=path_text(item.recording.path.relative_to(data).as_posix()),
            machine=item.recording.machine,
            sha256=item.sha256,
            part="validation" if i in parts.validating else "fit",
        )
        for i, item in enumerate(recordings)
    ]


def _metrics(outcome: Outcome, module: AutoencoderModule, config: Config) -> Metrics:
    network_cost = cost(module.network, config.mel, config.model.patch_frames)
    return Metrics(
        val_loss=outcome.val_loss,
        epoch=outcome.epoch,
        epochs=outcome.epochs,
        seconds=round(outcome.seconds, 1),
        parameters=network_cost.parameters,
        macs_per_second=network_cost.macs_per_second,
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    )


def _print_line(line: str) -> None:
    print(line, file=sys.stderr)
