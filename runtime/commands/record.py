"""`edgeae record`: record a capture device to a file."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from ..audio.channel import parse_channel
from ..audio.level import SILENCE_DBFS, dbfs, deviation
from ..audio.level_meter import LevelMeter
from ..audio.pcm import to_int16
from ..audio.resample import Resampler
from ..audio.sound_file import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from ..capture.blocks import Gap
from ..capture.capture import check_stream, open_capture
from ..errors import ConfigError
from ..live.stream import stopping
from ..system.arrays import Float32
from ..system.files import create_file
from .shared_options import wait_device_option

if TYPE_CHECKING:
    from soundfile import SoundFile

    from ..capture.capture import Capture
    from ..capture.ffmpeg import StreamCapture

SUFFIXES = (".wav", ".flac")
DEFAULT_RATE = 16000  # Hz
FULL_SCALE = 2**15


@click.command()
@click.option(
    "--device",
    "-D",
    default="default",
    show_default=True,
    help="Capture device, as `edgeae devices` lists it, or the address of a network stream.",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds to record. Ctrl-C stops earlier and keeps the sound recorded so far.",
)
@wait_device_option
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write: .wav or .flac, 16 bits, one channel.",
)
@click.option(
    "--channel", default="0", show_default=True, help="Channel to record, counted from 0, or mix."
)
@click.option(
    "--rate",
    default="native",
    show_default=True,
    help="Sample rate of the file, Hz; native: the rate of the device nearest to 16 kHz.",
)
@click.option(
    "--overwrite", "--force", "overwrite", is_flag=True, help="Overwrite an existing output file."
)
def record(
    *,
    device: str,
    duration: float,
    wait_device: float,
    output: Path,
    channel: str,
    rate: str,
    overwrite: bool,
) -> None:
    """Record a capture device into a file.

    If the recording ends early (Ctrl-C, an unplugged microphone), the file keeps the sound before
    it.

    \b
    Example:
      edgeae record --device hw:1 --duration 60 -o data/train/normal_00.wav
    """
    _check_output(output, overwrite)
    check_stream(device)
    target_rate = _parse_rate(rate)
    chosen_channel = parse_channel(channel)
    part = output.with_name(output.name + ".part")
    recorder = WavRecorder()
    with (
        open_capture(
            device,
            wait=wait_device,
            channels=[chosen_channel],
            samplerate=target_rate or DEFAULT_RATE,
        ) as capture,
        stopping(capture.stop) as signals,
    ):
        try:
            with _sound_file(part, output.suffix, target_rate or capture.samplerate) as file:
                recorder.run(capture, file, duration)
        finally:
            recorder.keep(part, output)
    if signals:
        raise SystemExit(128 + signals[0])


@dataclass
class WavRecorder:
    """Writes a capture device to a file, and counts what it has written (full scale 1)."""

    samplerate: int = 0  # Hz, of the file
    frames: int = 0
    gaps: int = 0
    peak: float = 0.0
    squares: float = 0.0
    total: float = 0.0  # sum of the samples
    clipped: int = 0

    def run(self, capture: "Capture | StreamCapture", file: "SoundFile", duration: float) -> None:
        """Write ``duration`` seconds of the device into the file, at the file's rate."""
        self.samplerate = file.samplerate
        resampler = Resampler(capture.samplerate, self.samplerate)
        n_wanted = max(1, round(duration * self.samplerate))
        with LevelMeter(duration, log=False) as meter:
            for block in capture.blocks():
                if isinstance(block, Gap):
                    meter.message(self._add_gap(block, capture.samplerate))
                    continue
                self._write(file, resampler.push(block)[: n_wanted - self.frames])
                meter.push(block, self.frames / self.samplerate)
                if self.frames == n_wanted:
                    return
        self._write(file, resampler.push(np.empty(0, np.float32), last=True))

    def _add_gap(self, gap: Gap, samplerate: int) -> str:
        """Count a gap; returns the message about it."""
        self.gaps += 1
        lost_seconds = gap.frames / samplerate
        return (
            f"gap after {self.frames / self.samplerate:.1f} s: "
            f"{gap.reason}, about {lost_seconds:.2f} s lost"
        )

    def _write(self, file: "SoundFile", samples: Float32) -> None:
        pcm = to_int16(samples)
        file.write(pcm)
        amplitudes = np.abs(pcm / FULL_SCALE)
        self.frames += len(pcm)
        self.peak = max(self.peak, float(amplitudes.max(initial=0)))
        self.squares += float(np.square(amplitudes).sum())
        self.total += float(pcm.sum()) / FULL_SCALE
        self.clipped += int((amplitudes >= 1 - 1 / FULL_SCALE).sum())

    def keep(self, part: Path, output: Path) -> None:
        """Rename ``part`` to ``output``, unless it is empty, and report what it holds."""
        if not self.frames:
            with contextlib.suppress(OSError):
                part.unlink()
            click.echo("nothing was recorded", err=True)
            return
        part.replace(output)
        rms = deviation(self.squares, self.total, self.frames)
        click.echo(
            f"{output}: {self.frames / self.samplerate:.1f} s at {self.samplerate} Hz, "
            f"peak {dbfs(self.peak):.1f} dBFS, RMS {dbfs(rms):.1f} dBFS, "
            f"{self.clipped / self.frames:.3%} clipped, gaps: {self.gaps}",
            err=True,
        )
        if self.peak and dbfs(rms) < SILENCE_DBFS:
            click.echo(
                f"there is no sound, only noise below {SILENCE_DBFS:.0f} dBFS: is the microphone "
                "plugged in, or --channel wrong?",
                err=True,
            )
        if not self.peak:
            click.echo(
                "every sample is zero: is the microphone muted, or --channel wrong?", err=True
            )


def _check_output(output: Path, overwrite: bool) -> None:
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"{output}: the name of a recording ends in {' or '.join(SUFFIXES)}; choose such a name"
        )
    if not output.parent.is_dir():
        raise ConfigError(f"{output}: there is no folder {output.parent}: create it first")
    if output.exists() and not overwrite:
        raise ConfigError(f"{output} exists: choose another name, or overwrite it with --overwrite")


def _parse_rate(rate: str) -> int | None:
    if rate == "native":
        return None
    if not rate.isdecimal() or not MIN_SAMPLE_RATE <= int(rate) <= MAX_SAMPLE_RATE:
        raise ConfigError(
            f"--rate {rate}: give {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} (Hz), or native"
        )
    return int(rate)


@contextlib.contextmanager
def _sound_file(path: Path, suffix: str, samplerate: int) -> Iterator["SoundFile"]:
    from soundfile import SoundFile, SoundFileError

    try:
        # Of a recording that was killed; nobody else's file is written to, nor through a link.
        path.unlink(missing_ok=True)
        descriptor = create_file(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    form = suffix[1:].upper()
    try:
        with SoundFile(descriptor, "w", samplerate, 1, "PCM_16", format=form) as file:
            yield file
    except SoundFileError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error
