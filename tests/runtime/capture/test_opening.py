"""Opening a device, and what a failure says."""

import errno

import pytest

from edgeae.runtime.capture.alsa import AlsaError
from edgeae.runtime.capture.capture import Capture
from edgeae.runtime.capture.opening import failure_state
from edgeae.runtime.errors import DeviceError
from tests.runtime.capture.fakes import AlsaDevice, FakeCards, FaultyAlsa


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOENT, "there is no capture device hw:7"),
        (errno.ENODEV, "there is no capture device hw:7"),
        (errno.EBUSY, "hw:7 is in use by another program"),
        (errno.EACCES, "may not open hw:7: sudo usermod -aG audio"),
        (errno.EINVAL, "hw:7 cannot be opened: injected"),
    ],
)
def test_device_that_does_not_open_says_why(code: int, sentence: str) -> None:
    with pytest.raises(DeviceError, match=sentence):
        Capture("hw:7", library=FaultyAlsa(snd_pcm_open=[code]))


def test_unknown_device_is_an_error_of_libasound_itself(
    alsa_device: AlsaDevice, capfd: pytest.CaptureFixture[str]
) -> None:
    alsa_device(bytes(4096))
    with pytest.raises(DeviceError, match="there is no capture device nonsense"):
        Capture("nonsense")
    assert capfd.readouterr().err == ""


def test_missing_device_names_those_that_exist() -> None:
    class NoSuchDevice(FakeCards):
        def snd_pcm_open(self, *_: object) -> int:
            raise AlsaError(errno.ENOENT, "No such file or directory")

    with pytest.raises(
        DeviceError, match=r"hw:7: there are hw:1,0 \(hw:CARD=Device,DEV=0, USB PnP"
    ):
        Capture("hw:7", library=NoSuchDevice())


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (errno.EBUSY, "busy"),
        (errno.EPERM, "forbidden"),
        (errno.ENXIO, "missing"),
        (errno.EINVAL, "broken"),
    ],
)
def test_the_number_of_an_error_gives_the_state(code: int, state: str) -> None:
    assert failure_state(AlsaError(code, "injected")) == state
