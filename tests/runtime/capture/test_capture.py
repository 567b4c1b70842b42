"""Live capture, read by the real libasound from devices made of files; only faults are injected."""

import errno
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.pcm import FORMATS
from edgeae.runtime.capture.blocks import CaptureLimits, Gap
from edgeae.runtime.capture.capture import Capture, check_stream
from edgeae.runtime.errors import ConfigError, DeviceError
from tests.runtime.capture.fakes import (
    AlsaDevice,
    AlsaMicrophone,
    FaultyAlsa,
    encode,
    only_format,
    ramp,
    read,
)


@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize("channel", [0, 1, "mix"])
def test_blocks_are_the_samples_of_the_device(
    alsa_device: AlsaDevice, encoding: str, channel: Channel
) -> None:
    channels = 1 if channel == 0 else 2
    values = ramp(4 * 512, channels)
    alsa_device(encode(values.ravel(), encoding))
    with Capture("hw:1", channels=[channel], library=only_format(encoding)) as capture:
        assert (capture.samplerate, capture.channels, capture.format) == (16000, channels, encoding)
        samples = read(capture, 4)
    expected = values.mean(axis=1) if channel == "mix" else values[:, int(channel)]
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, expected / 2**15)


@pytest.mark.parametrize("device", ["hw:1", "hw:0,0", "hw:CARD=Device,DEV=0", "plughw:1,0"])
def test_every_way_to_name_a_device_opens_it(alsa_device: AlsaDevice, device: str) -> None:
    values = ramp(512, 1)
    alsa_device(values.astype(np.int16))
    with Capture(device) as capture:
        np.testing.assert_array_equal(read(capture, 1), values[:, 0] / 2**15)


def test_stop_ends_the_blocks(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    with Capture("hw:1") as capture:
        for number, _ in enumerate(capture.blocks()):
            if number == 3:
                capture.stop()
        assert number == 3


def test_stop_ends_a_wait_for_audio(alsa_microphone: AlsaMicrophone) -> None:
    hanging = alsa_microphone(ramp(512, 1).astype(np.int16))
    with Capture("hw:1") as capture:

        def stop_when_it_hangs() -> None:
            hanging.wait()
            capture.stop()

        stopper = threading.Thread(target=stop_when_it_hangs)
        stopper.start()
        assert sum(1 for _ in capture.blocks()) <= 1
        stopper.join()


def test_microphone_that_paces_is_read_without_a_loss(alsa_microphone: AlsaMicrophone) -> None:
    values = ramp(8 * 512, 1)
    alsa_microphone(values.astype(np.int16), seconds=0.01)
    with Capture("hw:1") as capture:
        np.testing.assert_array_equal(read(capture, 8), values[:, 0] / 2**15)


def test_device_that_hangs_is_an_error(alsa_microphone: AlsaMicrophone) -> None:
    alsa_microphone(ramp(2 * 512, 1).astype(np.int16), seconds=0.001)
    received: list[NDArray[np.float32] | Gap] = []
    with (
        pytest.raises(DeviceError, match=r"hw:1 is open but delivered no audio for 0\.3 s"),
        Capture("hw:1", limits=CaptureLimits(stall_seconds=0.3)) as capture,
    ):
        received.extend(capture.blocks())
    assert len(received) == 2


def test_process_can_end_while_its_device_hangs(alsa_microphone: AlsaMicrophone) -> None:
    alsa_microphone(ramp(512, 1).astype(np.int16))
    program = """
from edgeae.runtime.capture.capture import Capture, CaptureLimits
with Capture("hw:1", limits=CaptureLimits(stall_seconds=0.2)) as capture:
    for block in capture.blocks():
        pass
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert "hw:1 is open but delivered no audio" in ended.stderr


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EIO, errno.EBADFD])
def test_unplugging_is_an_error_that_names_the_device(alsa_device: AlsaDevice, code: int) -> None:
    alsa_device(bytes(4096))
    received: list[NDArray[np.float32] | Gap] = []
    with (
        pytest.raises(DeviceError, match=r"hw:1 stopped working .* unplugged"),
        Capture(
            "hw:1", library=FaultyAlsa(snd_pcm_readi=[0, 0, code], snd_pcm_close=[code])
        ) as capture,
    ):
        received.extend(capture.blocks())
    assert len(received) == 2


def test_an_address_that_cannot_be_used_is_refused_at_once() -> None:
    check_stream("hw:1")
    with pytest.raises(ConfigError, match=r"--device rtsp://: no address of a stream"):
        check_stream("rtsp://")
