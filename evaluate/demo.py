"""`edgeae demo`: the whole path on a synthetic machine, each step an ordinary command."""

import csv
import time
from pathlib import Path

import click

from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.progress import Progress, Step, no_step
from edgeae.train.config import load_config

FLEET = (0, 1, 2)  # machines that are trained on
NEW = 3  # the machine that is calibrated and watched
SECONDS = 10.0  # a recording
TRAIN_CLIPS, CALIBRATION_CLIPS, TEST_NORMALS, TEST_ANOMALIES = 40, 6, 20, 40


def write_sound(folder: Path, seed: int, step: Step = no_step) -> None:
    """``folder/fleet`` to train on and ``folder/new-machine`` to watch."""
    from edgeae.train.synth.dataset import write_dataset

    write_dataset(
        folder / "fleet",
        machines=FLEET,
        train_clips=TRAIN_CLIPS,
        test_normals=0,
        test_anomalies=0,
        seconds=SECONDS,
        seed=seed,
        step=step,
    )
    write_dataset(
        folder / "new-machine",
        machines=[NEW],
        train_clips=CALIBRATION_CLIPS,
        test_normals=TEST_NORMALS,
        test_anomalies=TEST_ANOMALIES,
        seconds=SECONDS,
        seed=seed,
        step=step,
    )


def steps(folder: Path, config: str) -> list[tuple[str, list[str]]]:
    """What is done, in words and as the command that does it."""
    run, new, machine = folder / "run", folder / "new-machine", folder / "machine.onnx"
    model, test = run / "model.int8.onnx", new / "test"
    clips = [test / f"normal_id_03_{0:08d}.wav", *severest(new)]
    return [
        (
            "Train an autoencoder on the fleet",
            ["train", f"{folder / 'fleet'}", "-c", config, "-o", f"{run}"],
        ),
        (
            "Quantize it to one int8 file",
            ["export", f"{run}", "--int8", "--data-licence", "synthetic"],
        ),
        (
            "Fit it to a machine it never heard, with a minute of normal sound",
            ["calibrate", f"{model}", f"{new}", "--false-alarms", "1/hour", "-o", f"{machine}"],
        ),
        (
            "How well are faults told apart?",
            ["evaluate", f"{machine}", f"{new}", "-o", f"{folder / 'report'}"],
        ),
        (
            "Listen to recordings: one normal, then the severest of each fault",
            ["run", f"{machine}", *map(str, clips)],
        ),
    ]


def severest(data: Path) -> list[Path]:
    """The recording of each fault in which there is most of it."""
    rows = sorted(_read_csv(data / "faults.csv"), key=lambda row: float(row["severity"]))
    return [data / file for file in {row["fault"]: row["file"] for row in rows}.values()]


def summary(folder: Path, seconds: float) -> str:
    """What was seen, and what to type next."""
    from .results.metrics import auc_of

    rows = _read_csv(folder / "report" / "anomaly_scores.csv")
    faults = {
        Path(row["file"]).name: row["fault"]
        for row in _read_csv(folder / "new-machine" / "faults.csv")
    }
    normals = [row for row in rows if row["label"] == "normal"]
    lines = [f"{'fault':14}{'recordings':>11}{'AUC':>8}{'above the threshold':>22}"]
    for fault in sorted(set(faults.values())):
        mine = [row for row in rows if faults.get(row["file"]) == fault]
        auc, _ = auc_of(
            (float(row["score"]) for row in normals + mine),
            (row["label"] for row in normals + mine),
        )
        above = sum(row["anomaly"] == "True" for row in mine)
        lines.append(f"{fault:14}{len(mine):>11}{auc:>8.3f}{above:>22}")
    false_alarms = sum(row["anomaly"] == "True" for row in normals)
    lines.append(f"{'(normal)':14}{len(normals):>11}{'':8}{false_alarms:>22}")
    return "\n".join(
        [
            "",
            f"Done in {seconds:.0f} s. From {len(FLEET)} healthy machines and {CALIBRATION_CLIPS} recordings of "
            "a new one, without ever hearing a fault:",
            "",
            *lines,
            "",
            "AUC 1 ranks every fault above every normal recording, 0.5 is chance.",
            f"The report with all scores: {folder / 'report' / 'report.html'}",
            f"The one file a device needs: {folder / 'machine.onnx'}",
            "",
            "Next, with your own machine:",
            "  mkdir -p data/train",
            "  edgeae record --device hw:1 --duration 600 -o data/train/normal_00.wav",
            "  edgeae train && edgeae export --int8",
            "  edgeae calibrate --device hw:1 --duration 60",
            "  edgeae run machine.onnx --device hw:1",
        ]
    )


def _read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@click.command()
@click.option(
    "--output",
    "-o",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="New folder.",
)
@click.option(
    "--config", "-c", default="edge", show_default=True, help="Preset or YAML file to train with."
)
@click.option("--seed", default=0, show_default=True, help="Of the synthetic machines.")
def demo(output: Path, config: str, seed: int) -> int:
    """Synthesize machines, train, export, calibrate, evaluate and listen, in minutes.

    \b
    edgeae demo
    """
    if output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output}: exists already; remove it, or give another folder with -o")
    load_config(config)  # before minutes are spent
    began = time.monotonic()
    click.secho(
        f"Synthesize {len(FLEET)} machines for training and one to watch", bold=True, err=True
    )
    with Progress() as progress:
        write_sound(output, seed, progress.step)
    for words, arguments in steps(output, config):
        click.secho(f"\n{words}\n$ edgeae {' '.join(arguments)}", bold=True, err=True)
        code = run_command(arguments)
        if code:
            return code
    click.echo(summary(output, time.monotonic() - began))
    return 0
