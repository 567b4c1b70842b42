"""`edgeae bench`: measure time and memory of an artifact on this computer.

Times are in microseconds of one core per second of audio.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import ArtifactError, printable
from ..features.mel import log_mel
from ..model.find import named_or_default
from ..scoring.detector import Detector
from ..scoring.selftest import load_checked, seeded_noise
from ..system.path_text import path_text
from ..system.progress import Progress, Step, no_step
from ..tables.glossary import facts_text

# The process reports its own peak memory: wait4 would include that of its parent process.
SCORE_FILE_SCRIPT = """
import sys
from pathlib import Path
from edgeae.runtime.commands.cli import run_command
code = run_command(sys.argv[1:])
sys.stderr.write(Path("/proc/self/status").read_text())
sys.exit(code)
"""


@dataclass(frozen=True)
class BenchLimits:
    """How long `edgeae bench` measures; tests pass less."""

    sound_seconds: int = 20
    repeats: int = 15  # of each measurement


DEFAULT_LIMITS = BenchLimits()
NOISE_SEED = 1
RECORDING_SECONDS = 10
STEP_WIDTH = 32  # characters
PACE_REMARK = (
    "Each time is the median of several runs on noise, with one thread. With a microphone, `edgeae",
    "run` also captures, learns and writes lines, and other programs use the caches between two",
    "windows: expect four to five times the time of all steps.",
)


def _median_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started_at = time.perf_counter()
        work()
        times.append(time.perf_counter() - started_at)
    return float(np.median(times))


def _measure_process(model: Path, n_mels: int) -> tuple[float, float]:
    """Run a process that scores one file of 10 s; return its seconds and its peak memory, MiB."""
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder, "frames.npy")
        np.save(frames, np.full((320, n_mels), -60, np.float32))
        started_at = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-c", SCORE_FILE_SCRIPT, "run", str(model), str(frames)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        elapsed = time.perf_counter() - started_at
    if process.returncode:
        messages = [line for line in process.stderr.splitlines() if line.startswith("edgeae: ")]
        reason = messages[-1] if messages else process.returncode
        raise ArtifactError(f"{model}: `edgeae run` fails: {reason}")
    peak = next(line for line in process.stderr.splitlines() if line.startswith("VmHWM:"))
    return elapsed, int(peak.split()[1]) / 1024


def measure(
    detector: Detector,
    model: Path,
    step: Step = no_step,
    *,
    limits: BenchLimits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """Median times of several runs on noise with one thread, and the memory of a process.

    model: path of the detector's artifact; step: called before each measurement.
    """
    seconds = limits.sound_seconds
    step("front end")
    noise = seeded_noise(NOISE_SEED, seconds * detector.spec.sample_rate)
    frames = log_mel(noise, detector.spec)
    patch_frames = detector.network.patch_frames
    n_patches = len(frames) // patch_frames
    shape = (n_patches, 1, patch_frames, detector.spec.n_mels)
    patches = frames[: n_patches * patch_frames].reshape(shape)
    patches_seconds = n_patches * patch_frames / detector.spec.frames_per_second
    repeats = limits.repeats
    frontend = _median_seconds(lambda: log_mel(noise, detector.spec), repeats) / seconds
    step("network")
    inference = _median_seconds(lambda: [detector.network(patch) for patch in patches], repeats)
    inference /= patches_seconds
    step("whole pipeline")
    blocks = np.array_split(noise, seconds)
    total = _median_seconds(
        lambda: list(map(detector.result, detector.windows(blocks, detector.spec.sample_rate))),
        repeats,
    )
    step("process")
    startup_seconds, rss_mib = _measure_process(model, detector.spec.n_mels)
    return {
        "frontend_us_per_s": round(frontend * 1e6, 1),
        "inference_us_per_s": round(inference * 1e6, 1),
        "total_us_per_s": round(total / seconds * 1e6, 1),
        "rtf": round(total / seconds, 6),
        "rss_mib": round(rss_mib, 1),
        "startup_s": round(startup_seconds, 3),
        "file_kib": round(model.stat().st_size / 1024, 1),
        "audio_s": seconds,
    }


def table_text(model: Path, values: Mapping[str, float]) -> str:
    """What `measure` returns as a table for a person; model: path of the artifact."""
    rows = [
        ("front end: sound to mel bands", values["frontend_us_per_s"]),
        ("network", values["inference_us_per_s"]),
        ("all steps: sound to score", values["total_us_per_s"]),
    ]
    head = f"{'step':{STEP_WIDTH}}{'ms per second of sound':>24}{'of one core':>14}"
    lines = [f"{name:{STEP_WIDTH}}{us / 1e3:>24.3f}{us / 1e6:>14.2%}" for name, us in rows]
    facts = facts_text(
        f"`edgeae run` of one recording of {RECORDING_SECONDS} s",
        [
            ("until it ended", f"{values['startup_s']:.2f} s, most of it the start"),
            ("peak memory", f"{values['rss_mib']:.0f} MiB"),
            ("size of the artifact", f"{values['file_kib']:.0f} KiB"),
        ],
        STEP_WIDTH - 2,
    )
    sentence = (
        f"{path_text(model)}: scoring takes {values['total_us_per_s'] / 1e6:.2%} of one core of "
        f"this computer."
    )
    return "\n".join([printable(sentence), "", head, *lines, "", *facts, "", *PACE_REMARK])


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def bench(limits: BenchLimits | None, /, model: Path | None, as_json: bool) -> None:
    """Measure the time and the memory of an artifact on this computer.

    Prints the time of the front end, of the network and of the whole pipeline for one second of
    sound, and the start time and peak memory of a process that scores one recording.

    \b
    Example:
      edgeae bench machine.onnx
    """
    path = named_or_default(model)
    with Progress() as progress:
        values = measure(load_checked(path), path, progress.step, limits=limits or DEFAULT_LIMITS)
    if as_json:
        click.echo(json.dumps(values))
        return
    click.echo(table_text(path, values))
