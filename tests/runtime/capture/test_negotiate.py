"""What is agreed with a device: rate, channels, format, period and buffer."""

import errno
import itertools

import numpy as np
import pytest

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.capture.capture import Capture
from edgeae.runtime.capture.negotiate import (
    PERIOD_SECONDS,
    FormatRefusedError,
    PcmSetup,
    negotiate,
)
from edgeae.runtime.capture.opening import open_pcm
from edgeae.runtime.errors import DeviceError
from edgeae.runtime.features.mel import MelSpec
from tests.runtime.capture.fakes import AlsaDevice, Faults, FaultyAlsa, ramp, read


@pytest.mark.parametrize(
    ("native", "asked"),
    [(48000, 16000), (44100, 16000), (22050, 16000), (8000, 16000), (96000, 48000)],
)
def test_device_runs_at_its_own_rate(alsa_device: AlsaDevice, native: int, asked: int) -> None:
    values = ramp(8192, 1)
    alsa_device(values.astype(np.int16), samplerate=native)
    with Capture("hw:1", samplerate=asked) as capture:
        assert capture.samplerate == native
        assert 0.02 <= capture.period / native <= 0.05
        assert capture.buffer >= native
        np.testing.assert_array_equal(read(capture, 1), values[: capture.period, 0] / 2**15)


def test_16_bits_are_taken_where_every_format_is_offered(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    with Capture("hw:1") as capture:
        assert capture.format == "S16_LE"


@pytest.mark.parametrize("channel", [-1, 2**30])
def test_missing_channel_is_refused(alsa_device: AlsaDevice, channel: int) -> None:
    alsa_device(bytes(4096))
    with pytest.raises(DeviceError, match=f"hw:1 has no channel {channel}"):
        Capture("hw:1", channels=[channel])


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        (
            {"snd_pcm_hw_params_set_format": itertools.cycle([errno.EINVAL])},
            "hw:1 has none of the formats",
        ),
        ({"snd_pcm_hw_params_set_access": [errno.EINVAL]}, "hw:1 refuses to capture near 16000 Hz"),
        ({"snd_pcm_hw_params": [errno.EBUSY]}, "hw:1 refuses to capture near 16000 Hz"),
    ],
)
def test_refused_setup_is_an_error(
    alsa_device: AlsaDevice, faults: dict[str, Faults], sentence: str
) -> None:
    alsa_device(bytes(4096))
    with pytest.raises(DeviceError, match=sentence):
        Capture("hw:1", library=FaultyAlsa(**faults))


def setup_of(alsa: FaultyAlsa, channels: list[Channel]) -> PcmSetup:
    pcm = open_pcm(alsa, "hw:1")
    try:
        return negotiate(alsa, pcm, "hw:1", 16000, channels, wake_seconds=1.0)
    finally:
        alsa.call("snd_pcm_close", pcm)


def test_a_period_is_one_hop_of_the_default_features() -> None:
    spec = MelSpec()
    assert spec.hop / spec.sample_rate == PERIOD_SECONDS


@pytest.mark.parametrize(
    ("channels", "n_channels"), [([0], 1), ([1, 0], 2), ([2], 3), (["mix"], 2)]
)
def test_a_device_gets_as_few_channels_as_are_wanted(
    alsa_device: AlsaDevice, channels: list[Channel], n_channels: int
) -> None:
    alsa_device(bytes(4096))
    setup = setup_of(FaultyAlsa(), channels)
    assert setup.channels == n_channels
    assert setup.frame_bytes == 2 * n_channels


def test_a_format_that_the_device_lacks_is_not_waited_for(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    alsa = FaultyAlsa(snd_pcm_hw_params_set_format=itertools.cycle([errno.EINVAL]))
    with pytest.raises(FormatRefusedError, match="hw:1 has none of the formats S16_LE, "):
        setup_of(alsa, [0])


@pytest.mark.parametrize(
    ("wake_seconds", "n_periods"), [(0.0, 1), (0.25, 7), (1.0, 31), (1000.0, 62)]
)
def test_a_reader_wakes_for_whole_periods_and_at_most_half_the_buffer(
    alsa_device: AlsaDevice, wake_seconds: float, n_periods: int
) -> None:
    frames: list[object] = []

    class Noting(FaultyAlsa):
        def call(self, name: str, *arguments: object) -> int:
            if name == "snd_pcm_sw_params_set_avail_min":
                frames.append(arguments[-1])
            return super().call(name, *arguments)

    alsa_device(bytes(4096))
    alsa = Noting()
    pcm = open_pcm(alsa, "hw:1")
    setup = negotiate(alsa, pcm, "hw:1", 16000, [0], wake_seconds=wake_seconds)
    alsa.call("snd_pcm_close", pcm)
    assert frames == [n_periods * setup.period]


def test_a_device_that_refuses_to_wake_seldom_still_works(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    setup = setup_of(FaultyAlsa(snd_pcm_sw_params=[errno.EINVAL]), [0])
    assert (setup.samplerate, setup.period) == (16000, 512)
