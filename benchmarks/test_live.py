"""CPU time and memory of `edgeae run --device`, with ALSA's file plugin in place of a sound card.

Windows, events and health are computed, and every line is written to stdout and to --log. The
caches of a processor that sleeps between two blocks are cold, so sound at its own pace costs more
than the same sound as fast as possible.
"""

from pathlib import Path

import numpy as np
import soundfile
from figures import Models, Record
from listening import RATE, Listening, listen

WARM = 15  # seconds of sound, until the first windows are full
CPU_TARGET, CPU_UNIT = 1.5, "ms per second of audio"
PEAK_TARGET = 80  # MiB


def _listen(models: Models, folder: Path, seconds: int, *, paced: bool) -> Listening:
    paths = sorted((models["data"] / "test").glob("*_id_00_*"))
    sound = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in paths])
    return listen(models["machine"], np.resize(sound, seconds * RATE), folder, paced=paced)


def test_sound_as_it_comes(record: Record, models: Models, tmp_path: Path) -> None:
    listening = _listen(models, tmp_path, 45, paced=True)
    record(
        "listening, sound as it comes", listening.cpu_ms_per_s(WARM), CPU_UNIT, target=CPU_TARGET
    )
    assert record("listening, peak memory", listening.peak_mib, "MiB", target=PEAK_TARGET).met


def test_sound_as_fast_as_it_goes(record: Record, models: Models, tmp_path: Path) -> None:
    listening = _listen(models, tmp_path, 900, paced=False)
    record(
        "listening, sound as fast as it goes",
        listening.cpu_ms_per_s(WARM),
        CPU_UNIT,
        target=CPU_TARGET,
    )
