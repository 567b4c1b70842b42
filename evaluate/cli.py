"""`edgeae evaluate`: AUC and pAUC on labelled recordings."""

import json
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import get_args

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.commands.shared_options import budget_of, budget_options
from edgeae.runtime.errors import ConfigError, printable
from edgeae.runtime.model.find import named_or_default, names_artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.heads import Kind
from edgeae.runtime.scoring.threshold import probability_of
from edgeae.runtime.system.path_text import path_text
from edgeae.runtime.system.similar_files import advice_for_missing
from edgeae.runtime.tables.glossary import LINE_WIDTH
from edgeae.train.run_folder import DEFAULT_DATA


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL] [DATA]")
@click.option(
    "--calibration-clips",
    type=click.IntRange(min=1),
    help="Calibrate each machine on its first N training recordings.",
)
@budget_options(
    "Budget, such as 1/day, for which to measure alarms and the time until they are raised."
)
@click.option(
    "--head",
    "kind",
    type=click.Choice(get_args(Kind)),
    help="Kind of head to score with.  [default: as in MODEL]",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder of the results.  [default: beside MODEL]",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object on stdout.")
@click.option(
    "--channel", help="Channel to read, counted from 0, or 'mix'.  [default: as in training]"
)
@click.option("--skip-bad", is_flag=True, help="Continue without recordings that cannot be read.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Number of processes that score recordings.  [default: one, or one a core for many]",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another model to compare with in the report, such as model.onnx.",
)
def evaluate(
    arguments: tuple[str, ...],
    calibration_clips: int | None,
    false_alarms: str | None,
    sensitivity: str | None,
    kind: Kind | None,
    output: Path | None,
    json_: bool,
    channel: str | None,
    skip_bad: bool,
    jobs: int | None,
    against: Path | None,
) -> None:
    """Measure AUC and pAUC on each machine of DATA (default: data), with and without the network.

    Also measures the threshold: false alarms, detected faults, and the delay until the alarm. Each
    metric has a 95 % interval if there are enough recordings. MODEL is an artifact, a run
    folder or a checkpoint (.ckpt). Writes anomaly_scores.csv, test_results.csv and report.html:
    curves, the worst misses and false alarms as pictures and sound, and what to do next, in one
    file. After an interruption, repeat the command to continue: the folder of the results keeps
    what is already computed. Of test recordings without labels it writes the scores only, in the
    format of the DCASE challenge.

    \b
    Examples:
      edgeae evaluate model.int8.onnx DATA --calibration-clips 5 --json
      edgeae evaluate model.int8.onnx DATA --calibration-clips 10 --false-alarms 1/day
      edgeae evaluate run/model.int8.onnx DATA --calibration-clips 5 --against run/model.onnx
    """
    model, data = _model_and_data(arguments)

    from .report.evaluation import Evaluation, usability_of, write_report
    from .report.notes import notes
    from .results.challenge import (
        score_unlabelled,
        unlabelled_recordings,
        write_challenge_files,
    )
    from .results.load_detector import load_detector
    from .results.result_cache import FILE_NAME, ResultCache
    from .results.scores import EvaluationOptions, evaluate_machines
    from .results.summary import summarise
    from .results.tables import terminal_text, write_tables

    detector = load_detector(model, _report)
    false_alarms = budget_of(false_alarms, sensitivity)
    if false_alarms:
        probability_of(false_alarms, detector.window)  # a wrong one is refused now
    other_detector = load_detector(against, _report) if against else None
    if against and other_detector and not calibration_clips:
        _check_same_machine(model, detector, against, other_detector)
    options = EvaluationOptions(
        calibration_clips=calibration_clips,
        kind=kind,
        channel=parse_channel(channel) if channel else detector.channel,
        skip_bad=skip_bad,
        jobs=jobs,
        false_alarms=false_alarms,
    )
    folder = output or (model if model.is_dir() else model.parent) / "evaluation"
    if unlabelled := unlabelled_recordings(data):
        scores = score_unlabelled(detector, data, unlabelled, options, _report)
        written = write_challenge_files(folder, data.resolve().name, scores)
        _report(
            f"{data}: no test recording has a label, so there are scores only, as the DCASE "
            f"challenge takes them"
        )
        for path in written:
            click.echo(printable(str(path)))
        return
    with ResultCache(folder / FILE_NAME) as cache:
        if len(cache):
            _report(
                f"{folder / FILE_NAME}: {len(cache)} results of an interrupted evaluation are used"
            )
        tests = evaluate_machines(detector, data, options, _report, cache)
        other = None
        if against and other_detector:
            scores_only = replace(options, simulate_streams=False)
            other = against, evaluate_machines(other_detector, data, scores_only, _report, cache)
        result = summarise(path_text(model), kind or detector.head.kind, tests, false_alarms)
        write_tables(folder, tests, result)
        evaluation = Evaluation(
            model, data, detector, tests, result, calibration_clips, options.channel, other
        )
        write_report(folder / "report.html", evaluation, _report)
    sentence = fill(usability_of(evaluation).sentence, LINE_WIDTH, break_on_hyphens=False)
    click.echo(f"{sentence}\n\n{terminal_text(result)}", err=True)
    for note in notes(tests, calibration_clips, detector.machine):
        _report(note)
    click.echo(
        printable(f"written: {folder}/anomaly_scores.csv, test_results.csv, report.html"), err=True
    )
    if json_:
        click.echo(json.dumps(result.to_json()))


def _report(sentence: str) -> None:
    click.echo(printable(f"edgeae: {sentence}"), err=True)


def _model_and_data(arguments: tuple[str, ...]) -> tuple[Path, Path]:
    """The model and the folder of the data set, in whichever order they are given."""
    models = [argument for argument in arguments if _is_model(argument)]
    folders = [argument for argument in arguments if not _is_model(argument)]
    for folder in folders:
        if not models and not Path(folder).exists():
            advice = advice_for_missing(Path(folder), "check the name")
            raise ConfigError(f"{folder}: there is no such artifact or folder; {advice}")
    if len(models) > 1 or len(folders) > 1:
        raise ConfigError("edgeae evaluate takes one MODEL and one DATA folder")
    model = named_or_default(Path(models[0]) if models else None)
    return model, Path(folders[0] if folders else DEFAULT_DATA)


def _is_model(argument: str) -> bool:
    path = Path(argument)
    return names_artifact(argument) or path.suffix == ".ckpt" or (path / "checkpoints").is_dir()


def _check_same_machine(
    model: Path, detector: Detector, other: Path, other_detector: Detector
) -> None:
    if detector.machine != other_detector.machine:
        raise ConfigError(
            f"{other} is calibrated to {other_detector.machine or 'no machine'}, {model} to "
            f"{detector.machine or 'none'}; "
            "to calibrate and compare both, add --calibration-clips 5"
        )
