"""Long recordings of a machine that gets a fault while it runs."""

from pathlib import Path

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.progress import Step, counted, no_step

from .dataset import CLIP_KINDS
from .faults import FAULTS, Fault
from .machine import Machine, random_stream
from .scene import MIN_SAMPLERATE_HZ, Scene

NORMAL_NAME = "normal"
SCENE_KEY = len(CLIP_KINDS)  # part of the seed, where a clip has the position of its kind


def write_onsets(
    folder: Path,
    machine: int,
    *,
    normal_seconds: float,
    fault_seconds: float,
    seed: int = 0,
    step: Step = no_step,
) -> dict[str, Path]:
    """Write ``normal.wav`` and a recording of each fault; returns their paths by name.

    Each is ``normal_seconds + fault_seconds`` long, and all hold the same sound of the machine. A
    fault begins after ``normal_seconds``, at its highest severity.
    Raises ConfigError if the folder exists.
    """
    import soundfile

    if folder.exists():
        raise ConfigError(f"{folder}: exists already; remove it, or name another folder")
    folder.mkdir(parents=True)
    rng = random_stream(seed, machine, SCENE_KEY)
    scene = Scene.draw(Machine.draw(machine, seed), rng, normal_seconds + fault_seconds)
    paths: dict[str, Path] = {}
    for name in counted([NORMAL_NAME, *FAULTS], "synthesis", step):
        if name == NORMAL_NAME:
            samples = scene.record()
        else:
            samples = scene.record_onset(Fault(name), normal_seconds, rng)
        paths[name] = folder / f"{name}.wav"
        soundfile.write(paths[name], samples, MIN_SAMPLERATE_HZ, subtype="PCM_16")
    return paths
