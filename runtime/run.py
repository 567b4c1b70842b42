"""`edgeae run`: score recordings, raw PCM from a pipe, or a microphone."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from .audio import SUFFIXES, Channel, parse_channel, select_channel
from .capture import Capture, Gap
from .detector import Detector, Result, Window
from .errors import EXIT_INTERRUPTED, AudioError, ConfigError
from .events import Alarm
from .health import NO_SOUND, Health
from .live import Stream, limited, stopping
from .mel import Float32
from .modelfile import split_model
from .output import Line, event_line, gap_line, health_line, score_line, status_line, write
from .pcm import FORMATS, decode
from .recordings import audio_files
from .selftest import load_checked
from .tracker import DAYS
from .trackfile import TrackFile

PIPE_SECONDS = 0.1  # read from a pipe at once
EXIT_ANOMALY = 1


class Report:
    """Turns the results of one source into lines, and remembers whether any was anomalous."""

    def __init__(self, detector: Detector, source: str, track: TrackFile | None = None) -> None:
        self._detector, self._alarm, self._health = detector, Alarm(detector), Health(detector)
        self._source, self._track, self._t = source, track, 0.0
        self.anomalous = False
        self.windows = 0

    def lines(self, windows: Iterable[Window]) -> Iterator[Line]:
        for window in windows:
            before, condition = self._health.condition, self._health.update(window)
            if condition.state != before.state:
                yield health_line(self._source, window.end, condition)
            heard = self._track.tracker.compensated(window) if self._track else window
            result: Result = replace(self._detector.result(heard), health=condition.state)
            if condition.state in NO_SOUND:
                result = replace(result, anomaly=False)
                self._alarm.reset()
            self.windows += 1
            self.anomalous |= result.anomaly
            yield score_line(self._source, result)
            if condition.state not in NO_SOUND and (event := self._alarm.update(result)):
                yield event_line(self._source, self._health.explained(event, heard))
            yield from self._learn(window, result)

    def _learn(self, window: Window, result: Result) -> Iterator[Line]:
        """Let the tracker hear; sound that a gap lost does not count."""
        seconds, self._t = min(result.t - self._t, self._detector.window), result.t
        if self._track and (status := self._track.hear(window, result, seconds, alarm=self._alarm.active)):
            yield status_line(self._source, result.t, **status)

    def gap(self, t: float, gap: Gap) -> Line:
        self._alarm.reset()
        return gap_line(self._source, t, gap.frames, gap.reason)


def score_files(
    detector: Detector,
    paths: Iterable[Path],
    channel: Channel,
    emit: Callable[[Line], None],
    track: TrackFile | None = None,
) -> tuple[bool, int]:
    """Score each file as a whole; (was any anomalous, how many could not be read)."""
    anomalous, bad = False, 0
    for path in paths:
        report = Report(detector, str(path), track)
        try:
            windows = list(detector.read(path, channel))  # all or nothing: a bad file gets no score
            lines = list(report.lines(windows))
        except AudioError as error:
            click.echo(f"edgeae: {error}", err=True)
            bad += 1
            continue
        anomalous |= report.anomalous
        for line in lines:
            emit(line)
    return anomalous, bad


def score_stream(
    detector: Detector,
    source: str,
    items: Iterable[Float32 | Gap],
    samplerate: int,
    emit: Callable[[Line], None],
    track: TrackFile | None = None,
) -> bool:
    """Score live sound until it ends; True if any window was anomalous. AudioError if it gives no score."""
    report, stream = Report(detector, source, track), Stream(detector.listener(samplerate), samplerate)
    for item in items:
        if isinstance(item, Gap):
            stream.gap(item.frames)
            emit(report.gap(stream.t, item))
            continue
        for line in report.lines(stream.push(item)):
            emit(line)
    too_short: AudioError | None = None
    if stream.full or not report.windows:  # less since a gap strays too much to be judged beside full windows
        try:
            for line in report.lines(stream.flush()):
                emit(line)
        except AudioError as error:
            too_short = error
    emit(status_line(source, stream.t, "stopped", windows=report.windows))
    if too_short and not report.windows:
        raise AudioError(f"{source}: {too_short}")
    return report.anomalous


def pipe_blocks(encoding: str, channels: int, samplerate: int, channel: Channel) -> Iterator[Float32]:
    """Mono blocks of the raw PCM on stdin; an incomplete last frame is dropped."""
    if channel != "mix" and channel >= channels:
        raise ConfigError(f"--channel {channel} of raw PCM with --input-channels {channels}; they are counted from 0")
    frame = FORMATS[encoding][1] * channels
    size = max(1, int(samplerate * PIPE_SECONDS)) * frame
    while raw := sys.stdin.buffer.read(size):
        yield select_channel(decode(raw[: len(raw) // frame * frame], encoding, channels), channel)


def expand(arguments: Iterable[str]) -> list[Path]:
    """Files, and the recordings in folders."""
    paths: list[Path] = []
    for path in map(Path, arguments):
        found = audio_files(path) if path.is_dir() else [path]
        if not found:
            raise ConfigError(f"{path}: holds no {', '.join(SUFFIXES)} file")
        paths += found
    return paths


@click.command()
@click.argument("arguments", nargs=-1, metavar="[MODEL] [FILES... | -]")
@click.option("--device", "-D", help="ALSA capture device, such as hw:1 or plughw:CARD=Device,DEV=0.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), help="Stop after so many seconds of sound.")
@click.option("--channel", help="Channel counted from 0, or 'mix'.  [default: 0; of files: as in training]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--fail-on-anomaly", is_flag=True, help="Exit with 1 if any window is above the threshold.")
@click.option("--skip-bad", is_flag=True, help="Do not fail for files that cannot be read.")
@click.option("--track", type=click.Path(path_type=Path), help="Follow slow, harmless change; FILE.json keeps it.")
@click.option(
    "--track-days",
    default=DAYS,
    show_default=True,
    type=click.FloatRange(0.1, 365),
    help="Time constant of --track, days of sound.",
)
@click.option("--rate", default=16000, show_default=True, type=click.IntRange(4000, 384000), help="Of raw PCM, Hz.")
@click.option("--format", "encoding", default="S16_LE", show_default=True, type=click.Choice(list(FORMATS)))
@click.option("--input-channels", default=1, show_default=True, type=click.IntRange(1, 64), help="Of raw PCM.")
def run(
    arguments: tuple[str, ...],
    device: str | None,
    duration: float | None,
    channel: str | None,
    as_json: bool,
    fail_on_anomaly: bool,
    skip_bad: bool,
    track: Path | None,
    track_days: float,
    rate: int,
    encoding: str,
    input_channels: int,
) -> int:
    """Score recordings, raw PCM on stdin (-) or a microphone: one score a second.

    MODEL is an artifact (.onnx); by default $EDGEAE_MODEL, ./model.int8.onnx or the newest in runs/latest.

    \b
    edgeae run machine.onnx --device hw:1 --json
    edgeae run machine.onnx --device hw:1 --json --track machine-track.json
    edgeae run machine.onnx recordings/*.wav --fail-on-anomaly
    arecord -D hw:1 -f S16_LE -r 16000 -t raw | edgeae run machine.onnx -
    """
    model, inputs = split_model(arguments)
    if bool(device) + bool(inputs) != 1 or ("-" in inputs and len(inputs) > 1):
        raise ConfigError("edgeae run scores files, or - (raw PCM on stdin), or --device; give exactly one of them")
    if inputs and inputs != ["-"] and duration is not None:
        raise ConfigError("--duration limits a microphone or a pipe; files are scored whole")
    detector = load_checked(model)
    wanted = parse_channel(channel) if channel else 0 if device or inputs == ["-"] else detector.channel
    _warn_uncalibrated(detector)

    def emit(line: Line) -> None:
        write(line, as_json=as_json)

    context = click.get_current_context()  # saves what was tracked when the command ends, however it does
    tracked = context.with_resource(TrackFile(track, detector, track_days)) if track else None
    bad, came = 0, list[int]()
    if device:
        anomalous, came = _run_device(detector, device, wanted, duration, emit, tracked)
    elif inputs == ["-"]:
        frames = None if duration is None else round(duration * rate)
        blocks = limited(pipe_blocks(encoding, input_channels, rate, wanted), frames)
        anomalous = score_stream(detector, "-", blocks, rate, emit, tracked)
    else:
        paths = expand(inputs)
        anomalous, bad = score_files(detector, paths, wanted, emit, tracked)
        skip_bad &= bad < len(paths)
    if bad and not skip_bad:
        raise AudioError(f"{bad} of the files could not be scored (named above); repair them or pass --skip-bad")
    if signal.SIGINT in came:
        return EXIT_INTERRUPTED
    return EXIT_ANOMALY if anomalous and fail_on_anomaly else 0


def _run_device(
    detector: Detector,
    device: str,
    channel: Channel,
    duration: float | None,
    emit: Callable[[Line], None],
    track: TrackFile | None,
) -> tuple[bool, list[int]]:
    with (
        Capture(device, samplerate=detector.spec.sample_rate, channel=channel) as capture,
        stopping(capture.stop) as came,
    ):
        setup = {"samplerate": capture.samplerate, "channels": capture.channels, "format": capture.format}
        emit(status_line(device, 0.0, "listening", **setup))
        frames = None if duration is None else round(duration * capture.samplerate)
        try:
            blocks = limited(capture.blocks(), frames)
            return score_stream(detector, device, blocks, capture.samplerate, emit, track), came
        except AudioError:
            if not came:
                raise
            return False, came  # stopped before its first score


def _warn_uncalibrated(detector: Detector) -> None:
    if detector.machine is None:
        click.echo(
            "edgeae: this artifact is not calibrated to a machine; "
            "run `edgeae calibrate` on a minute of its normal sound",
            err=True,
        )
