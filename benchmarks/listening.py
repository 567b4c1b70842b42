"""`edgeae run --device` on sound that a FIFO plays, and what its process costs meanwhile."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from alsa_files import configuration
from numpy.typing import NDArray

from edgeae.runtime.capture.microphone import MicrophoneLimits

RATE = 16000
PERIOD = 512
# Periods after which a sound card wakes its reader, as edgeae asks it to; a FIFO cannot be asked.
BURST = int(MicrophoneLimits().capture.wake_seconds * RATE) // PERIOD
LAST = 2.0  # seconds of sound that are not waited for
EDGEAE = [sys.executable, "-c", "from edgeae.runtime.commands.cli import main; main()"]


@dataclass
class Listening:
    """Measurements of the listening process, one at each of its scores."""

    seconds: list[float] = field(default_factory=list)  # of sound
    cpu: list[float] = field(default_factory=list)  # seconds of the processor, of all threads
    peak_mib: float = 0.0
    n_gaps: int = 0  # sound that was lost

    def look(self, seconds: float, pid: int) -> None:
        """Measure the process, which has just printed a score."""
        self.seconds.append(seconds)
        self.cpu.append(
            time.clock_gettime(~pid << 3 | 2)
        )  # of the clock that clock_getcpuclockid(3) names
        status = Path("/proc", str(pid), "status").read_text().splitlines()
        self.peak_mib = (
            int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
        )

    def cpu_ms_per_s(self, warm: float) -> float:
        """Of sound, after the first ``warm`` seconds of it."""
        first = next(k for k, seconds in enumerate(self.seconds) if seconds >= warm)
        return 1e3 * (self.cpu[-1] - self.cpu[first]) / (self.seconds[-1] - self.seconds[first])


def listen(
    model: Path,
    sound: NDArray[np.int16],
    folder: Path,
    *,
    paced: bool,
    n_devices: int = 1,
    options: Sequence[str] = (),
    look: Callable[[], None] | None = None,
) -> Listening:
    """Score ``sound`` (n,) with all lines logged.

    paced: at the pace of a microphone, not as fast as possible.
    n_devices: that play it at the same time, on one core; the bursts of one fall between those of
        the others, as those of devices that were not started together.
    options: more of them, for `edgeae run`.
    look: called at each score.
    """
    cards = range(1, n_devices + 1)
    fifos = [folder / f"device{card}" for card in cards]
    for fifo in fifos:
        os.mkfifo(fifo)
    (folder / "asound.conf").write_text(configuration(folder / "device", by_card=True))
    devices = [option for card in cards for option in ("--device", f"hw:{card}")]
    command = [
        *(EDGEAE if n_devices == 1 else ["taskset", "--cpu-list", "0", *EDGEAE]),
        "run",
        str(model),
        *devices,
        "--json",
        "--log",
        str(folder / "log.jsonl"),
        *options,
    ]
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(folder / "asound.conf")}
    # Neither end of a FIFO waits for the other; closed too early, it plays zeros without end.
    ends = [os.open(fifo, os.O_RDWR) for fifo in fifos]
    players = [
        threading.Thread(target=_play, args=(end, sound, paced, k / n_devices))
        for k, end in enumerate(ends)
    ]
    for player in players:
        player.start()
    listening = Listening()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in map(json.loads, process.stdout):
            listening.n_gaps += line["type"] == "gap"
            if line["type"] == "score":
                listening.look(line["t"], process.pid)
                if look:
                    look()
            if line["t"] > len(sound) / RATE - LAST:
                break
        process.terminate()
    for player in players:
        player.join()
    for end in ends:
        os.close(end)
    return listening


def _play(device: int, sound: NDArray[np.int16], paced: bool, delay: float) -> None:
    began = time.monotonic() + delay
    step = BURST * PERIOD
    for start in range(0, len(sound) - step + 1, step):
        if paced:
            time.sleep(max(0.0, began + start / RATE - time.monotonic()))
        os.write(device, sound[start : start + step].tobytes())
