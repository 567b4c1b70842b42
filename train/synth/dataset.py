"""Clips of synthetic machines, and whole data sets of them."""

import csv
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.progress import Step, counted, no_step

from .faults import FAULTS, Fault
from .machine import Machine, random_stream
from .scene import MIN_SAMPLERATE_HZ, Samples, Scene

SEVERITY_RANGE = (0.4, 1.0)  # of the anomalies of a data set
# Of clips. Their order is fixed: the position of a kind is part of the seed of its clips.
CLIP_KINDS = ("train/normal", "test/normal", "test/anomaly")


def render(
    machine: Machine,
    rng: np.random.Generator,
    seconds: float,
    fault: Fault | None = None,
    samplerate: int = MIN_SAMPLERATE_HZ,
) -> Samples:
    """One clip of the machine with a speed, load, place and room of its own, all from ``rng``.

    Returns (round(seconds * samplerate),) samples, full scale 1. A fault draws from ``rng`` after
    everything else: with the same stream, the clips with and without it differ by its sound alone.
    Raises ConfigError for less than a tenth of a second or less than 16 kHz.
    """
    scene = Scene.draw(machine, rng, seconds, samplerate)
    return scene.record(fault.sound(machine, scene.rotation, rng) if fault else None)


def render_clip(
    machine: int, kind: str, index: int, seconds: float, seed: int
) -> tuple[Samples, Fault | None]:
    """Clip ``index`` of a data set, and its fault; depends on the arguments alone.

    kind: one of `CLIP_KINDS`. Anomalies have the faults in rotation.
    """
    rng = random_stream(seed, machine, CLIP_KINDS.index(kind), index)
    fault = None
    if kind == "test/anomaly":
        fault = Fault(list(FAULTS)[index % len(FAULTS)], rng.uniform(*SEVERITY_RANGE))
    return render(Machine.draw(machine, seed), rng, seconds, fault), fault


def write_dataset(
    folder: str | Path,
    *,
    machines: Sequence[int],
    train_clips: int,
    test_normals: int,
    test_anomalies: int,
    seconds: float = 10.0,
    seed: int = 0,
    step: Step = no_step,
) -> Path:
    """Write a data set with the file names of DCASE, as 16 kHz mono PCM_16 WAV; returns its folder.

    ``train/normal_id_00_00000000.wav``, ``test/normal_id_00_00000000.wav`` and
    ``test/anomaly_id_00_00000000.wav``, the faults in rotation; ``faults.csv`` lists the fault and
    the severity of each anomaly. The counts are per machine. A clip depends on (seed, machine,
    kind, index) and its length alone. Raises ConfigError if the folder already holds a file.
    """
    root = _empty_folder(Path(folder))
    counts = dict(zip(CLIP_KINDS, (train_clips, test_normals, test_anomalies), strict=True))
    rows: list[tuple[str, str, str]] = [("file", "fault", "severity")]
    groups = product(dict.fromkeys(machines), CLIP_KINDS)
    for machine, kind in counted(groups, "synthesis", step):
        for index in range(counts[kind]):
            rows += _write_clip(root, machine, kind, index, seconds, seed)
    with (root / "faults.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return root


def _empty_folder(root: Path) -> Path:
    """Make the folders of a data set; ConfigError if there are files already."""
    if root.exists() and (not root.is_dir() or any(path.is_file() for path in root.rglob("*"))):
        raise ConfigError(
            f"{root}: holds files already; name a new folder for the synthetic data set"
        )
    for name in ("train", "test"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root


def _write_clip(
    root: Path, machine: int, kind: str, index: int, seconds: float, seed: int
) -> list[tuple[str, str, str]]:
    """Write one clip; returns its row of ``faults.csv``, if it has a fault."""
    import soundfile

    samples, fault = render_clip(machine, kind, index, seconds, seed)
    name = f"{kind}_id_{machine:02d}_{index:08d}.wav"
    soundfile.write(root / name, samples, MIN_SAMPLERATE_HZ, subtype="PCM_16")
    if fault is None:
        return []
    return [(name, fault.kind, f"{fault.severity:.3f}")]
