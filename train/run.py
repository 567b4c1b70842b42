"""A whole training run, from a folder of recordings to checkpoints.

runs/edge-20260101-120000/          runs/latest -> edge-20260101-120000
    config.yaml      every value, the defaults too
    data.json        which recordings, their content, which part they played
    checkpoints/     the best three by validation loss, and last.ckpt after every epoch
    tensorboard/     curves
    metrics.json     what came out; written at the end, so its presence means complete
    cache/           features
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.atomic_file import replace_file

from .config import Config, save_config
from .lightning_module import AutoencoderModule
from .networks import cost
from .patches import PatchData, Split, band_statistics, long_enough, split
from .torch_features import Features, features
from .trainer import Outcome, fit, make_trainer

RUNS = Path("runs")
LATEST = RUNS / "latest"
PACKAGES = ("edgeae", "torch", "torchaudio", "lightning", "numpy")
_CHECKPOINT = re.compile(r"epoch(\d+)-val_loss(\d+\.\d+)(?:-v\d+)?\.ckpt")


def train(
    data: Path,
    config: Config,
    run: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train on the recordings of ``data``/train and return ``run``.

    With ``resume`` the run goes on behind its last complete epoch and ends as it would have without
    the interruption; ``config`` and ``data`` have to be those it began with. ``callbacks`` are
    Lightning's, on top of the run's own.

    Raises ConfigError where ``run`` is taken or cannot be resumed, AudioError for bad recordings,
    KeyboardInterrupt on SIGINT and SIGTERM (then it can be resumed).
    """
    if resume and (run / "metrics.json").exists():
        _say(f"{run} is complete")
        return run
    with _threads(config.training.threads):
        trainer = make_trainer(config, run, callbacks)
        _claim(run, resume=resume)
        found = _read(data, config, run)
        parts = split(found, config)
        _describe_data(data, found, parts, run)
        save_config(config, run / "config.yaml")
        _point_latest(run)
        module = _module(parts, config)
        outcome = fit(trainer, module, PatchData(parts, config), run)
        _write_json(run / "metrics.json", _metrics(outcome, module, config))
    return run


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of ``run`` with the smallest validation loss; ConfigError where there is none."""
    named = [
        (path, _CHECKPOINT.fullmatch(path.name))
        for path in sorted((run / "checkpoints").glob("*.ckpt"))
    ]
    losses = {path: float(match[2]) for path, match in named if match}
    if not losses:
        raise ConfigError(
            f"{run}: no checkpoint of a finished epoch; train with edgeae train or give another run"
        )
    return min(losses, key=losses.__getitem__)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _claim(run: Path, *, resume: bool) -> None:
    """Make ``run``, unless it holds another run; features of an attempt that failed early may lie in it."""
    if run.is_dir() and not run.is_symlink():
        taken = any(path.name != "cache" for path in run.iterdir())
    else:
        taken = run.is_symlink() or run.exists()
    if resume and not (run / "config.yaml").is_file():
        raise ConfigError(f"{run}: no run to resume; give its folder with -o RUN")
    if taken and not resume:
        raise ConfigError(
            f"{run}: exists already; go on with --resume -o {run}, or give another -o RUN"
        )
    run.mkdir(parents=True, exist_ok=True)


def _read(data: Path, config: Config, run: Path) -> list[Features]:
    cache = Path(config.data.cache) if config.data.cache else run / "cache"
    found = features(scan(data, "train"), config, cache, _device(config), _say)
    return long_enough(found, config.model.patch_frames, _say, skip_bad=config.data.skip_bad)


def _device(config: Config) -> str:
    """Where features are computed; in float64, which Apple's GPUs do not have."""
    return (
        "cuda"
        if config.training.accelerator in ("auto", "gpu") and torch.cuda.is_available()
        else "cpu"
    )


def _module(parts: Split, config: Config) -> AutoencoderModule:
    torch.manual_seed(config.training.seed)
    module = AutoencoderModule(config)
    module.network.set_statistics(*band_statistics(parts.fit, config.mel))
    return module


def _describe_data(data: Path, found: Sequence[Features], parts: Split, run: Path) -> None:
    """Write data.json; ConfigError where a resumed run began with other data."""
    names = [item.recording.path.relative_to(data).as_posix() for item in found]
    lines = sorted(f"{name} {item.sha256}" for name, item in zip(names, found, strict=True))
    fingerprint = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    target = run / "data.json"
    if target.exists() and _fingerprint_of(target) != fingerprint:
        raise ConfigError(
            f"{data}: not the recordings that {run} began with; start a new run for them"
        )
    recordings = [
        {
            "file": name,
            "machine": item.recording.machine,
            "sha256": item.sha256,
            "part": "validation" if i in parts.validating else "fit",
        }
        for i, (name, item) in enumerate(zip(names, found, strict=True))
    ]
    _write_json(
        target,
        {"folder": str(data.resolve()), "fingerprint": fingerprint, "recordings": recordings},
    )


def _fingerprint_of(described: Path) -> str | None:
    """The fingerprint that data.json holds; None where it is damaged."""
    try:
        return str(json.loads(described.read_text(encoding="utf-8"))["fingerprint"])
    except (ValueError, KeyError, TypeError):
        return None


def _metrics(outcome: Outcome, module: AutoencoderModule, config: Config) -> dict[str, Any]:
    size = cost(module.network, config.mel, config.model.patch_frames)
    return {
        "val_loss": outcome.val_loss,
        "epoch": outcome.epoch,
        "epochs": outcome.epochs,
        "seconds": round(outcome.seconds, 1),
        "parameters": size.parameters,
        "macs_per_second": size.macs_per_second,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def _point_latest(run: Path) -> None:
    """Let runs/latest lead to ``run``, if that lies in runs/; whoever looks meanwhile sees the old or the new."""
    if run.resolve().parent != RUNS.resolve():
        return
    unfinished = RUNS / f".latest.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(run.resolve().name)
    unfinished.replace(LATEST)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    replace_file(path, f"{json.dumps(value, indent=2)}\n".encode())


def _say(line: str) -> None:
    print(line, file=sys.stderr)
