"""The commands of the workstation. Heavy imports stand inside: ``--help`` is instant."""

import json
import sys
import time
from pathlib import Path

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.errors import ConfigError


@click.command()
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option(
    "-c",
    "--config",
    "name",
    type=click.Path(),
    metavar="CONFIG",
    help="edge (default), cnn2d, dense, tiny or a YAML file.",
)
@click.option("-o", "--output", "run", type=click.Path(path_type=Path), metavar="RUN",
              help="Folder of the run; default runs/CONFIG-TIME.")  # fmt: skip
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the configuration.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with RUN (default runs/latest) behind its last epoch."
)
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be read.")
@click.option(
    "--channel", metavar="N|mix", help="Channel of the recordings, counted from 0, or their mean."
)
def train(
    data: Path | None,
    name: str | None,
    run: Path | None,
    overrides: tuple[str, ...],
    resume: bool,
    skip_bad: bool,
    channel: str | None,
) -> None:
    """Train an autoencoder on the normal recordings in DATA/train (default: data).

    Writes checkpoints, curves and the whole configuration into RUN, and prints RUN. Ctrl-C loses
    at most the epoch it interrupts.

    \b
    Examples:
      edgeae train
      edgeae train recordings -c cnn2d --set training.epochs=20
      edgeae train --resume
    """
    changes = [*overrides, *(["data.skip_bad=true"] if skip_bad else [])]
    if channel is not None:
        changes.append(f"data.channel={parse_channel(channel)}")
    if resume and (name or changes):
        raise ConfigError(
            "--resume takes the configuration from RUN; leave out -c, --set, --skip-bad and --channel"
        )
    _train(data, name or "edge", run, changes, resume)


def _train(
    data: Path | None, name: str, run: Path | None, changes: list[str], resume: bool
) -> None:
    from .config import load_config

    if resume:
        run = _existing(run)
        config = load_config(run / "config.yaml")
    else:
        config = load_config(name, changes)
        run = run or Path("runs") / f"{Path(name).stem}-{time.strftime('%Y%m%d-%H%M%S')}"

    from .run import train as train_run

    began = time.monotonic()
    train_run(data or _data_of(run), config, run, resume=resume)
    _report(run, time.monotonic() - began)


def _existing(run: Path | None) -> Path:
    """The run to resume, by its own name where it was found through runs/latest."""
    found = run or Path("runs/latest")
    if not (found / "config.yaml").is_file():
        raise ConfigError(f"{found}: no run to resume; give its folder with -o RUN")
    return found.parent / found.readlink() if found.is_symlink() else found


def _data_of(run: Path) -> Path:
    """The data a run began with, else ``data``."""
    from edgeae.quantize.training_set import data_of

    return data_of(run) if (run / "data.json").is_file() else Path("data")


def _report(run: Path, seconds: float) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    best, epochs, loss = metrics["epoch"] + 1, metrics["epochs"], metrics["val_loss"]
    words = f"{run}: validation loss {loss:.4f} at epoch {best} of {epochs}, {seconds:.0f} s"
    words += f"\nnext: edgeae export {run} --int8"
    print(words, file=sys.stderr)
    print(run)
