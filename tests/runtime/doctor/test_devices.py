"""The checks of the capture devices."""

import errno
from pathlib import Path

import pytest

from edgeae.runtime.capture.alsa import Alsa
from edgeae.runtime.doctor.check import Check
from edgeae.runtime.doctor.devices import check_devices
from tests.runtime.capture.fakes import (
    TONE,
    USB_MICROPHONE,
    AlsaDevice,
    FaultyCards,
    Kernel,
    write,
)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Card 1 is a microphone."""
    made = Kernel(tmp_path)
    made.plug(1, "Device", "1-1.2", **USB_MICROPHONE)
    return made


def devices(kernel: Kernel, named: str | None = None, alsa: Alsa | None = None) -> list[Check]:
    """The checks of a computer whose libasound lists the microphone."""
    return list(check_devices(named, kernel.sysfs.parent, alsa or FaultyCards()))


def test_a_device_tells_what_it_accepts_and_hears(kernel: Kernel, alsa_device: AlsaDevice) -> None:
    alsa_device(TONE, samplerate=48000)
    [check] = devices(kernel)
    assert (check.name, check.state) == ("devices", "ok")
    assert check.sentence.startswith("usb:0d8c:013c:AB12 (USB PnP, Audio): 48000 Hz, S16_LE ")
    assert check.sentence.endswith("peak -12.0 dBFS, RMS -15.1 dBFS")


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
    checks = devices(kernel, "plughw:7,0")
    assert [(check.name, check.state) for check in checks] == [("devices", "ok"), ("device", "ok")]
    assert checks[1].sentence.startswith("plughw:7,0: ")


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
    [check] = devices(kernel)
    assert (check.state, advice in check.advice) == (state, True)


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
    code: int,
    owner: str,
    named: str | None,
    state: str,
) -> None:
    write(kernel.procfs / "asound/card1/pcm0c/sub0/status", "state: RUNNING\nowner_pid   : 4711")
    write(kernel.procfs / "4711/comm", owner)
    [check] = devices(kernel, named, FaultyCards(snd_pcm_open=code))
    assert check.state == state
    assert check.sentence.startswith("usb:0d8c:013c:AB12 (USB PnP, Audio): ")


@pytest.mark.parametrize(
    ("named", "name", "state"), [(None, "devices", "warning"), ("hw:1", "device", "problem")]
)
def test_without_libasound_a_named_device_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, name: str, state: str
) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    [check] = check_devices(named, tmp_path)
    assert (check.name, check.state) == (name, state)
    assert "apt-get install libasound2" in check.sentence


def test_no_device_at_all_is_a_warning(tmp_path: Path) -> None:
    class NoCards(Alsa):
        def call(self, name: str, *arguments: object) -> int:
            return -1 if name == "snd_card_next" else super().call(name, *arguments)

    [check] = check_devices(None, tmp_path, NoCards())
    assert (check.state, check.sentence) == ("warning", "no capture device")


def test_a_network_stream_that_cannot_be_opened_is_a_problem_without_its_login(
    kernel: Kernel, alsa_device: AlsaDevice
) -> None:
    alsa_device(TONE, samplerate=48000)
    stream, microphone = devices(kernel, "http://viewer:s3cr3t@127.0.0.1:9/live")
    assert (stream.name, stream.state) == ("device", "problem")
    assert "http://127.0.0.1:9/live" in stream.sentence
    assert "s3cr3t" not in stream.sentence
    assert microphone.state == "ok"
