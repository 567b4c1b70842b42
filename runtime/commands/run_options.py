"""The options of `edgeae run`, beside those of the outputs: how they are written, and their
values."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from ..audio.channel import Channel, parse_channel
from ..audio.pcm import FORMATS
from ..capture.stream_address import shown_name
from ..errors import ConfigError
from ..model.find import split_models
from ..monitoring.drift import DEFAULT_DAYS
from ..outputs.declaration import POSITIVE, OptionValues, run_option
from .config_file import config_option
from .shared_options import recursive_option, wait_device_option

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--device",
        "-D",
        multiple=True,
        help="Capture device, as `edgeae devices` lists it, or the address of a network stream "
        "(rtsp://, http://, https://), which ffmpeg reads. Repeatable.",
    ),
    click.option("--duration", type=POSITIVE, help="Stop after this many seconds of sound."),
    click.option(
        "--channel",
        help="Channel to score, counted from 0, or 'mix'.  [default: 0; of files: as in training]",
    ),
    click.option(
        "--channels",
        help="Channels of each device to score, one machine each, as in 0,1,2,3.",
    ),
    wait_device_option,
    click.option(
        "--give-up",
        type=click.FloatRange(min=0),
        help="End when no device has delivered sound for this many seconds.  "
        "[default: never; lost devices are opened again]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line."),
    click.option(
        "--fail-on-anomaly",
        is_flag=True,
        help="Exit with 1 if a window is above the threshold, or an alarm started.",
    ),
    click.option("--skip-bad", is_flag=True, help="Do not fail for files that cannot be read."),
    recursive_option,
    run_option(
        "--track",
        type=click.Path(path_type=Path),
        value_kind="output-file",
        help="Follow slow, harmless change of the sound, and keep it in this FILE.json; "
        "for several channels, in this folder.",
    ),
    click.option(
        "--track-days",
        default=DEFAULT_DAYS,
        show_default=True,
        type=click.FloatRange(0.1, 365),
        help="Time constant of --track, days of sound.",
    ),
    run_option(
        "--state",
        type=click.Path(path_type=Path),
        value_kind="output-file",
        help="Keep the normal sound that is learned while listening in this FILE.json; "
        "for several channels, in this folder.",
    ),
    click.option(
        "--no-learn",
        is_flag=True,
        help="Compare with the calibration alone, and learn no sound while listening.",
    ),
    run_option(
        "--feedback",
        type=click.Path(path_type=Path),
        value_kind="output-file",
        help="Create this file to say that the last event was normal: its sound is learned, "
        "the alarm ends, and the file is removed.",
    ),
    click.option(
        "--rate",
        default=16000,
        show_default=True,
        type=click.IntRange(4000, 384000),
        help="Sample rate of raw PCM on standard input, Hz.",
    ),
    click.option(
        "--format",
        "encoding",
        default="S16_LE",
        show_default=True,
        type=click.Choice(list(FORMATS)),
        help="Sample format of raw PCM on standard input.",
    ),
    click.option(
        "--input-channels",
        default=1,
        show_default=True,
        type=click.IntRange(1, 64),
        help="Number of channels of raw PCM on standard input.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1, 256),
        help="Number of processes that score files.  [default: one, or one a core for many]",
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Let the workers of this Dask scheduler score the files, as tcp://HOST:8786.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Skip the files whose lines are in the file of --log already.",
    ),
    config_option,
)
Command = TypeVar("Command", bound=Callable[..., Any])


def run_options(command: Command) -> Command:
    """A decorator that adds the options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class _Values:
    """Values of some of the options; a field is named as the parameter."""

    @classmethod
    def of(cls, values: OptionValues) -> Self:
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class MicrophoneOptions(_Values):
    """Of capture devices."""

    device: tuple[str, ...]
    wait_device: float  # seconds
    give_up: float | None  # seconds


@dataclass(frozen=True)
class PcmOptions(_Values):
    """Of raw PCM on standard input."""

    rate: int  # Hz
    encoding: str
    input_channels: int


@dataclass(frozen=True)
class FileOptions(_Values):
    """Of recordings."""

    skip_bad: bool
    recursive: bool
    jobs: int | None
    cluster: str | None  # address of a Dask scheduler
    resume: bool
    log: Path | None  # of the outputs, for --resume


@dataclass(frozen=True)
class TrackOptions(_Values):
    """Of the drift."""

    track: Path | None
    track_days: float


@dataclass(frozen=True)
class LearningOptions(_Values):
    """Of the charts."""

    state: Path | None
    no_learn: bool
    feedback: Path | None


@dataclass(frozen=True)
class RunOptions:
    """What `edgeae run` has to do; the parts fit together."""

    models: list[Path]
    inputs: list[str]  # files and folders, or -
    channel: Channel | None  # None: not given
    channels: list[Channel]  # of each device
    duration: float | None  # seconds
    as_json: bool
    fail_on_anomaly: bool
    microphone: MicrophoneOptions
    pcm: PcmOptions
    files: FileOptions
    tracking: TrackOptions
    learning: LearningOptions
    outputs: OptionValues  # all values, for the outputs

    @classmethod
    def of(cls, arguments: tuple[str, ...], values: OptionValues) -> Self:
        """ConfigError for values that do not fit together."""
        models, inputs = split_models(arguments)
        _check_inputs(inputs, values)
        channel = values["channel"]
        channels = values["channels"]
        wanted = [parse_channel(text) for text in (channels or channel or "0").split(",")]
        return cls(
            models=models,
            inputs=inputs,
            channel=wanted[0] if channel else None,
            channels=wanted,
            duration=values["duration"],
            as_json=values["as_json"],
            fail_on_anomaly=values["fail_on_anomaly"],
            microphone=MicrophoneOptions.of(values),
            pcm=PcmOptions.of(values),
            files=FileOptions.of(values),
            tracking=TrackOptions.of(values),
            learning=LearningOptions.of(values),
            outputs=values,
        )

    @property
    def paced(self) -> bool:
        """Sound comes from microphones, which do not wait."""
        return bool(self.microphone.device)

    @property
    def live(self) -> bool:
        """Sound comes from microphones or a pipe, not from files."""
        return _is_live(self.inputs)

    def source_names(self) -> list[str]:
        """The name of each source: each channel of each device, or the pipe, or the first file.

        ConfigError if two are the same, or there are not as many artifacts.
        """
        names = self.inputs[:1]
        if self.paced:
            names = _channel_names(self.microphone.device, self.channels)
        if len(set(names)) < len(names):
            raise ConfigError(
                f"two sources are the same, {', '.join(names)}; name each device and channel once"
            )
        if len(self.models) not in (1, len(names)):
            raise ConfigError(
                f"{len(self.models)} artifacts for {len(names)} sources; "
                "give one for all, or one for each"
            )
        return names


def _is_live(inputs: list[str]) -> bool:
    return not inputs or inputs == ["-"]


def _check_inputs(inputs: list[str], values: OptionValues) -> None:
    device = values["device"]
    if bool(device) + bool(inputs) != 1 or ("-" in inputs and len(inputs) > 1):
        raise ConfigError(
            "edgeae run scores files, or - (raw PCM on stdin), or --device; "
            "give exactly one of them"
        )
    live = _is_live(inputs)
    if not live and values["duration"] is not None:
        raise ConfigError("--duration limits a microphone or a pipe; files are scored whole")
    if values["resume"] and (live or values["track"] or not values["log"]):
        raise ConfigError(
            "--resume goes on with files, behind the lines that --log holds, and without --track"
        )
    if values["cluster"] is not None and not values["cluster"].strip():
        raise ConfigError(
            "--cluster is empty; give the address of a Dask scheduler, such as tcp://HOST:8786"
        )
    if values["cluster"] and (live or values["track"] or values["jobs"]):
        raise ConfigError("--cluster is for files, without --track and --jobs; leave one out")
    for option in ("state", "feedback", "mqtt_commands"):
        _check_learning(option, values, live=live)
    if values["channels"] and (values["channel"] or not device):
        raise ConfigError(
            "--channels is for --device, and in the place of --channel; give one of them"
        )


def _check_learning(option: str, values: OptionValues, *, live: bool) -> None:
    if not values[option]:
        return
    name = "--" + option.replace("_", "-")
    if not live:
        raise ConfigError(
            f"{name} is for a microphone or a pipe; each file is learned by itself, so leave it out"
        )
    if values["no_learn"]:
        raise ConfigError(
            f"{name} and --no-learn exclude each other: "
            f"one is about learned sound, the other forbids it; leave one out"
        )


def _channel_names(devices: tuple[str, ...], channels: list[Channel]) -> list[str]:
    if len(channels) == 1:
        return [shown_name(device) for device in devices]
    return [f"{shown_name(device)} channel {channel}" for device in devices for channel in channels]
