"""`edgeae demo`: the whole path on a synthetic machine, each step an ordinary command."""

import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import click

from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.progress import Progress, Step, no_step
from edgeae.train.config import load_config
from edgeae.train.synth.onset import NORMAL_NAME

from .demo_tables import alarm_table, fault_table, read_alarms

FLEET = (0, 1, 2)  # the machines to train on
NEW_MACHINE = 3  # the machine to calibrate and monitor
MONITORED = "monitored"  # folder of the long recordings
BUDGET = "1/day"  # of false alarms
LINES = "monitored.jsonl"  # what `edgeae run` prints about them


@dataclass(frozen=True)
class DemoSize:
    """How many recordings are synthesised."""

    train_clips: int = 40  # of each machine of the fleet
    calibration_clips: int = 6  # of the new machine
    test_normals: int = 20
    test_anomalies: int = 40
    seconds: float = 10.0  # of each of these recordings
    normal_seconds: float = 240.0  # of a long recording, before a fault begins
    fault_seconds: float = 180.0  # of a long recording, with the fault

    @property
    def monitored_minutes(self) -> float:
        """Duration of a long recording."""
        return (self.normal_seconds + self.fault_seconds) / 60


@dataclass(frozen=True)
class DemoStep:
    """A step, in words and as the arguments of the command that does it."""

    description: str
    arguments: list[str]
    output: Path | None = None  # file for what the command prints; None: the terminal

    @property
    def command_line(self) -> str:
        """What a person would type."""
        words = ["edgeae", *self.arguments]
        if self.output:
            words += [">", str(self.output)]
        return " ".join(words)

    def run(self) -> int:
        """Run the command; returns its exit code."""
        if self.output is None:
            return run_command(self.arguments)
        with self.output.open("w", encoding="utf-8") as file, redirect_stdout(file):
            return run_command(self.arguments)


def write_recordings(folder: Path, size: DemoSize, seed: int, step: Step = no_step) -> None:
    """Write ``folder``/fleet to train on, and recordings of a new machine.

    ``folder``/new-machine holds those to calibrate and to evaluate, ``folder``/monitored long ones.
    """
    from edgeae.train.synth.dataset import write_dataset
    from edgeae.train.synth.onset import write_onsets

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
    write_onsets(
        folder / MONITORED,
        NEW_MACHINE,
        normal_seconds=size.normal_seconds,
        fault_seconds=size.fault_seconds,
        seed=seed,
        step=step,
    )


def demo_steps(folder: Path, config: str) -> list[DemoStep]:
    """The steps after the recordings are written."""
    run = folder / "run"
    new = folder / "new-machine"
    model = run / "model.int8.onnx"
    machine = folder / "machine.onnx"
    recordings = sorted((folder / MONITORED).glob("*.wav"))
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
            ["calibrate", f"{model}", f"{new}", "--false-alarms", BUDGET, "-o", f"{machine}"],
        ),
        DemoStep(
            "Evaluate how well it detects faults",
            [
                "evaluate",
                f"{machine}",
                f"{new}",
                "--false-alarms",
                BUDGET,
                "-o",
                f"{folder / 'report'}",
            ],
        ),
        DemoStep(
            "Monitor the new machine: normal sound, and a fault that begins after some minutes",
            ["run", f"{machine}", *map(str, recordings), "--json"],
            output=folder / LINES,
        ),
    ]


def summary(folder: Path, size: DemoSize, seconds: float) -> str:
    """What was done, what came out, and what to type next; seconds: the time it took."""
    alarms = read_alarms(folder / LINES)
    n_alarms = len(alarms.pop(NORMAL_NAME, []))
    return "\n".join(
        [
            "",
            f"Done in {seconds:.0f} s: trained on {len(FLEET)} healthy machines, calibrated with "
            f"{size.calibration_clips} recordings of a new one, without any recording of a fault.",
            "",
            f"How well the scores of recordings of {size.seconds:.0f} s separate faults (AUC 1: "
            "every fault above every normal recording; 0.5: chance):",
            "",
            *fault_table(folder),
            "",
            f"What `edgeae run` reports when a fault begins after {size.normal_seconds:.0f} s:",
            "",
            *alarm_table(alarms, size.normal_seconds),
            "",
            f"False alarms in {size.monitored_minutes:.0f} minutes of normal sound: {n_alarms}",
            "",
            "The alarm comes after about a minute because a fault lasts and a slammed door does "
            "not.",
            "`run` therefore waits until nearly a minute of sound has changed; it reports a short "
            "noise as a burst, which is no alarm.",
            "",
            f"The report with all scores: {folder / 'report' / 'report.html'}",
            f"Every line of the monitored recordings: {folder / LINES}",
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


def run_demo(folder: Path, config: str, seed: int, size: DemoSize) -> int:
    """Run all steps and print the summary; the exit code of the first step that fails."""
    began = time.monotonic()
    _announce(f"Synthesize {len(FLEET)} machines for training and one to monitor")
    with Progress() as progress:
        write_recordings(folder, size, seed, progress.step)
    for step in demo_steps(folder, config):
        _announce(f"\n{step.description}\n$ {step.command_line}")
        code = step.run()
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
    """Synthesize machines, then train, export, calibrate, evaluate and monitor, in minutes.

    \b
    edgeae demo
    """
    if output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output}: exists already; remove it, or give another folder with -o")
    load_config(config)  # fails now if it is wrong, not after minutes
    return run_demo(output, config, seed, DemoSize())
