"""`edgeae calibrate`: an artifact and a minute of normal sound -> the artifact of one machine."""

from pathlib import Path

import click

from edgeae.runtime.audio.channel import Channel, parse_channel
from edgeae.runtime.audio.recordings import DEFAULT_MACHINE
from edgeae.runtime.capture.stream_address import shown_name
from edgeae.runtime.charts.charts_setup import has_charts
from edgeae.runtime.commands.shared_options import (
    budget_of,
    budget_options,
    recursive_option,
    wait_device_option,
)
from edgeae.runtime.errors import ConfigError, DeviceError, printable
from edgeae.runtime.model.find import CALIBRATED, check_target, split_model
from edgeae.runtime.monitoring.learning import max_first_alarms
from edgeae.runtime.scoring.background import read_background
from edgeae.runtime.scoring.calibration import history
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import load_checked
from edgeae.runtime.scoring.sensitivity_table import sensitivity_table
from edgeae.runtime.scoring.threshold import MIN_CALIBRATION_WINDOWS, probability_of
from edgeae.runtime.system.progress import Progress
from edgeae.runtime.tables.glossary import explained

from .calibrate import (
    CalibrationOptions,
    calibrate_files,
    calibrate_recordings,
    check_machine,
)
from .from_device import record_device
from .inputs import ChosenRecordings, choose_clips, choose_recordings
from .uncertainty import uncertainty_of

# Of what is printed at the end, see `edgeae.runtime.tables.glossary`.
WORDS = ("threshold", "budget", "false alarm", "window")


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL] [FILES... | DIR]")
@click.option(
    "--device",
    "-D",
    help="Capture device, as `edgeae devices` lists it, or the address of a network stream.",
)
@click.option(
    "--duration",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=2),
    help="Seconds to record from the device.",
)
@wait_device_option
@click.option(
    "--clips", type=click.IntRange(min=1), help="Number of recordings to use, the first by name."
)
@click.option(
    "--machine",
    help="Name of the machine. It is stored in the artifact, and selects recordings of a data set.",
)
@budget_options(
    "Budget of false alarms: 1/hour, 1/day, 1/week, 1/month or 1%.  [default: the artifact's]"
)
@click.option(
    "--channel",
    help="Channel to use, counted from 0, or 'mix'.  [default: 0; of files: as in training]",
)
@click.option(
    "--add",
    is_flag=True,
    help="Add this sound to the earlier calibration of the machine.",
)
@click.option(
    "--from-clips",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of clips that `edgeae run --clips` stored of false alarms, for --add.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Accept sound that is otherwise refused, and print the reasons as warnings.",
)
@click.option(
    "--known-sensitivity/--no-known-sensitivity",
    default=True,
    show_default=True,
    help="Find, print and store the smallest changes that would raise an alarm.",
)
@click.option(
    "--background",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Recording made while the machine is off: its noise raises fewer alarms. Repeatable.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out recordings that cannot be read.")
@recursive_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="File to write the calibrated artifact to.  [default: machine.onnx]",
)
@click.option("--in-place", is_flag=True, help="Replace the file MODEL by the calibrated artifact.")
@click.option("--overwrite", is_flag=True, help="Overwrite an existing output file.")
def calibrate(
    arguments: tuple[str, ...],
    device: str | None,
    duration: float,
    wait_device: float,
    clips: int | None,
    machine: str | None,
    false_alarms: str | None,
    sensitivity: str | None,
    channel: str | None,
    add: bool,
    from_clips: Path | None,
    force: bool,
    known_sensitivity: bool,
    background: tuple[Path, ...],
    skip_bad: bool,
    recursive: bool,
    output: Path | None,
    in_place: bool,
    overwrite: bool,
) -> None:
    """Fit an artifact to one machine from about a minute of its normal sound.

    \b
    Examples:
      edgeae calibrate model.int8.onnx --device hw:1 --duration 60 -o machine.onnx
      edgeae calibrate model.int8.onnx normal_*.wav --machine pump-3 --false-alarms 1/week
      edgeae calibrate model.int8.onnx DATA --machine id_03 --clips 5
      edgeae calibrate model.int8.onnx --device hw:1 --background machine_off.wav
      edgeae calibrate machine.onnx --add --device hw:1 --in-place
      edgeae calibrate machine.onnx --add --from-clips clips --in-place
    """
    model, inputs = split_model(arguments)
    if bool(device) + bool(inputs) + bool(from_clips) != 1:
        raise ConfigError(
            "edgeae calibrate takes recordings, or a folder, or --device, or --from-clips; "
            "give exactly one of them"
        )
    if from_clips and not add:
        raise ConfigError(
            "--from-clips adds the sound of false alarms to a calibration; give --add, too"
        )
    false_alarms = budget_of(false_alarms, sensitivity)
    if device and clips:
        raise ConfigError("--clips is for files; with --device give --duration")
    target = _target(model, output, in_place, overwrite)
    detector = load_checked(model)
    # A wrong budget is reported before a minute is recorded.
    probability_of(false_alarms or detector.threshold.false_alarms, detector.window)
    file_channel = parse_channel(channel) if channel else detector.channel
    options = CalibrationOptions(
        machine,
        false_alarms,
        add,
        force,
        known_sensitivity,
        of_alarms=from_clips is not None,
        background=read_background(background, detector.spec, file_channel),
    )
    if device:
        device_channel = parse_channel(channel) if channel else 0
        result = _from_device(detector, device, duration, device_channel, wait_device, options)
    else:
        if from_clips:
            chosen = choose_clips(from_clips, detector.machine, clips)
        else:
            chosen = choose_recordings(inputs, machine, clips, recursive=recursive, report=_report)
        result = _from_files(detector, chosen, file_channel, options, skip_bad)
    result.artifact.write(target)
    _report_result(result, target, device and shown_name(device))


def _target(model: Path, output: Path | None, in_place: bool, overwrite: bool) -> Path:
    """The file to write; ConfigError if it exists, without --in-place or --overwrite."""
    if in_place and output:
        raise ConfigError("--in-place and -o exclude each other; give one of them")
    target = model if in_place else output or CALIBRATED
    if target.resolve() == model.resolve() and not in_place:
        raise ConfigError(f"{target}: would overwrite the artifact; give another -o, or --in-place")
    check_target(target)
    if target.exists() and not in_place and not overwrite:
        raise ConfigError(f"{target} exists; give another -o, or overwrite it with --overwrite")
    return target


def _from_device(
    detector: Detector,
    device: str,
    duration: float,
    channel: Channel,
    wait: float,
    options: CalibrationOptions,
) -> Detector:
    check_machine(detector, options)
    budget = options.excerpt_budget(detector)
    recordings = record_device(detector, device, duration, channel, wait, budget)
    if not recordings:
        raise DeviceError(
            f"{shown_name(device)} gave no uninterrupted second of sound; "
            f"check it with `edgeae record`"
        )
    with Progress() as progress:
        return calibrate_recordings(
            detector,
            recordings,
            options,
            lambda message: progress.message(f"edgeae: {message}"),
            progress.step,
        )


def _from_files(
    detector: Detector,
    chosen: ChosenRecordings,
    channel: Channel,
    options: CalibrationOptions,
    skip_bad: bool,
) -> Detector:
    named = chosen.machine if chosen.machine != DEFAULT_MACHINE else None
    with Progress() as progress:
        return calibrate_files(
            detector,
            chosen.paths,
            channel=channel,
            machine=options.machine or named,
            false_alarms=options.false_alarms,
            add=options.add,
            force=options.force,
            sensitivity=options.sensitivity,
            of_alarms=options.of_alarms,
            background=options.background,
            skip_bad=skip_bad,
            report=lambda message: progress.message(f"edgeae: {message}"),
            step=progress.step,
        )


def _report(message: str) -> None:
    click.echo(printable(f"edgeae: {message}"), err=True)


def _report_result(detector: Detector, target: Path, device: str | None) -> None:
    """What was learned and what the threshold can promise on stderr, the file on stdout."""
    threshold = detector.threshold
    n_windows = detector.head.windows
    count = f"{n_windows} window{'s' * (n_windows != 1)}"
    n_sessions = len(history(detector))
    sessions = f", of {n_sessions} sessions" if n_sessions > 1 else ""
    click.echo(
        f"machine {detector.machine}: "
        f"learned from {count} of up to {detector.window:.3g} s{sessions}",
        err=True,
    )
    if n_windows < MIN_CALIBRATION_WINDOWS:
        _report(f"only {count}: alarms will be unreliable; give at least {MIN_CALIBRATION_WINDOWS}")
    click.echo(
        f"threshold {threshold.value:.3f} for {threshold.false_alarms}: {threshold.support()}",
        err=True,
    )
    click.echo(uncertainty_of(detector).sentence(), err=True)
    if has_charts(detector):
        n_first = max_first_alarms(detector)
        click.echo(
            f"while it listens it learns the machine: expect up to {n_first} false alarms on the "
            f"first day, and {threshold.false_alarms} from then on",
            err=True,
        )
    for line in sensitivity_table(detector.artifact.head.sensitivity):
        click.echo(line, err=True)
    click.echo(f"words\n{explained(*WORDS)}", err=True)
    sound = detector.artifact.head.machine_sound
    if sound is not None and sound.is_of_fleet:
        _report(
            "the training used these recordings, so only large changes raise an alarm; calibrate "
            "again on recordings that it did not use"
        )
    click.echo(f"next: edgeae run {target} --device {device or 'DEVICE'}", err=True)
    click.echo(target)
