"""`edgeae evaluate`: AUC and pAUC on labelled recordings."""

import json
from pathlib import Path
from typing import Any, get_args

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.find import default_model
from edgeae.runtime.scoring.head import Kind


def _is_model(argument: str) -> bool:
    path = Path(argument)
    return path.suffix in (".onnx", ".ckpt") or (path / "checkpoints").is_dir()


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL] [DATA]")
@click.option(
    "--calibration-clips",
    type=click.IntRange(min=1),
    help="Calibrate each machine on its first N clips.",
)
@click.option(
    "--head", "kind", type=click.Choice(get_args(Kind)), help="Another head than the artifact's."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder of the results.  [default: beside MODEL]",
)
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
@click.option("--channel", help="Channel counted from 0, or 'mix'.  [default: as in training]")
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be read.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Processes that score.  [default: one for little, else a core each]",
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

    from .results.result_cache import NAME, Memo
    from .results.scores import evaluate_all, load_detector
    from .results.summary import as_json
    from .results.tables import table, write_tables

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
            report(
                f"{folder / NAME}: {len(memo)} results of an evaluation that was interrupted are known"
            )
        how: Any = {
            "calibration_clips": calibration_clips,
            "kind": kind,
            "channel": heard,
            "skip_bad": skip_bad,
        }
        how |= {"report": report, "memo": memo, "jobs": jobs}
        tested, head = evaluate_all(detector, data, **how)
        other = (
            (against, evaluate_all(rival, data, **how, listening=False)[0])
            if against and rival
            else None
        )
        from .report.evaluation import Evaluation, write_report

        summary = as_json(str(model), head, tested)
        write_tables(folder, tested, summary)
        found = Evaluation(model, data, detector, tested, summary, calibration_clips, heard, other)
        write_report(folder / "report.html", found, report)
    click.echo(table(summary), err=True)
    click.echo(f"written: {folder}/anomaly_scores.csv, test_results.csv, report.html", err=True)
    if json_:
        click.echo(json.dumps(summary))
