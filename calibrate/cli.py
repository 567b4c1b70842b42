"""`edgeae calibrate`: an artifact and a minute of normal sound -> the artifact of one machine."""

from pathlib import Path
from typing import Any

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.audio.recordings import (
    DEFAULT_MACHINE,
    audio_files,
    by_machine,
    label_of,
    machine_of,
    scan,
)
from edgeae.runtime.commands.shared_options import wait_device_option
from edgeae.runtime.errors import ConfigError, DeviceError
from edgeae.runtime.model.find import check_target, split_model
from edgeae.runtime.scoring.calibration import history
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import load_checked
from edgeae.runtime.scoring.threshold import FEWEST_CALIBRATION, probability_of
from edgeae.runtime.system.progress import Progress

from .calibrate import calibrate_files, learn, name_of
from .from_device import listen
from .uncertainty import words


def choose_recordings(
    inputs: list[str], machine: str | None, clips: int | None
) -> tuple[list[Path], str]:
    """The recordings to learn from and the machine they are of.

    A folder is a data set (its normal training recordings) or holds normal recordings. Raises
    ConfigError for an anomaly and for several machines when none is named.
    """
    paths = [path for argument in inputs for path in _recordings(Path(argument))]
    wrong = next((path for path in paths if label_of(path) == "anomaly"), None)
    if wrong:
        raise ConfigError(f"{wrong}: the name says anomaly; calibrate on normal sound only")
    machines = sorted({machine_of(path) for path in paths})
    if len(inputs) == 1 and Path(inputs[0]).is_dir() and machines != [DEFAULT_MACHINE]:
        if machine not in (None, *machines) or (len(machines) > 1 and not machine):
            raise ConfigError(
                f"{inputs[0]}: holds the machine{'s' * (len(machines) > 1)} {', '.join(machines)}"
                f"{f', not {machine}' if machine else ''}; name one of them with --machine"
            )
        machine = machine or machines[0]
        paths = [path for path in paths if machine_of(path) == machine]
    elif not machine and len(named := [name for name in machines if name != DEFAULT_MACHINE]) > 1:
        raise ConfigError(
            f"the recordings are of the machines {', '.join(named)}; name the one with --machine"
        )
    if clips and len(paths) < clips:
        raise ConfigError(
            f"--clips {clips}: there are only {len(paths)} recordings of {machine or machines[0]}"
        )
    return sorted(paths, key=lambda path: path.name)[:clips], machine or machines[0]


def _recordings(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / "train").is_dir() or any(path.glob("id_*/normal")):
        return [
            recording.path
            for found in by_machine(scan(path, "train")).values()
            for recording in found
        ]
    found = audio_files(path)
    if not found:
        raise ConfigError(f"{path}: holds no recording")
    return found


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL] [FILES... | DIR]")
@click.option("--device", "-D", help="ALSA capture device, such as hw:1.")
@click.option(
    "--duration",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=2),
    help="Seconds to listen.",
)
@wait_device_option
@click.option("--clips", type=click.IntRange(min=1), help="Use the first N recordings by name.")
@click.option(
    "--machine", help="Machine id: chooses its recordings in a data set, and names the result."
)
@click.option(
    "--false-alarms",
    help="Budget: 1/hour, 1/day, 1/week, 1/month or 1%.  [default: as the artifact]",
)
@click.option(
    "--channel", help="Channel counted from 0, or 'mix'.  [default: 0; of files: as in training]"
)
@click.option(
    "--add", is_flag=True, help="Add to what the artifact has learned of this machine before."
)
@click.option("--force", is_flag=True, help="Calibrate on sound that seems unfit, with a warning.")
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be read.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The new artifact.  [default: machine.onnx]",
)
@click.option("--in-place", is_flag=True, help="Replace MODEL, atomically.")
def calibrate(
    arguments: tuple[str, ...],
    device: str | None,
    duration: float,
    wait_device: float,
    clips: int | None,
    machine: str | None,
    false_alarms: str | None,
    channel: str | None,
    add: bool,
    force: bool,
    skip_bad: bool,
    output: Path | None,
    in_place: bool,
) -> None:
    """Fit an artifact to one machine from about a minute of its normal sound.

    \b
    edgeae calibrate model.int8.onnx --device hw:1 --duration 60 -o machine.onnx
    edgeae calibrate model.int8.onnx normal_*.wav --machine pump-3 --false-alarms 1/week
    edgeae calibrate model.int8.onnx DATA --machine id_03 --clips 5
    edgeae calibrate machine.onnx --add --device hw:1 --in-place
    """
    model, inputs = split_model(arguments)
    if bool(device) == bool(inputs):
        raise ConfigError(
            "edgeae calibrate takes recordings, or a folder, or --device; give exactly one of them"
        )
    if in_place and output:
        raise ConfigError("--in-place and -o exclude each other")
    target = model if in_place else output or Path("machine.onnx")
    if target.resolve() == model.resolve() and not in_place:
        raise ConfigError(f"{target}: would overwrite the artifact; give another -o, or --in-place")
    check_target(target)
    detector = load_checked(model)
    probability_of(
        false_alarms or detector.threshold.false_alarms, detector.window
    )  # before a minute is spent
    wanted = parse_channel(channel) if channel else 0 if device else detector.channel
    if device and clips:
        raise ConfigError("--clips chooses among files; with --device give --duration")
    how: Any = {"false_alarms": false_alarms, "add": add, "force": force, "report": _report}
    if device:
        name = name_of(detector, machine, add=add)
        sounds = listen(detector, device, duration, wanted, wait_device)
        if not sounds:
            raise DeviceError(
                f"{device} gave no uninterrupted second of sound; check it with `edgeae record`"
            )
        result = learn(detector, sounds, machine=name, **how)
    else:
        paths, found = choose_recordings(inputs, machine, clips)
        named = machine or (found if found != DEFAULT_MACHINE else None)
        with Progress() as progress:
            how |= {
                "report": lambda text: progress.message(f"edgeae: {text}"),
                "step": progress.step,
            }
            result = calibrate_files(
                detector, paths, channel=wanted, machine=named, skip_bad=skip_bad, **how
            )
    result.artifact.write(target)
    _tell(result, target)


def _report(text: str) -> None:
    click.echo(f"edgeae: {text}", err=True)


def _tell(detector: Detector, target: Path) -> None:
    threshold, head = detector.threshold, detector.head
    count = f"{head.windows} window{'s' * (head.windows != 1)}"
    sessions = len(history(detector))
    over = f", heard in {sessions} sessions" if sessions > 1 else ""
    click.echo(
        f"machine {detector.machine}: learned from {count} of up to {detector.window:.3g} s{over}",
        err=True,
    )
    if head.windows < FEWEST_CALIBRATION:
        _report(f"only {count}: alarms will be unreliable; give at least {FEWEST_CALIBRATION}")
    click.echo(
        f"threshold {threshold.value:.3f} for {threshold.false_alarms}: {threshold.support()}",
        err=True,
    )
    click.echo(words(detector), err=True)
    click.echo(f"next: edgeae run {target} --device hw:1", err=True)
    click.echo(target)
