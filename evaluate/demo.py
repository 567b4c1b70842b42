"""`edgeae demo`: the whole path on a synthetic machine, each step an ordinary command."""

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.progress import Progress, Step, no_step
from edgeae.train.config import load_config

FLEET = (0, 1, 2)  # the machines to train on
NEW_MACHINE = 3  # the machine to calibrate and monitor


@dataclass(frozen=True)
class DemoSize:
    """How many recordings are synthesised."""

    train_clips: int = 40  # of each machine of the fleet
    calibration_clips: int = 6  # of the new machine
    test_normals: int = 20
    test_anomalies: int = 40
    seconds: float = 10.0  # of each recording


@dataclass(frozen=True)
class DemoStep:
    """A step, in words and as the arguments of the command that does it."""

    description: str
    arguments: list[str]


def write_recordings(folder: Path, size: DemoSize, seed: int, step: Step = no_step) -> None:
    """Write ``folder``/fleet to train on and ``folder``/new-machine to monitor."""
    from edgeae.train.synth.dataset import write_dataset

    write_dataset(
        folder / "fleet",
        machines=FLEET,
        train_clips=size.train_clips,
        test_normals=0,
        test_anomalies=0,
        seconds=size.seconds,
        seed=seed,
        step=step,
    )
    write_dataset(
        folder / "new-machine",
        machines=[NEW_MACHINE],
        train_clips=size.calibration_clips,
        test_normals=size.test_normals,
        test_anomalies=size.test_anomalies,
        seconds=size.seconds,
        seed=seed,
        step=step,
    )


def demo_steps(folder: Path, config: str) -> list[DemoStep]:
    """The steps after the recordings are written."""
    run = folder / "run"
    new = folder / "new-machine"
    model = run / "model.int8.onnx"
    machine = folder / "machine.onnx"
    normal = new / "test" / f"normal_id_{NEW_MACHINE:02d}_{0:08d}.wav"
    recordings = [normal, *most_severe(new)]
    return [
        DemoStep(
            "Train an autoencoder on the fleet",
            ["train", f"{folder / 'fleet'}", "-c", config, "-o", f"{run}"],
        ),
        DemoStep(
            "Quantize it to one int8 file",
            ["export", f"{run}", "--int8", "--data-licence", "synthetic"],
        ),
        DemoStep(
            "Calibrate it to a new machine with a minute of normal sound",
            ["calibrate", f"{model}", f"{new}", "--false-alarms", "1/hour", "-o", f"{machine}"],
        ),
        DemoStep(
            "Evaluate how well it detects faults",
            ["evaluate", f"{machine}", f"{new}", "-o", f"{folder / 'report'}"],
        ),
        DemoStep(
            "Score recordings: a normal one, then the most severe one of each fault",
            ["run", f"{machine}", *map(str, recordings)],
        ),
    ]


def most_severe(data: Path) -> list[Path]:
    """The recording with the highest severity of each fault."""
    rows = sorted(_read_csv(data / "faults.csv"), key=lambda row: float(row["severity"]))
    files = {row["fault"]: row["file"] for row in rows}  # the last one of each fault stays
    return [data / file for file in files.values()]


def fault_table(folder: Path) -> list[str]:
    """Lines: of each fault the number of recordings, the AUC, and how many exceed the threshold."""
    rows = _read_csv(folder / "report" / "anomaly_scores.csv")
    faults = {
        Path(row["file"]).name: row["fault"]
        for row in _read_csv(folder / "new-machine" / "faults.csv")
    }
    normal = [row for row in rows if row["label"] == "normal"]
    lines = [f"{'fault':14}{'recordings':>11}{'AUC':>8}{'above the threshold':>22}"]
    for fault in sorted(set(faults.values())):
        faulty = [row for row in rows if faults.get(row["file"]) == fault]
        auc = _auc(normal + faulty)
        lines.append(f"{fault:14}{len(faulty):>11}{auc:>8.3f}{_n_anomalies(faulty):>22}")
    lines.append(f"{'(normal)':14}{len(normal):>11}{'':8}{_n_anomalies(normal):>22}")
    return lines


def _auc(rows: list[dict[str, str]]) -> float:
    from .results.metrics import auc_of

    auc, _ = auc_of((float(row["score"]) for row in rows), (row["label"] for row in rows))
    return float("nan") if auc is None else auc


def _n_anomalies(rows: Iterable[dict[str, str]]) -> int:
    return sum(row["anomaly"] == "True" for row in rows)


def summary(folder: Path, size: DemoSize, seconds: float) -> str:
    """What was done, what came out, and what to type next; seconds: the time it took."""
    return "\n".join(
        [
            "",
            f"Done in {seconds:.0f} s: trained on {len(FLEET)} healthy machines, calibrated with "
            f"{size.calibration_clips} recordings of a new one, without any recording of a fault:",
            "",
            *fault_table(folder),
            "",
            "AUC 1 ranks every fault above every normal recording, 0.5 is chance.",
            f"The report with all scores: {folder / 'report' / 'report.html'}",
            f"The one file that a device needs: {folder / 'machine.onnx'}",
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


def run_demo(folder: Path, config: str, seed: int, size: DemoSize) -> int:
    """Run all steps and print the summary; the exit code of the first step that fails."""
    began = time.monotonic()
    _announce(f"Synthesize {len(FLEET)} machines for training and one to monitor")
    with Progress() as progress:
        write_recordings(folder, size, seed, progress.step)
    for step in demo_steps(folder, config):
        _announce(f"\n{step.description}\n$ edgeae {' '.join(step.arguments)}")
        code = run_command(step.arguments)
        if code:
            return code
    click.echo(summary(folder, size, time.monotonic() - began))
    return 0


def _announce(text: str) -> None:
    click.secho(text, bold=True, err=True)


@click.command()
@click.option(
    "--output",
    "-o",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="New folder for everything that the demo writes.",
)
@click.option(
    "--config", "-c", default="edge", show_default=True, help="Preset or YAML file to train with."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random synthetic machines.")
def demo(output: Path, config: str, seed: int) -> int:
    """Synthesize machines, then train, export, calibrate, evaluate and score, in minutes.

    \b
    edgeae demo
    """
    if output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output}: exists already; remove it, or give another folder with -o")
    load_config(config)  # fails now if it is wrong, not after minutes
    return run_demo(output, config, seed, DemoSize())
