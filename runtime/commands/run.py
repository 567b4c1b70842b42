"""`edgeae run`: score recordings, raw PCM from a pipe, or microphones."""

import math
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Condition
from typing import Any

import click

from ..audio.channel import Channel, parse_channel
from ..audio.pcm import FORMATS
from ..capture.microphone import Microphone
from ..capture.names import resolve
from ..capture.queue import CaptureQueue
from ..errors import EXIT_INTERRUPTED, AudioError, ConfigError, DeviceError
from ..live.limits import RunLimits
from ..live.listen import DeviceRoute, listen
from ..live.source import Source, publish_pending
from ..live.stdin import Pipe
from ..live.stream import stopping
from ..model.find import split_models
from ..monitoring.drift import DEFAULT_DAYS, DriftLimits
from ..monitoring.drift_file import DriftFile
from ..offline.files import expand, score_files
from ..offline.resume import ResumeLog, log_files
from ..outputs.declaration import run_option
from ..outputs.outputs import Outputs
from ..outputs.registry import output_options
from ..scoring.detector import Detector
from ..scoring.selftest import load_all
from ..system.clock import now
from ..system.process_pool import jobs_for
from ..system.slug import slug
from .shared_options import wait_device_option

EXIT_ANOMALY = 1


def score_pipe(
    source: Source,
    pipe: Pipe,
    samplerate: int,
    channels: int,
    encoding: str,
    tick: Callable[[], None],
) -> None:
    """Score what comes through a pipe until it ends. tick: called a few times a second of sound."""
    source.start(samplerate, channels, encoding)
    for block in pipe.blocks():
        source.push(block, now())
        publish_pending([source])
        tick()
        if source.done():
            break
    source.finish()


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL]... [FILES... | -]")
@click.option(
    "--device", "-D", multiple=True, help="Capture device; see `edgeae devices`. Repeatable."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so many seconds of sound.",
)
@click.option(
    "--channel", help="Channel counted from 0, or 'mix'.  [default: 0; of files: as in training]"
)
@click.option("--channels", help="Channels of each device to listen to, one machine each: 0,1,2,3.")
@wait_device_option
@click.option(
    "--give-up",
    type=click.FloatRange(min=0),
    help="End when no device was heard for so many seconds.  [default: never; it is opened again for ever]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--fail-on-anomaly", is_flag=True, help="Exit with 1 if any window is above the threshold."
)
@click.option("--skip-bad", is_flag=True, help="Do not fail for files that cannot be read.")
@run_option(
    "--track",
    type=click.Path(path_type=Path),
    value_kind="output-file",
    help="Follow slow, harmless change; FILE.json keeps it. Of several channels: a folder.",
)
@click.option(
    "--track-days",
    default=DEFAULT_DAYS,
    show_default=True,
    type=click.FloatRange(0.1, 365),
    help="Time constant of --track, days of sound.",
)
@click.option(
    "--rate",
    default=16000,
    show_default=True,
    type=click.IntRange(4000, 384000),
    help="Of raw PCM, Hz.",
)
@click.option(
    "--format", "encoding", default="S16_LE", show_default=True, type=click.Choice(list(FORMATS))
)
@click.option(
    "--input-channels", default=1, show_default=True, type=click.IntRange(1, 64), help="Of raw PCM."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Processes that score files.  [default: one for few, else a core each]",
)
@click.option(
    "--resume", is_flag=True, help="Go on behind the files whose lines --log already holds."
)
@output_options
@click.pass_obj
def run(
    limits: RunLimits | None,
    /,
    arguments: tuple[str, ...],
    device: tuple[str, ...],
    duration: float | None,
    channel: str | None,
    channels: str | None,
    wait_device: float,
    give_up: float | None,
    as_json: bool,
    fail_on_anomaly: bool,
    skip_bad: bool,
    track: Path | None,
    track_days: float,
    rate: int,
    encoding: str,
    input_channels: int,
    jobs: int | None,
    resume: bool,
    **outputs: Any,
) -> int:
    """Score recordings, raw PCM on stdin (-) or microphones: one score a second.

    MODEL is an artifact (.onnx); by default $EDGEAE_MODEL, ./model.int8.onnx or the newest in runs/latest.
    Several devices or channels take one artifact for all, or one for each, in their order.

    \b
    edgeae run machine.onnx --device hw:1 --json
    edgeae run machine.onnx --device hw:1 --json --track machine-track.json
    edgeae run pump.onnx fan.onnx --device hw:1 --channels 0,1 --json
    edgeae run machine.onnx recordings/*.wav --fail-on-anomaly
    edgeae run machine.onnx recordings/ --log scores.jsonl --resume
    arecord -D hw:1 -f S16_LE -r 16000 -t raw | edgeae run machine.onnx -
    """
    limits = limits or RunLimits()
    models, inputs = split_models(arguments)
    if bool(device) + bool(inputs) != 1 or ("-" in inputs and len(inputs) > 1):
        raise ConfigError(
            "edgeae run scores files, or - (raw PCM on stdin), or --device; give exactly one of them"
        )
    live = not inputs or inputs == ["-"]
    if not live and duration is not None:
        raise ConfigError("--duration limits a microphone or a pipe; files are scored whole")
    _check_resume(resume and (live or track or not outputs["log"]))
    if channels and (channel or not device):
        raise ConfigError(
            "--channels is for --device, and in the place of --channel; give one of them"
        )
    wanted = [parse_channel(number) for number in (channels or channel or "0").split(",")]
    names = source_names(device, wanted) if device else inputs[:1]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"two sources are the same, {', '.join(names)}; name each device and channel once"
        )
    if len(models) not in (1, len(names)):
        raise ConfigError(
            f"{len(models)} artifacts for {len(names)} sources; give one for all, or one for each"
        )
    detectors = load_all(models) * (len(names) // len(models))
    for path, detector in zip(models, detectors, strict=False):
        _warn_uncalibrated(path, detector)
    with ExitStack() as stack:
        bad, pipe = 0, Pipe(encoding, input_channels, rate, wanted[0]) if inputs == ["-"] else None
        came = stack.enter_context(stopping(pipe.stop if pipe else None)) if live else []
        tracks = open_tracks(stack, track, track_days, names, detectors, limits.drift)
        out = stack.enter_context(
            Outputs(
                outputs,
                as_json=as_json,
                live=live,
                paced=bool(device),
                limits=limits.outputs,
            )
        )
        sources = [
            Source(name, detector, out, model=model, duration=duration, track=tracked)
            for name, detector, model, tracked in zip(
                names, detectors, models * len(names), tracks, strict=False
            )
        ]
        if device:
            listen_to(
                device,
                wanted,
                sources,
                out,
                came,
                wait_device,
                give_up,
                limits,
            )
        elif pipe:
            score_pipe(sources[0], pipe, rate, input_channels, encoding, out.tick)
        else:
            paths, of = expand(inputs), wanted[0] if channel else detectors[0].channel
            logged = ResumeLog(log_files(outputs["log"]), detectors[0]) if resume else None
            jobs = jobs or jobs_for(paths)
            scored = score_files(
                detectors[0], paths, of, out.publisher, tracks[0], jobs=jobs, resume_log=logged
            )
            anomalous = scored.any_anomaly
            bad = scored.n_unreadable
            skip_bad &= bad < len(paths)
        anomalous = any(source.any_anomaly for source in sources) if live else anomalous
        if live and not came and not any(source.n_windows for source in sources):
            raise AudioError(str(sources[0].too_short))
    if bad and not skip_bad:
        raise AudioError(
            f"{bad} of the files could not be scored (named above); repair them or pass --skip-bad"
        )
    if signal.SIGINT in came:
        return EXIT_INTERRUPTED
    return EXIT_ANOMALY if anomalous and fail_on_anomaly else 0


def _check_resume(misplaced: Any) -> None:
    if misplaced:
        raise ConfigError(
            "--resume goes on with files, behind the lines that --log holds, and without --track"
        )


def source_names(devices: Sequence[str], channels: Sequence[Channel]) -> list[str]:
    """A name for each channel of each device, in their order."""
    if len(channels) == 1:
        return list(devices)
    return [f"{device} channel {channel}" for device in devices for channel in channels]


def open_tracks(
    stack: ExitStack,
    track: Path | None,
    days: float,
    names: Sequence[str],
    detectors: Sequence[Detector],
    limits: DriftLimits,
) -> list[DriftFile | None]:
    """What follows the drift of each source; saved when the stack is left, however that comes."""
    if track is None:
        return [None] * len(names)
    if len(names) == 1:
        return [stack.enter_context(DriftFile(track, detectors[0], days, limits))]
    if not track.is_dir():
        raise ConfigError(f"--track {track}: of several sources it is a folder; create it first")
    paths = [track / f"{slug(name)}.json" for name in names]
    return [
        stack.enter_context(DriftFile(p, d, days, limits))
        for p, d in zip(paths, detectors, strict=True)
    ]


def listen_to(
    devices: Sequence[str],
    channels: Sequence[Channel],
    sources: Sequence[Source],
    out: Outputs,
    came: Sequence[int],
    wait: float,
    give_up: float | None,
    limits: RunLimits,
) -> None:
    """Score what the microphones hear until it is enough, or a signal ``came``."""
    for device in devices:
        with suppress(DeviceError):  # which may come later, but not by a name that nothing can have
            resolve(device)
    data_ready = Condition()
    remaining = iter(sources)
    with ExitStack() as ends:
        routes = []
        for device in devices:
            microphone = Microphone(
                device,
                CaptureQueue(data_ready, limits.queue),
                samplerate=sources[0].samplerate,
                channels=channels,
                limits=limits.microphone,
            )
            routes.append(
                DeviceRoute(microphone, [(channel, next(remaining)) for channel in channels])
            )
            ends.callback(routes[-1].finish)
        ends.callback(out.notify.stopping)
        out.notify.ready()
        patience = math.inf if give_up is None else give_up
        listen(routes, data_ready, lambda: bool(came), out.tick, wait=wait, give_up=patience)


def _warn_uncalibrated(model: Path, detector: Detector) -> None:
    if detector.machine is None:
        click.echo(
            f"edgeae: {model} is not calibrated to a machine; run `edgeae calibrate` on a minute of its normal sound",
            err=True,
        )
