"""A live run is killed again and again: its files stay readable, and the next start needs no help.

EDGEAE_KILLS sets how often (default 8; `make fuzz` has 200).
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from spooled import spooled

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector

KILLS = int(os.environ.get("EDGEAE_KILLS", "8"))
RATE, PERIOD = 16000, 512
PLAYBACK_SPEED = 50  # times real time
MAX_WAIT_SECONDS = 60

# `edgeae run` that writes its state, its numbers and full logs as often as it can.
BUSY = """
from edgeae.runtime.commands.cli import main
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.monitoring.drift import DriftLimits
from edgeae.runtime.outputs.declaration import OutputLimits
main(
    RunLimits(
        drift=DriftLimits(status_seconds=3.0),
        outputs=OutputLimits(metrics_file_seconds=0.02),
    )
)
"""

Line = dict[str, Any]


@pytest.fixture(scope="module")
def sound(trained: Any) -> NDArray[np.int16]:
    """A healthy machine that is broken for a third of the time."""
    clips = audio_files(trained.new / "train")
    normal = np.concatenate([soundfile.read(clip, dtype="int16")[0] for clip in clips]).astype(
        float
    )
    tone = 8000 * np.sin(2 * np.pi * 3000 * np.arange(len(normal)) / RATE)
    played = np.concatenate([normal, normal + tone, normal])
    return np.asarray(np.clip(played, -32768, 32767).astype(np.int16))


@pytest.fixture
def device(
    tmp_path: Path, alsa_environment: Callable[..., None], sound: NDArray[np.int16]
) -> Iterator[None]:
    """`hw:1` repeats the sound, for each process that opens it."""
    path = tmp_path / "device"
    ended = threading.Event()
    os.mkfifo(path)
    fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def play() -> None:
        while True:
            for start in range(0, len(sound) - PERIOD + 1, PERIOD):
                while not select.select([], [fifo], [], 0.05)[1]:
                    if ended.is_set():
                        return
                os.write(fifo, sound[start : start + PERIOD].tobytes())
                if ended.wait(PERIOD / RATE / PLAYBACK_SPEED):
                    return

    thread = threading.Thread(target=play)
    thread.start()
    alsa_environment(path)
    yield
    ended.set()
    thread.join()
    os.close(fifo)


@dataclass
class Found:
    """What was on the disk after the kills so far."""

    kills: int = 0
    before_the_first_line: int = 0
    lines: int = 0
    torn: int = 0  # last lines, one a kill at most
    events: int = 0
    clips: int = 0
    clips_alone: int = 0  # without their JSON: killed between the two
    spooled: int = 0
    unfinished: int = 0  # temporary files, the most at once
    seconds: float = 0.0


class Files:
    """All that the process writes, in one folder."""

    def __init__(self, artifact: Artifact, folder: Path) -> None:
        self.folder = folder
        self.machine = folder / "machine.onnx"
        self._content = artifact.to_bytes()
        artifact.write(self.machine)
        self.log = folder / "log.jsonl"
        self.track = folder / "track.json"
        self.numbers = folder / "numbers.prom"
        self.clips = folder / "clips"
        self.spool = folder / "spool"

    def start(self) -> "subprocess.Popen[str]":
        options: dict[str, object] = {
            "--device": "hw:1",
            "--log": self.log,
            "--log-megabytes": 0.02,
            "--log-files": 10_000,
            "--track": self.track,
            "--clips": self.clips,
            "--metrics-file": self.numbers,
            "--webhook": "http://127.0.0.1:9",
            "--webhook-spool": self.spool,
            "--webhook-limit": 1_000_000,
        }
        command = [sys.executable, "-c", BUSY, "run", str(self.machine), "--json"]
        command += [str(word) for option in options.items() for word in option]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def check(self, found: Found) -> None:
        """All of it can be read, and no line that was written is missing."""
        assert Artifact.read(self.machine).to_bytes() == self._content
        if self.track.exists():
            assert json.loads(self.track.read_bytes())["machine"] == "id_03"
        if self.numbers.exists():
            assert self.numbers.read_bytes().endswith(b"\n")
        logged, torn = self.logged()
        waiting = self.spooled()
        for lines in logged:
            assert [line["seq"] for line in lines] == list(range(len(lines)))
        check_the_same(logged, waiting)
        clips, alone = self.recorded()
        found.lines = sum(map(len, logged))
        found.torn += torn
        found.spooled = sum(map(len, waiting))
        found.events = sum(line["type"] == "event" for lines in logged for line in lines)
        found.clips, found.clips_alone = clips, alone
        found.unfinished = max(found.unfinished, len(self.unfinished()))

    def logged(self) -> tuple[list[list[Line]], bool]:
        """The lines of each process, and whether the last of all is torn; no other may be."""
        numbered = sorted(self.folder.glob("log.jsonl.*"), key=lambda path: -int(path.suffix[1:]))
        texts = [path.read_bytes() for path in [*numbered, self.log] if path.exists()]
        assert all(text.endswith(b"\n") for text in texts[:-1])
        *lines, last = b"".join(texts).split(b"\n")
        return processes(map(json.loads, lines)), bool(last)

    def spooled(self) -> list[list[Line]]:
        """The lines of each process that wait for the web server."""
        rows = spooled(self.spool)
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        return processes(json.loads(line) for _, line in rows)

    def recorded(self) -> tuple[int, int]:
        """How many clips there are, and those without their JSON."""
        sounds = list(self.clips.glob("*.flac"))
        for path in sounds:
            assert len(soundfile.read(path)[0]) > RATE
        told = list(self.clips.glob("*.json"))
        for path in told:
            assert json.loads(path.read_bytes())["event"]["clip"] == str(path.with_suffix(".flac"))
        assert {path.stem for path in told} <= {path.stem for path in sounds}
        return len(sounds), len(sounds) - len(told)

    def unfinished(self) -> list[Path]:
        """Temporary files of all outputs."""
        return [path for path in self.folder.rglob(".*") if path.suffix != ".lock"]


def processes(lines: Iterable[Line]) -> list[list[Line]]:
    """Lines by the process that wrote them: each counts from 0."""
    found: list[list[Line]] = []
    for line in lines:
        if line["seq"] == 0:
            found.append([])
        found[-1].append(line)
    return found


def check_the_same(logged: list[list[Line]], spooled: list[list[Line]]) -> None:
    """One output may have been further than the other when both were killed, and no more."""
    posted = {lines[0]["time"]: lines for lines in spooled}
    for lines in logged:
        wanted = [line for line in lines if line["type"] != "score"]
        got = posted.get(lines[0]["time"], [])
        assert all(one == other for one, other in zip(wanted, got, strict=False))


def kill_at_random(files: Files, rng: random.Random, start_up: float) -> bool:
    """Start a process and kill it, while it starts or after its first line.

    Returns whether it wrote a line.
    """
    process = files.start()
    assert process.stdout and process.stderr
    with process, process.stderr:
        early = rng.random() < 0.3
        if early:
            time.sleep(rng.uniform(0.0, 1.2 * start_up))
        else:
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 1.5))
        assert process.poll() is None, process.stderr.read()
        process.kill()
        process.wait(MAX_WAIT_SECONDS)
        return not early or bool(process.stdout.readline())


def end_in_peace(files: Files) -> float:
    """Start and end a process as a service manager does; returns the seconds to its first line."""
    began = time.monotonic()
    process = files.start()
    assert process.stdout
    process.stdout.readline()
    start_up = time.monotonic() - began
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=MAX_WAIT_SECONDS)
    assert (process.returncode, json.loads(out.splitlines()[-1])["state"]) == (0, "stopped")
    assert not err.replace(
        "edgeae: webhook: http://127.0.0.1:9: Connection refused; lines wait\n", ""
    )
    return start_up


@pytest.mark.usefixtures("device")
def test_a_listener_that_is_killed_at_random_leaves_files_that_the_next_one_takes(
    trained: Any, tmp_path: Path
) -> None:
    clips = audio_files(trained.new / "train")
    artifact = calibrate_files(
        Detector.load(trained.int8), clips, machine="id_03", report=print
    ).artifact
    # The machine is broken for less time than an alarm of the usual rule takes.
    rule = {**artifact.sections["threshold"], "alarm_windows": 3, "of_windows": 5}
    artifact = artifact.with_sections(threshold=rule)
    (tmp_path / "files").mkdir()
    files = Files(artifact, tmp_path / "files")
    found = Found()
    rng = random.Random(1)
    began = time.monotonic()
    start_up = end_in_peace(files)
    for _ in range(KILLS):
        found.before_the_first_line += not kill_at_random(files, rng, start_up)
        found.kills += 1
        files.check(found)
    for path in files.unfinished():
        os.utime(path, (0, 0))
    end_in_peace(files)
    files.check(found)
    found.seconds = round(time.monotonic() - began, 1)
    print(found)
    assert not files.unfinished()
    assert not list(files.folder.rglob("*.damaged"))
    assert found.lines > found.kills
    assert found.spooled > found.kills
    assert found.clips > 0
    assert found.unfinished <= max(3, KILLS // 10)
