"""The commands of the workstation. Heavy imports stand inside: ``--help`` is instant."""

import json
import sys
import time
from pathlib import Path
from typing import Any, get_args

import click

from edgeae.runtime.audio.sound_file import parse_channel
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.find import default_model
from edgeae.runtime.scoring.head import Kind


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
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value of the configuration.")
@click.option("--resume", is_flag=True, help="Go on with RUN (default runs/latest) behind its last epoch.")
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be read.")
@click.option("--channel", metavar="N|mix", help="Channel of the recordings, counted from 0, or their mean.")
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
        raise ConfigError("--resume takes the configuration from RUN; leave out -c, --set, --skip-bad and --channel")
    _train(data, name or "edge", run, changes, resume)


def _train(data: Path | None, name: str, run: Path | None, changes: list[str], resume: bool) -> None:
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


def _is_model(argument: str) -> bool:
    path = Path(argument)
    return path.suffix in (".onnx", ".ckpt") or (path / "checkpoints").is_dir()


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL] [DATA]")
@click.option("--calibration-clips", type=click.IntRange(min=1), help="Calibrate each machine on its first N clips.")
@click.option("--head", "kind", type=click.Choice(get_args(Kind)), help="Another head than the artifact's.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Folder of the results.  [default: beside MODEL]")
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
@click.option("--channel", help="Channel counted from 0, or 'mix'.  [default: as in training]")
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be read.")
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Processes that score.  [default: one for little, else a core each]"
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another model on the same recordings, such as model.onnx, for the report.",
)
def evaluate(
    arguments: tuple[str, ...],
    calibration_clips: int | None,
    kind: Kind | None,
    output: Path | None,
    json_: bool,
    channel: str | None,
    skip_bad: bool,
    jobs: int | None,
    against: Path | None,
) -> None:
    """AUC and pAUC of each machine of DATA (default: data), beside a baseline without a network.

    With them, what the threshold makes of the recordings: false alarms, faults found, and how soon. Every figure
    has its 95 % interval where the recordings can give one. MODEL is an artifact, a run folder or a
    checkpoint (.ckpt). Written are anomaly_scores.csv, test_results.csv and report.html: curves, the worst misses
    and false alarms to see and hear, and what to do next, in one file. After an interruption the same command goes
    on where it was: what it found so far is in the folder of the results.

    \b
    edgeae evaluate model.int8.onnx DATA --calibration-clips 5 --json
    edgeae evaluate run/model.int8.onnx DATA --calibration-clips 5 --against run/model.onnx
    """
    models = [argument for argument in arguments if _is_model(argument)]
    rest = [argument for argument in arguments if argument not in models]
    if len(models) > 1 or len(rest) > 1:
        raise ConfigError("edgeae evaluate takes one MODEL and one DATA folder")
    model, data = Path(models[0]) if models else default_model(), Path(rest[0] if rest else "data")

    def report(text: str) -> None:
        click.echo(f"edgeae: {text}", err=True)

    from .evaluate import evaluate_all, load_detector
    from .memo import NAME, Memo
    from .summary import as_json
    from .tables import table, write_tables

    detector = load_detector(model, report)
    rival = load_detector(against, report) if against else None
    if rival and not calibration_clips and rival.machine != detector.machine:
        raise ConfigError(
            f"{against} is calibrated to {rival.machine or 'no machine'}, {model} to {detector.machine or 'none'}; "
            f"to compare them alike, add --calibration-clips 5"
        )
    heard = parse_channel(channel) if channel else detector.channel
    folder = output or (model if model.is_dir() else model.parent) / "evaluation"
    with Memo(folder / NAME) as memo:
        if len(memo):
            report(f"{folder / NAME}: {len(memo)} results of an evaluation that was interrupted are known")
        how: Any = {"calibration_clips": calibration_clips, "kind": kind, "channel": heard, "skip_bad": skip_bad}
        how |= {"report": report, "memo": memo, "jobs": jobs}
        tested, head = evaluate_all(detector, data, **how)
        other = (against, evaluate_all(rival, data, **how, listening=False)[0]) if against and rival else None
        from .report import Evaluation, write_report

        summary = as_json(str(model), head, tested)
        write_tables(folder, tested, summary)
        found = Evaluation(model, data, detector, tested, summary, calibration_clips, heard, other)
        write_report(folder / "report.html", found, report)
    click.echo(table(summary), err=True)
    click.echo(f"written: {folder}/anomaly_scores.csv, test_results.csv, report.html", err=True)
    if json_:
        click.echo(json.dumps(summary))
