"""Days of sound through `edgeae run --device`, as fast as possible, compared with offline scores.

python benchmarks/soak.py MODEL FOLDER... [--hours 24] [--faults 2]

The recordings of the FOLDERs are played in a random order, through libasound's file plugin.
``--faults`` overruns and suspends an hour are injected. The report at the end: windows scored and
lost, scores that differ from those of `Detector.windows` for the same sound (none may), the growth
of memory after the first tenth, and open file descriptors.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from alsa_files import configuration
from numpy.typing import NDArray

from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.live.reporter import SourceReporter
from edgeae.runtime.live.stream import Stream
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window

RATE = 16000
PERIOD = 512
AHEAD = 600  # seconds of sound
SAMPLED = 100  # score lines between two looks at the process
LISTEN = """
import errno, random, sys
from edgeae.runtime.capture import capture
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.commands.cli import main

chance, faults = float(sys.argv.pop(1)), random.Random(1)

class Faulty(Alsa):
    def call(self, name, *arguments):
        if name == "snd_pcm_readi" and faults.random() < chance:
            raise AlsaError(faults.choice([errno.EPIPE, errno.ESTRPIPE]), "injected")
        return super().call(name, *arguments)

capture.Alsa = Faulty
main()
"""


@dataclass
class Soak:
    """What was counted."""

    hours: float
    scored: int = 0
    expected: int = 0  # windows, had nothing been lost
    window_patches: int = 0
    gaps: int = 0
    lost_frames: int = 0
    different: int = 0  # lines that the offline path gives otherwise
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    rss_kib: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Growth is that after the first tenth."""
        warm = len(self.rss_kib) // 10
        rss, opened = self.rss_kib[warm:], self.descriptors[warm:]
        return {
            "hours": self.hours,
            "elapsed_s": round(self.elapsed_s, 1),
            "cpu_ms_per_s": round(1000 * self.cpu_s / (3600 * self.hours), 3),
            "windows_scored": self.scored,
            "windows_lost": self.expected - self.scored,
            "gaps": self.gaps,
            "lines_different": self.different,
            "rss_mib": round(rss[-1] / 1024, 1),
            "rss_mib_by_tenth": [
                round(self.rss_kib[k * len(self.rss_kib) // 10] / 1024, 2) for k in range(10)
            ],
            "rss_growth_kib": rss[-1] - rss[0],
            "rss_highest_growth_kib": max(rss) - rss[0],
            "descriptors": [min(opened), max(opened)],
        }


def periods(clips: list[NDArray[np.int16]], hours: float, seed: int) -> Iterator[NDArray[np.int16]]:
    """The sound, (PERIOD,) at a time; the same for the same seed."""
    rng, left = random.Random(seed), int(hours * 3600 * RATE) // PERIOD
    while left > 0:
        clip = rng.choice(clips)
        for start in range(0, len(clip) - PERIOD + 1, PERIOD):
            if left:
                left -= 1
                yield clip[start : start + PERIOD]


class Offline:
    """The lines that the same sound gives without a device."""

    def __init__(self, detector: Detector, sound: Iterator[NDArray[np.int16]]) -> None:
        self._sound = sound
        self._stream = Stream(detector, RATE)
        self._report = SourceReporter(detector, "hw:1")
        self._lines: list[dict[str, Any]] = []
        self._fed = 0  # frames of sound
        self._ended = False

    def gap(self, fed: int, frames: int) -> list[dict[str, Any]]:
        """A gap after ``fed`` frames of sound; the lines before it that were not asked for."""
        while self._fed < fed:
            self._feed()
        unread = self._lines
        self._lines = []
        self._stream.gap(frames)
        self._report.reset_alarm()
        return unread

    def next(self) -> dict[str, Any] | None:
        """The next line; None at the end of the sound."""
        while not self._lines and self._feed():
            pass
        return self._lines.pop(0) if self._lines else None

    def _feed(self) -> bool:
        period = next(self._sound, None)
        if period is None:
            if self._ended:
                return False
            self._ended = True
            if self._stream.full:
                self._append(self._stream.flush())
            return True
        self._fed += len(period)
        self._append(self._stream.push((period / 2**15).astype(np.float32)))
        return True

    def _append(self, windows: Iterable[Window]) -> None:
        """As they are read from stdout."""
        self._lines += [json.loads(line.to_json()) for line in self._report.lines(windows)]


KEYS = (
    "type",
    "t",
    "score",
    "anomaly",
    "level_dbfs",
    "health",
    "event",
    "state",
    "duration",
    "bands",
)


def _same(line: dict[str, Any], other: dict[str, Any] | None) -> bool:
    return other is not None and all(line.get(key) == other.get(key) for key in KEYS)


class Run:
    """One `edgeae run` on a FIFO, and what it says."""

    def __init__(self, model: Path, folder: Path, faults_per_hour: float) -> None:
        self._fifo = folder / "device"
        os.mkfifo(self._fifo)
        (folder / "asound.conf").write_text(configuration(self._fifo))
        chance = faults_per_hour * PERIOD / (3600 * RATE)
        command = [
            sys.executable,
            "-c",
            LISTEN,
            str(chance),
            "run",
            str(model),
            "--device",
            "hw:1",
            "--json",
        ]
        environment = {
            **os.environ,
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.told = 0.0  # seconds of sound, of the last line that was read
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def play(self, sound: Iterator[NDArray[np.int16]]) -> None:
        """Write all sound, let it be heard, and end the process.

        The oldest lines are dropped for a slow reader, so the sound waits for the reader.
        """
        fifo = os.open(self._fifo, os.O_RDWR)
        for number, period in enumerate(sound):
            while number * PERIOD / RATE > self.told + AHEAD and self.process.poll() is None:
                time.sleep(0.005)
            os.write(fifo, period.tobytes())
        while self.process.poll() is None and _unread(fifo):
            time.sleep(0.05)
        time.sleep(1.0)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        os.close(fifo)

    def look(self, soak: Soak) -> None:
        """Note the memory and the descriptors of the process."""
        place = Path("/proc", str(self.process.pid))
        rss = next(
            line for line in (place / "status").read_text().splitlines() if line.startswith("VmRSS")
        )
        soak.rss_kib.append(int(rss.split()[1]))
        soak.descriptors.append(len(list((place / "fd").iterdir())))
        ticks = (place / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        soak.cpu_s = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _unread(fifo: int) -> int:
    from array import array
    from fcntl import ioctl
    from termios import FIONREAD

    count = array("i", [0])
    ioctl(fifo, FIONREAD, count)
    return count[0]


def soak(
    model: Path,
    clips: list[NDArray[np.int16]],
    hours: float,
    faults_per_hour: float = 2.0,
    seed: int = 1,
) -> Soak:
    """Listen for so many hours of sound; every line is compared with the offline one."""
    counted, began = Soak(hours), time.monotonic()
    detector = Detector.load(model)
    offline = Offline(detector, periods(clips, hours, seed))
    patch = detector.network.patch_frames
    counted.window_patches = detector.window_frames // patch
    frames = int(hours * 3600 * RATE) // PERIOD - detector.spec.n_fft // detector.spec.hop + 1
    counted.expected = (
        frames // patch - counted.window_patches + 1 + (frames % patch > 0)
    )  # the end is a window, too
    with tempfile.TemporaryDirectory() as folder:
        run = Run(model, Path(folder), faults_per_hour)
        player = threading.Thread(target=run.play, args=(periods(clips, hours, seed),))
        player.start()
        assert run.process.stdout
        for text in run.process.stdout:
            line = json.loads(text)
            run.told = line["t"]
            _compare(line, offline, counted)
            if (
                line["type"] == "score"
                and counted.scored % SAMPLED == 0
                and run.process.poll() is None
            ):
                run.look(counted)
        player.join()
        run.process.stdout.close()
    counted.elapsed_s = time.monotonic() - began
    return counted


def _compare(line: dict[str, Any], offline: Offline, counted: Soak) -> None:
    if line["type"] == "gap":
        heard = line["t"] * RATE - line["frames"] - counted.lost_frames
        counted.gaps, counted.lost_frames = counted.gaps + 1, counted.lost_frames + line["frames"]
        counted.different += len(offline.gap(round(heard / PERIOD) * PERIOD, line["frames"]))
    elif line["type"] == "status" and line["state"] == "stopped":
        counted.different += offline.next() is not None
    elif line["type"] != "status" or line["state"] != "listening":
        counted.different += not _same(line, offline.next())
        counted.scored += line["type"] == "score"


def load(folders: list[Path]) -> list[NDArray[np.int16]]:
    """The recordings of the folders, at 16 kHz."""
    paths = [path for folder in folders for path in audio_files(folder) if path.suffix != ".npy"]
    sounds = []
    for path in paths:
        with AudioFile(path, "mix") as audio:
            blocks = resampled(audio.blocks(), audio.samplerate, RATE)
            sounds.append(np.concatenate(list(blocks)))
    return [np.clip(sound * 2**15, -(2**15), 2**15 - 1).astype(np.int16) for sound in sounds]


@click.command(help=__doc__)
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--hours", default=24.0, show_default=True)
@click.option("--faults", default=2.0, show_default=True, help="Overruns and suspends an hour.")
def main(model: Path, folders: tuple[Path, ...], hours: float, faults: float) -> None:
    counted = soak(model, load(list(folders)), hours, faults)
    click.echo(json.dumps(counted.summary(), indent=2))
    sys.exit(counted.different > 0)


if __name__ == "__main__":
    main()
