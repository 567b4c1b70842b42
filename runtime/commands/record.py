"""`edgeae record`: record a capture device to a file."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

from ..audio.channel import parse_channel
from ..audio.pcm import to_16_bits
from ..audio.resample import Resampler
from ..capture.capture import Capture, Gap, open_capture
from ..capture.probe import decibels
from ..errors import ConfigError
from ..live.stream import stopping
from .shared_options import wait_device_option

if TYPE_CHECKING:
    from soundfile import SoundFile

SUFFIXES = (".wav", ".flac")


DEFAULT_RATE = 16000  # Hz


FULL_SCALE = 2**15


CLEAR = "\x1b[K"  # wipes the level meter off the line; click drops it where there is no terminal


METER_SECONDS = 0.2


@click.command()
@click.option(
    "--device", "-D", default="default", show_default=True, help="ALSA name; see `edgeae devices`."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds to record; Ctrl-C ends earlier and keeps what there is.",
)
@wait_device_option
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write: .wav or .flac, 16 bits, one channel.",
)
@click.option("--channel", default="0", show_default=True, help="Channel, counted from 0, or mix.")
@click.option(
    "--rate",
    default="native",
    show_default=True,
    help="Hz to resample to, or native: 16 kHz or nearest.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def record(
    *,
    device: str,
    duration: float,
    wait_device: float,
    output: Path,
    channel: str,
    rate: str,
    force: bool,
) -> None:
    """Record a capture device into a file.

    Whatever ends the recording early (Ctrl-C, a microphone that is unplugged), what came before is kept.

    \b
    Example:
      edgeae record --device hw:1 --duration 60 -o data/train/normal_00.wav
    """
    _check_output(output, force)
    wanted, picked = _parse_rate(rate), parse_channel(channel)
    part = output.with_name(output.name + ".part")
    recording = WavRecorder()
    with (
        open_capture(
            device, wait=wait_device, channels=[picked], samplerate=wanted or DEFAULT_RATE
        ) as capture,
        stopping(capture.stop) as signals,
    ):
        try:
            with _sound_file(part, output.suffix, wanted or capture.samplerate) as file:
                recording.run(capture, file, duration)
        finally:
            recording.keep(part, output)
    if signals:
        raise SystemExit(128 + signals[0])


@dataclass
class WavRecorder:
    """What was recorded so far, in frames of the file, and how loud it was (full scale 1)."""

    samplerate: int = 0
    frames: int = 0
    gaps: int = 0
    peak: float = 0.0
    squares: float = 0.0
    clipped: int = 0

    def run(self, capture: Capture, file: "SoundFile", duration: float) -> None:
        """Write `duration` seconds of the device into the file, at the file's rate."""
        self.samplerate = file.samplerate
        resampler = Resampler(capture.samplerate, self.samplerate)
        total = max(1, round(duration * self.samplerate))
        meter = Meter()
        for block in capture.blocks():
            if isinstance(block, Gap):
                self._gap(block, capture.samplerate)
                continue
            self._write(file, resampler.push(block)[: total - self.frames])
            meter.show(block, self.frames / self.samplerate)
            if self.frames == total:
                return
        self._write(file, resampler.push(np.empty(0, np.float32), last=True))

    def _gap(self, gap: Gap, samplerate: int) -> None:
        self.gaps += 1
        lost = gap.frames / samplerate
        click.echo(
            f"{CLEAR}gap after {self.frames / self.samplerate:.1f} s: {gap.reason}, about {lost:.2f} s lost",
            err=True,
        )

    def _write(self, file: "SoundFile", samples: NDArray[np.float32]) -> None:
        whole = to_16_bits(samples)
        file.write(whole)
        level = np.abs(whole / FULL_SCALE)
        self.frames += len(whole)
        self.peak = max(self.peak, float(level.max(initial=0)))
        self.squares += float(np.square(level).sum())
        self.clipped += int((level >= 1 - 1 / FULL_SCALE).sum())

    def keep(self, part: Path, output: Path) -> None:
        """Give the file its name, unless it is empty, and say what it holds."""
        if not self.frames:
            part.unlink(missing_ok=True)
            click.echo(f"{CLEAR}nothing was recorded", err=True)
            return
        part.replace(output)
        rms = (self.squares / self.frames) ** 0.5
        click.echo(
            f"{CLEAR}{output}: {self.frames / self.samplerate:.1f} s at {self.samplerate} Hz, "
            f"peak {decibels(self.peak):.1f} dBFS, RMS {decibels(rms):.1f} dBFS, "
            f"{self.clipped / self.frames:.3%} clipped, gaps: {self.gaps}",
            err=True,
        )
        if not self.peak:
            click.echo(
                "every sample is zero: is the microphone muted, or --channel wrong?", err=True
            )


class Meter:
    """One line on stderr that shows the level, a few times a second, when somebody can see it."""

    def __init__(self) -> None:
        self._due = 0.0 if sys.stderr.isatty() else float("inf")

    def show(self, block: NDArray[np.float32], seconds: float) -> None:
        """Redraw for a block `(n,)`, `seconds` after the start."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + METER_SECONDS
        level = decibels(float(np.abs(block).max()))
        bar = "#" * int(np.clip(60 + level, 0, 60) / 2)
        click.echo(f"{CLEAR}{seconds:7.1f} s  {level:6.1f} dBFS |{bar:30}|\r", err=True, nl=False)


def _check_output(output: Path, force: bool) -> None:
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"{output}: a recording is {' or '.join(SUFFIXES)}, so choose such a name"
        )
    if not output.parent.is_dir():
        raise ConfigError(f"{output}: there is no folder {output.parent}: create it first")
    if output.exists() and not force:
        raise ConfigError(f"{output} exists: choose another name, or overwrite it with --force")


def _parse_rate(rate: str) -> int | None:
    if rate == "native":
        return None
    if not rate.isdecimal() or not 4000 <= int(rate) <= 384_000:
        raise ConfigError(f"--rate {rate}: give 4000 to 384000 (Hz), or native")
    return int(rate)


@contextlib.contextmanager
def _sound_file(path: Path, suffix: str, samplerate: int) -> Iterator["SoundFile"]:
    from soundfile import SoundFile, SoundFileError

    try:
        with SoundFile(path, "w", samplerate, 1, "PCM_16", format=suffix[1:].upper()) as file:
            yield file
    except SoundFileError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error
