"""What the doctor says of artifacts and microphones."""

import errno
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.capture.alsa import Alsa
from edgeae.runtime.doctor import readiness
from edgeae.runtime.doctor.check import Check
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from tests.runtime.capture.fakes import TONE, USB_MICROPHONE, AlsaDevice, FaultyCards, Kernel, write


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Card 1 is a microphone, and libasound knows it."""
    made = Kernel(tmp_path)
    made.plug(1, "Device", "1-1.2", **USB_MICROPHONE)
    use(monkeypatch, FaultyCards())
    return made


def use(monkeypatch: pytest.MonkeyPatch, alsa: Alsa) -> None:
    monkeypatch.setattr("edgeae.runtime.capture.alsa.Alsa", lambda: alsa)


def devices(kernel: Kernel, named: str | None = None) -> list[Check]:
    return list(readiness.devices(named, kernel.sysfs.parent))


def test_a_calibrated_artifact_is_told_with_its_machine(trained: Any, tmp_path: Path) -> None:
    recordings = audio_files(trained.new / "train")
    calibrate_files(
        Detector.load(trained.int8), recordings, machine="pump-3", report=print
    ).artifact.write(tmp_path / "pump-3.onnx")
    found = readiness.artifact(tmp_path / "pump-3.onnx")
    assert found.state == "ok"
    assert found.sentence.startswith(
        f"{tmp_path / 'pump-3.onnx'} (named): format 3, int8, machine pump-3, self-test passed"
    )


def test_an_artifact_of_no_machine_is_a_warning(trained: Any) -> None:
    found = readiness.artifact(trained.float_)
    assert (found.state, found.advice) == ("warning", "calibrate it to a machine: edgeae calibrate")
    assert ", float, machine none, self-test passed" in found.sentence


def test_no_artifact_is_a_warning_until_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEAE_MODEL", raising=False)
    found = readiness.artifact(None)
    assert (found.state, found.sentence) == ("warning", "none is named or found")
    monkeypatch.setenv("EDGEAE_MODEL", "gone.onnx")
    assert readiness.artifact(None).state == "problem"


def test_a_damaged_artifact_is_a_problem(trained: Any, tmp_path: Path) -> None:
    content = bytearray(trained.int8.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bad.onnx").write_bytes(content)
    found = readiness.artifact(tmp_path / "bad.onnx")
    assert found.state == "problem"
    assert "bad.onnx: not a usable edgeae artifact: " in found.sentence


def test_an_artifact_that_computes_otherwise_is_a_problem(trained: Any, tmp_path: Path) -> None:
    artifact = Artifact.read(trained.int8)
    expected = artifact.sections["selftest"]
    artifact.with_sections(selftest={**expected, "score": expected["score"] + 1}).write(
        tmp_path / "bad.onnx"
    )
    found = readiness.artifact(tmp_path / "bad.onnx")
    assert (found.state, "self-test failed: the score is off by 1" in found.sentence) == (
        "problem",
        True,
    )


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (subprocess.CompletedProcess([], -signal.SIGILL, "", ""), "self-test killed by SIGILL"),
        (
            subprocess.CompletedProcess([], 2, "", "a\nedgeae: no numpy\n"),
            "self-test not done: edgeae: no numpy",
        ),
        (subprocess.CompletedProcess([], 2, "", ""), "self-test not done: no word why"),
        (subprocess.TimeoutExpired([], 120), "self-test not done in 120 s"),
    ],
)
def test_a_self_test_that_dies_does_not_take_the_page_with_it(
    trained: Any, monkeypatch: pytest.MonkeyPatch, ended: Any, verdict: str
) -> None:
    def run(*_: Any, **__: Any) -> Any:
        if isinstance(ended, Exception):
            raise ended
        return ended

    monkeypatch.setattr(subprocess, "run", run)
    found = readiness.artifact(trained.int8)
    assert (found.state, found.sentence.endswith(verdict)) == ("problem", True)


def test_a_device_tells_what_it_accepts_and_hears(kernel: Kernel, alsa_device: AlsaDevice) -> None:
    alsa_device(TONE, samplerate=48000)
    [found] = devices(kernel)
    assert (found.name, found.state) == ("devices", "ok")
    assert found.sentence.startswith("usb:0d8c:013c:AB12 (USB PnP, Audio): 48000 Hz, S16_LE ")
    assert found.sentence.endswith("peak -12.0 dBFS, RMS -15.1 dBFS")


@pytest.mark.parametrize(
    "name", ["usb:0D8C:013c", "usb-path:1-1.2", "card:Device", "hw:1", "hw:1,0"]
)
def test_the_device_that_is_named_is_found_among_all(
    kernel: Kernel, alsa_device: AlsaDevice, name: str
) -> None:
    alsa_device(TONE)
    assert [(check.name, check.state) for check in devices(kernel, name)] == [("device", "ok")]


def test_any_name_of_alsa_can_be_tried(kernel: Kernel, alsa_device: AlsaDevice) -> None:
    alsa_device(TONE)
    found = devices(kernel, "plughw:7,0")
    assert [(check.name, check.state) for check in found] == [("devices", "ok"), ("device", "ok")]
    assert found[1].sentence.startswith("plughw:7,0: ")


@pytest.mark.parametrize("name", ["usb:1234:5678", "usb:nonsense", "nonsense"])
def test_a_named_device_that_is_not_there_is_a_problem(
    kernel: Kernel, alsa_device: AlsaDevice, name: str
) -> None:
    alsa_device(TONE)
    last = devices(kernel, name)[-1]
    assert (last.name, last.state) == ("device", "problem")


@pytest.mark.parametrize(
    ("samples", "state", "advice"),
    [(bytes(32000), "warning", "unmute it"), (b"\xff\x7f\x00\x80" * 16000, "warning", "it clips")],
)
def test_a_level_that_no_machine_has_is_warned_of(
    kernel: Kernel, alsa_device: AlsaDevice, samples: bytes, state: str, advice: str
) -> None:
    alsa_device(samples)
    [found] = devices(kernel)
    assert (found.state, advice in found.advice) == (state, True)


@pytest.mark.parametrize(
    ("code", "owner", "named", "state"),
    [
        (errno.EBUSY, "edgeae", None, "ok"),
        (errno.EBUSY, "edgeae", "hw:1", "ok"),
        (errno.EBUSY, "arecord", "hw:1", "problem"),
        (errno.EACCES, "", None, "warning"),
        (errno.EACCES, "", "hw:1", "problem"),
    ],
)
def test_a_device_that_cannot_be_used_is_a_problem_if_it_is_the_one(
    kernel: Kernel,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    owner: str,
    named: str | None,
    state: str,
) -> None:
    write(kernel.procfs / "asound/card1/pcm0c/sub0/status", "state: RUNNING\nowner_pid   : 4711")
    write(kernel.procfs / "4711/comm", owner)
    use(monkeypatch, FaultyCards(snd_pcm_open=code))
    [found] = devices(kernel, named)
    assert found.state == state
    assert found.sentence.startswith("usb:0d8c:013c:AB12 (USB PnP, Audio): ")


@pytest.mark.parametrize(
    ("named", "name", "state"), [(None, "devices", "warning"), ("hw:1", "device", "problem")]
)
def test_without_libasound_a_named_device_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, name: str, state: str
) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    [found] = readiness.devices(named, tmp_path)
    assert (found.name, found.state) == (name, state)
    assert "apt-get install libasound2" in found.sentence


def test_no_device_at_all_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCards(Alsa):
        def call(self, name: str, *arguments: Any) -> int:
            return -1 if name == "snd_card_next" else super().call(name, *arguments)

    use(monkeypatch, NoCards())
    [found] = readiness.devices(None, tmp_path)
    assert (found.state, found.sentence) == ("warning", "no capture device")
