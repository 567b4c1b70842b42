"""Devices that play what a test gives them (`alsa_files.py`)."""

import ctypes
import errno
import os
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from alsa_files import ALSA_CONF, configuration
from numpy.typing import NDArray

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.scoring.window_features import n_mels_of
from edgeae.runtime.system.arrays import Float32
from tests.runtime.capture.fakes import AlsaDevice, AlsaMicrophone, AlsaPlan


def read_samples(path: Path, samplerate: int, channel: Channel = 0) -> Float32:
    """A whole recording (n,) at ``samplerate`` Hz, full scale 1."""
    with AudioFile(path, channel) as audio:
        return np.concatenate(list(resampled(audio.blocks(), audio.samplerate, samplerate)))


def plain_fleet(
    size: int, deviation: float, gain: NDArray[np.float64] | None = None, mean: float = 0.0
) -> Fleet:
    """Independent features (size,) of equal deviation; gain: (n, size), by default none."""
    rows = np.empty((0, size)) if gain is None else gain
    return Fleet(
        mean=np.full(size, mean),
        within_std=np.full(size, deviation),
        gain_directions=rows,
        noise_directions=np.empty((0, size)),
        within_correlation=(np.eye(size // 2), np.eye(size // 2)),
        windows=100,
        views=views_of(n_mels_of(size)),
    )


@pytest.fixture
def alsa_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let ALSA's `hw` devices read the file or FIFO `path`; if given, only at `samplerate` Hz."""
    try:
        ctypes.CDLL("libasound.so.2")
    except OSError:
        pytest.fail("these tests need libasound2: run scripts/install-system-packages")
    if not ALSA_CONF.exists():
        pytest.fail(
            f"these tests need {ALSA_CONF} of libasound2-data: run scripts/install-system-packages"
        )

    def install(path: Path, samplerate: int | None = None) -> None:
        (tmp_path / "asound.conf").write_text(configuration(path, samplerate))
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))

    return install


@pytest.fixture
def alsa_device(tmp_path: Path, alsa_environment: Callable[..., None]) -> AlsaDevice:
    """`alsa_device(samples, samplerate=None)`: `hw:1` delivers these samples.

    It does so here and in subprocesses. `samples` are bytes as a device gives them, or an integer
    or float32 array, `(frames,)` or `(frames, channels)`: int16 for S16_LE, which is what Capture
    asks for first.
    """

    def install(samples: bytes | NDArray[np.generic], samplerate: int | None = None) -> Path:
        path = tmp_path / "device.raw"
        path.write_bytes(samples if isinstance(samples, bytes) else samples.tobytes())
        alsa_environment(path, samplerate)
        return path

    return install


@pytest.fixture
def alsa_microphone(
    tmp_path: Path, alsa_environment: Callable[..., None]
) -> Iterator[AlsaMicrophone]:
    """`alsa_microphone(samples, period=512, seconds=0.032)`: a device that paces and stalls.

    Each `period` frames of S16_LE appear `seconds` after those before. After the last, the device
    stays open and silent, as a microphone that hangs. Returns an event that is set then.
    """
    ended = threading.Event()
    threads: list[tuple[threading.Thread, int]] = []

    def install(
        samples: NDArray[np.int16], period: int = 512, seconds: float = 0.032
    ) -> threading.Event:
        path = tmp_path / "microphone"
        os.mkfifo(path)
        fifo = os.open(path, os.O_RDWR)  # neither end waits for the other
        hanging = threading.Event()

        def play() -> None:
            for start in range(0, len(samples), period):
                # One period a write: libasound takes a short read for a whole one.
                os.write(fifo, samples[start : start + period].tobytes())
                if ended.wait(seconds):
                    return
            hanging.set()

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        threads.append((thread, fifo))
        alsa_environment(path)
        return hanging

    yield install
    ended.set()
    for thread, fifo in threads:
        while thread.is_alive():  # it may wait for room in a pipe that nobody reads any more
            if select.select([fifo], [], [], 0.05)[0]:
                os.read(fifo, 1 << 16)
        os.close(fifo)


class PlannedAlsa(Alsa):
    """libasound whose devices fail after so many reads, a number for each opening; -1: missing."""

    plan: list[float]
    code: int  # of the failure

    def __init__(self) -> None:
        super().__init__()
        self._left = 0.0

    def call(self, name: str, *arguments: object) -> int:
        if name == "snd_pcm_open":
            self._left = self.plan.pop(0) if self.plan else float("inf")
            if self._left < 0:
                raise AlsaError(errno.ENODEV, "No such device")
        if name == "snd_pcm_readi":
            self._left -= 1
            if self._left < 0:
                self._left = float("inf")
                raise AlsaError(self.code, "injected")
        return super().call(name, *arguments)


@pytest.fixture
def alsa_plan(monkeypatch: pytest.MonkeyPatch) -> AlsaPlan:
    """``alsa_plan(*reads, code=errno.ENODEV)``: later captures fail as in `PlannedAlsa`."""

    def install(*reads: float, code: int = errno.ENODEV) -> None:
        library = type("Library", (PlannedAlsa,), {"plan": list(reads), "code": code})
        monkeypatch.setattr("edgeae.runtime.capture.capture.Alsa", library)

    return install


@pytest.fixture(scope="session")
def machine(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 artifact, calibrated on the new machine; one window in five is a false alarm."""
    path = tmp_path_factory.mktemp("machine") / "machine.onnx"
    clips = audio_files(trained.new / "train")
    detector = Detector.load(trained.int8)
    calibrate_files(
        detector, clips, machine="id_03", false_alarms="20%", report=print
    ).artifact.write(path)
    return path


@pytest.fixture(scope="session")
def sound(trained: Any) -> NDArray[np.int16]:
    """16 s of the new machine: four of its normal recordings in a row."""
    clips = audio_files(trained.new / "train")[:4]
    return np.concatenate([soundfile.read(clip, dtype="int16")[0] for clip in clips])


@pytest.fixture(scope="session")
def calibrated(machine: Path) -> Detector:
    """A calibrated detector with charts."""
    return Detector.load(machine)
