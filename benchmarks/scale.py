"""Time and memory of each recording where there are many. Run by hand; takes minutes.

python benchmarks/scale.py MODEL CLIPS [--files 100,1000,10000] [--hours 1,5,20] [--jobs 1,2]
    [--work FOLDER]

CLIPS: a folder of test recordings (normal_*, anomaly_*), whose first two seconds are linked as
often as needed. MODEL scores them by `edgeae run` and `edgeae evaluate`; then features of so many
hours are computed and trained on for one epoch, twice with one cache. Memory is the highest sum
over all processes of their own and shared pages (PSS), read every tenth of a second.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import click
import numpy as np
import soundfile

from edgeae.runtime.audio.recordings import audio_files

RATE = 16000
CLIP = 10  # seconds, of a training recording
MAIN = [sys.executable, "-c", "from edgeae.runtime.commands.cli import main; main()"]


@dataclass
class Cost:
    """Of one command and its processes."""

    seconds: float
    cpu: float
    mebibytes: float


def measured(*arguments: object) -> Cost:
    """What `edgeae` with these arguments costs."""
    before, began = os.times(), time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*MAIN, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=said
        )
        with process, watched(process.pid) as peak:
            code = process.wait()
        if code not in (0, 1):
            said.seek(0)
            raise click.ClickException(f"{arguments}: exit {code}\n{said.read().decode()}")
    after = os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Cost(time.monotonic() - began, cpu, max(peak) / 1024)


@contextmanager
def watched(process: int) -> Iterator[list[int]]:
    """KiB of a process and its children, a list that grows."""
    found, done = [0], Event()

    def look() -> None:
        while not done.wait(0.1):
            found.append(sum(map(pss, family(process))))

    thread = Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def family(process: int) -> list[int]:
    with suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [process, *(one for child in children for one in family(int(child)))]
    return []


def pss(process: int) -> int:
    """KiB."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def linked(clips: Path, count: int, folder: Path) -> Path:
    """A data set of ``count`` test recordings of two seconds."""
    short, test = folder / "short", folder / f"files{count}" / "test"
    short.mkdir(exist_ok=True)
    test.mkdir(parents=True)
    paths = audio_files(clips)
    for path in paths:
        if not (short / path.name).exists():
            samples, rate = soundfile.read(path, dtype="int16", frames=2 * RATE)
            soundfile.write(short / path.name, samples, rate)
    for i in range(count):
        path = paths[i % len(paths)]
        os.link(short / path.name, test / f"{path.name.split('_')[0]}_id_00_{i:08d}.wav")
    return test.parent


def recorded(hours: float, folder: Path) -> Path:
    """A data set of so many hours of training recordings, each with other samples."""
    train, rng = folder / f"hours{hours:g}" / "train", np.random.default_rng(0)
    train.mkdir(parents=True)
    sound = np.cumsum(rng.standard_normal((60 + CLIP) * RATE))
    sound = 3000 * (sound - np.convolve(sound, np.ones(99) / 99, "same")) / 30
    for i in range(round(hours * 3600 / CLIP)):
        start = int(rng.integers(60 * RATE))
        samples = sound[start : start + CLIP * RATE] * rng.uniform(0.5, 2)
        soundfile.write(
            train / f"normal_id_{i % 4:02d}_{i:08d}.wav",
            samples.clip(-32768, 32767).astype("<i2"),
            RATE,
        )
    return train.parent


def many_files(
    model: Path, clips: Path, counts: Sequence[int], jobs: Sequence[int], folder: Path
) -> None:
    print(
        f"{'command':<10}{'files':>8}{'jobs':>6}{'s':>9}{'files/s':>9}"
        f"{'us a file':>11}{'us of CPU':>11}{'MiB':>7}"
    )
    for count in counts:
        data = linked(clips, count, folder)
        for command in ("run", "evaluate"):
            options = (
                ["--json", data / "test"]
                if command == "run"
                else [data, "-o", folder / "evaluation"]
            )
            for number in jobs:
                cost = measured(command, model, *options, "--jobs", number)
                rate, each, cpu = (
                    count / cost.seconds,
                    cost.seconds / count * 1e6,
                    cost.cpu / count * 1e6,
                )
                print(
                    f"{command:<10}{count:>8}{number:>6}{cost.seconds:>9.2f}{rate:>9.0f}{each:>11.0f}{cpu:>11.0f}"
                    f"{cost.mebibytes:>7.0f}",
                    flush=True,
                )


def many_hours(hours: Sequence[float], folder: Path) -> None:
    print(
        f"\n{'training':<24}{'hours':>6}{'s':>9}{'s of CPU':>10}{'h/min':>8}"
        f"{'MiB':>7}{'GB of features':>16}"
    )
    for count in hours:
        data, cache = recorded(count, folder), folder / "cache"
        for name in ("features and an epoch", "again, from the cache"):
            shutil.rmtree(folder / "run", ignore_errors=True)
            options = [
                "--set",
                "training.epochs=1",
                "--set",
                f"data.cache={cache}",
                "-o",
                folder / "run",
            ]
            cost = measured("train", data, *options)
            size = sum(path.stat().st_size for path in cache.iterdir()) / 1e9
            rate = 60 * count / cost.seconds
            print(
                f"{name:<24}{count:>6g}{cost.seconds:>9.1f}{cost.cpu:>10.1f}{rate:>8.2f}{cost.mebibytes:>7.0f}{size:>16.3f}",
                flush=True,
            )
        shutil.rmtree(cache)
        shutil.rmtree(data)


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",") if number]


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("clips", type=click.Path(path_type=Path, exists=True))
@click.option("--files", default="100,1000,10000", show_default=True)
@click.option("--hours", default="1,5,20", show_default=True)
@click.option("--jobs", default="1,2", show_default=True)
@click.option(
    "--work",
    type=click.Path(path_type=Path, exists=True),
    help="Of the recordings: 0.2 GB an hour.",
)
def main(model: Path, clips: Path, files: str, hours: str, jobs: str, work: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        many_files(
            model,
            clips,
            list(map(int, numbers(files))),
            list(map(int, numbers(jobs))),
            Path(folder),
        )
        many_hours(numbers(hours), Path(folder))


if __name__ == "__main__":
    main()
