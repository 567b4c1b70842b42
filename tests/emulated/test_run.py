"""`edgeae run` on a Raspberry Pi gives the lines of this computer: file, pipe and device."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import SCORE_TOLERANCE
from edgeae.train.synth.dataset import write_dataset
from tests.emulated.conftest import Line, Processor, emulated
from tests.runtime import conftest as alsa

RATE = 16000
ROUNDED = 1 + 1e-9  # times the last digit that is told
# By how much numbers of the same name may differ; all others are the same. Log-mel differs in its
# last digits (by 8e-6 dB here). Where that rounds a level to the next of the network's 256 steps,
# the score of each window that holds it changes, by 8e-4 at most. The limit is the self-test's.
MOST = {"score": SCORE_TOLERANCE, "peak": SCORE_TOLERANCE, "level_dbfs": 0.01 * ROUNDED}
WHEN = {"time", "age", "clip"}  # the clock's, and a file's name that is made of it

alsa_environment, alsa_device, alsa_microphone = (
    alsa.alsa_environment,
    alsa.alsa_device,
    alsa.alsa_microphone,
)
pytestmark = emulated


@pytest.fixture(scope="module")
def a72(processor: Callable[[str], Processor]) -> Processor:
    """Raspberry Pi 4."""
    return processor("cortex-a72")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of 26 s of a healthy machine."""
    root = tmp_path_factory.mktemp("machine")
    data = write_dataset(
        root,
        machines=[3],
        train_clips=2,
        test_normals=1,
        test_anomalies=1,
        seconds=26.0,
        seed=1,
    )
    return sorted((data / "train").glob("*.wav"))


@pytest.fixture(scope="module")
def machine(host: Processor, trained: Any, recordings: list[Path]) -> Path:
    """The int8 artifact calibrated on the first of them."""
    return host.calibrated(trained.int8, recordings[:1])


@pytest.fixture(scope="module")
def quick(machine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an alarm rule of 6 of 8 windows: sound for 40 of 45 takes minutes here."""
    detector = Detector.load(machine)
    rule = replace(detector.threshold, alarm_windows=6, of_windows=8)
    path = tmp_path_factory.mktemp("quick") / "machine.onnx"
    path.write_bytes(detector.with_sections(threshold=rule).artifact.to_bytes())
    return path


@pytest.fixture(scope="module")
def healthy(recordings: list[Path]) -> NDArray[np.int16]:
    """The other."""
    samples: NDArray[np.int16] = soundfile.read(recordings[1], dtype="int16")[0]
    return samples


@pytest.fixture(scope="module")
def sound(healthy: NDArray[np.int16]) -> NDArray[np.int16]:
    """A tone from 6 to 12 s, a burst, or an alarm of ``quick``; zeros from 22.5 to 24.5 s."""
    tone = 9000 * np.sin(2 * np.pi * 3000 * np.arange(6 * RATE) / RATE)
    heard = healthy.astype(float)
    heard[6 * RATE : 12 * RATE] += tone
    heard[int(22.5 * RATE) : int(24.5 * RATE)] = 0
    return heard.clip(-(2**15), 2**15 - 1).astype(np.int16)


@pytest.fixture(scope="module")
def pcm(sound: NDArray[np.int16], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pcm") / "sound.raw"
    path.write_bytes(sound.tobytes())
    return path


def differences(found: Any, expected: Any, name: str = "") -> Iterator[str]:
    """Where two lines, or values of lines, are not the same within what is allowed."""
    if isinstance(expected, dict):
        if list(found) != list(expected):
            yield f"{name}: {list(found)} for {list(expected)}"
            return
        near = (
            "score" in expected
            and abs(expected["score"] - expected["threshold"]) <= SCORE_TOLERANCE
        )
        for key in expected.keys() - WHEN - ({"anomaly"} if near else set()):
            yield from differences(found[key], expected[key], key)
    elif isinstance(expected, list) and len(found) == len(expected):
        for one, other in zip(found, expected, strict=True):
            yield from differences(one, other, name)
    elif name in MOST and None not in (found, expected):
        if abs(found - expected) > MOST[name]:
            yield f"{name}: {found} for {expected}"
    elif found != expected:
        yield f"{name}: {found} for {expected}"


def told(lines: Iterable[Line]) -> list[str]:
    """What kind of lines, without the scores."""
    return [
        line.get("event") or line["state"] for line in lines if line["type"] in ("event", "status")
    ]


def logged(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_recording_gives_the_same_lines(
    pi: Processor, host: Processor, machine: Path, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, sound, RATE, "PCM_16")
    expected = host.lines(machine, path)
    assert told(expected) == ["burst", "silence"]
    assert list(differences(pi.lines(machine, path), expected)) == []


def test_a_pipe_gives_the_same_lines_log_and_clips(
    a72: Processor, host: Processor, quick: Path, pcm: Path, sound: NDArray[np.int16]
) -> None:
    def heard(processor: Processor) -> tuple[list[Line], NDArray[np.int16]]:
        log, clips = processor.folder / "run.jsonl", processor.folder / "clips"
        lines = processor.lines(quick, "-", "--log", log, "--clips", clips, pcm=pcm)
        assert logged(log) == lines
        [clip] = {line["clip"] for line in lines if line["type"] == "event"}
        samples, rate = soundfile.read(clip, dtype="int16")
        assert rate == RATE
        return lines, samples

    (found, clip), (expected, reference) = heard(a72), heard(host)
    assert told(expected) == ["listening", "start", "end", "silence", "stopped"]
    assert list(differences(found, expected)) == []
    np.testing.assert_array_equal(clip, reference)
    assert len(clip) > 20 * RATE
    assert sound.tobytes().find(clip.tobytes()) >= 0


def test_two_channels_of_a_device_give_the_same_lines(
    a72: Processor,
    host: Processor,
    quick: Path,
    sound: NDArray[np.int16],
    healthy: NDArray[np.int16],
    alsa_device: Callable[..., Path],
) -> None:
    alsa_device(np.stack([sound, healthy], axis=1))
    options = [quick, "--device", "hw:1", "--channels", "0,1", "--duration", "14.5"]
    found, expected = a72.lines(*options), host.lines(*options)
    assert [line["seq"] for line in found] == list(range(len(expected)))
    for channel, states in enumerate([["listening", "start", "stopped"], ["listening", "stopped"]]):
        one, other = (
            [line for line in lines if line["source"] == f"hw:1 channel {channel}"]
            for lines in (found, expected)
        )
        assert told(other) == states
        for line in [*one, *other]:
            del line["seq"]  # the two sources take turns as the sound comes
        assert list(differences(one, other)) == []


def test_sigterm_ends_it_with_a_stopped_line(
    a72: Processor, machine: Path, healthy: NDArray[np.int16], alsa_microphone: Callable[..., Any]
) -> None:
    hanging = alsa_microphone(healthy[: 8 * RATE], seconds=0.001)
    command = a72.command("run", machine, "--device", "hw:1", "--json")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first = [process.stdout.readline(), process.stdout.readline()]
        assert hanging.wait(120)
        process.send_signal(signal.SIGTERM)
        rest, err = process.communicate(timeout=120)
    lines = list(map(json.loads, [*first, *rest.splitlines()]))
    assert (process.returncode, err) == (0, "")
    assert told(lines) == ["listening", "stopped"]
    assert lines[-1]["windows"] == len(lines) - 2 > 0


@pytest.mark.parametrize("command", ["devices", "doctor"])
def test_it_looks_at_the_computer(a72: Processor, command: str) -> None:
    done = a72.run(command)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert {"devices": "capture device", "doctor": "Cortex-A72"}[
        command
    ] in done.stdout + done.stderr
