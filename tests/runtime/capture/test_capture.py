"""Live capture, read by the real libasound from devices made of files; only faults are injected."""

import errno
import itertools
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.audio.pcm import FORMATS, decode
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.capture import Capture, Gap
from edgeae.runtime.errors import DeviceError
from tests.runtime.capture.test_listing import FakeCards

INTEGERS = np.array([0, 1, -1, 2**15 - 1, -(2**15), 12345, -6789], np.int64)
WIDTH = {name: width for name, (_, width) in FORMATS.items()}


class FaultyAlsa(Alsa):
    """libasound, with errors in place of some of its calls."""

    def __init__(self, **faults: Any) -> None:
        """`faults`: per function, the error numbers of its next calls (0: none), or a rule."""
        super().__init__()
        self._faults = {n: f if callable(f) else iter(f) for n, f in faults.items()}

    def call(self, name: str, *arguments: Any) -> int:
        fault = self._faults.get(name)
        if code := fault(*arguments) if callable(fault) else next(fault or iter(()), 0):
            raise AlsaError(code, "injected")
        return super().call(name, *arguments)


def only_format(name: str) -> FaultyAlsa:
    number = FORMATS[name][0]
    return FaultyAlsa(
        snd_pcm_hw_params_set_format=lambda _p, _h, n: 0 if n == number else errno.EINVAL
    )


def encode(values: NDArray[np.int64], encoding: str) -> bytes:
    """Integers of 16 bits, as a device with this format gives them."""
    if encoding == "S16_LE":
        return values.astype("<i2").tobytes()
    if encoding == "FLOAT_LE":
        return (values / 2**15).astype("<f4").tobytes()
    whole = (values << 16).astype("<i4")
    return (
        whole.tobytes()
        if encoding == "S32_LE"
        else whole.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    )


def read(capture: Capture, count: int) -> NDArray[np.float32]:
    blocks = list(itertools.islice(capture.blocks(), count))
    assert all(
        isinstance(block, np.ndarray) and block.shape == (capture.period,) for block in blocks
    )
    return np.concatenate(blocks)


def ramp(frames: int, channels: int) -> NDArray[np.int64]:
    """(frames, channels) integers of 16 bits, no two neighbours alike."""
    return (np.arange(frames * channels).reshape(frames, channels) * 7919 + 2**15) % 2**16 - 2**15


@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_decode_is_exact(encoding: str, channels: int) -> None:
    values = np.repeat(INTEGERS, channels).reshape(-1, channels)
    decoded = decode(encode(values.ravel(), encoding), encoding, channels)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, values / 2**15)


def test_decode_keeps_all_24_bits_and_stays_below_one() -> None:
    values = np.array([1, -1, 2**23 - 1, -(2**23)], "<i4")
    packed = values.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    np.testing.assert_array_equal(decode(packed, "S24_3LE", 1)[:, 0], values / 2**23)
    full_scale = np.array([2**31 - 1], "<i4").tobytes()
    assert decode(full_scale, "S32_LE", 1)[0, 0] < 1


@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize("channel", [0, 1, "mix"])
def test_blocks_are_the_samples_of_the_device(
    alsa_device: Any, encoding: str, channel: Any
) -> None:
    channels = 1 if channel == 0 else 2
    values = ramp(4 * 512, channels)
    alsa_device(encode(values.ravel(), encoding))
    with Capture("hw:1", channels=[channel], library=only_format(encoding)) as capture:
        assert (capture.samplerate, capture.channels, capture.format) == (16000, channels, encoding)
        samples = read(capture, 4)
    expected = values.mean(axis=1) if channel == "mix" else values[:, channel]
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, expected / 2**15)


@pytest.mark.parametrize("device", ["hw:1", "hw:0,0", "hw:CARD=Device,DEV=0", "plughw:1,0"])
def test_every_way_to_name_a_device_opens_it(alsa_device: Any, device: str) -> None:
    values = ramp(512, 1)
    alsa_device(values.astype(np.int16))
    with Capture(device) as capture:
        np.testing.assert_array_equal(read(capture, 1), values[:, 0] / 2**15)


@pytest.mark.parametrize(
    ("native", "asked"),
    [(48000, 16000), (44100, 16000), (22050, 16000), (8000, 16000), (96000, 48000)],
)
def test_device_runs_at_its_own_rate(alsa_device: Any, native: int, asked: int) -> None:
    values = ramp(8192, 1)
    alsa_device(values.astype(np.int16), samplerate=native)
    with Capture("hw:1", samplerate=asked) as capture:
        assert capture.samplerate == native
        assert 0.02 <= capture.period / native <= 0.05
        assert capture.buffer >= native
        np.testing.assert_array_equal(read(capture, 1), values[: capture.period, 0] / 2**15)


def test_16_bits_are_taken_where_every_format_is_offered(alsa_device: Any) -> None:
    alsa_device(bytes(4096))
    with Capture("hw:1") as capture:
        assert capture.format == "S16_LE"


@pytest.mark.parametrize("channel", [-1, 2**30])
def test_missing_channel_is_refused(alsa_device: Any, channel: int) -> None:
    alsa_device(bytes(4096))
    with pytest.raises(DeviceError, match=f"hw:1 has no channel {channel}"):
        Capture("hw:1", channels=[channel])


def test_stop_ends_the_blocks(alsa_device: Any) -> None:
    alsa_device(bytes(4096))
    with Capture("hw:1") as capture:
        for number, _ in enumerate(capture.blocks()):
            if number == 3:
                capture.stop()
        assert number == 3


def test_stop_ends_a_wait_for_audio(alsa_microphone: Any) -> None:
    hanging = alsa_microphone(ramp(512, 1).astype(np.int16))
    with Capture("hw:1") as capture:
        stopper = threading.Thread(target=lambda: hanging.wait() and capture.stop())
        stopper.start()
        assert sum(1 for _ in capture.blocks()) <= 1
        stopper.join()


def test_microphone_that_paces_is_read_without_a_loss(alsa_microphone: Any) -> None:
    values = ramp(8 * 512, 1)
    alsa_microphone(values.astype(np.int16), seconds=0.01)
    with Capture("hw:1") as capture:
        np.testing.assert_array_equal(read(capture, 8), values[:, 0] / 2**15)


def test_device_that_hangs_is_an_error(alsa_microphone: Any) -> None:
    alsa_microphone(ramp(2 * 512, 1).astype(np.int16), seconds=0.001)
    received = []
    with (
        pytest.raises(DeviceError, match=r"hw:1 is open but delivered no audio for 0\.3 s"),
        Capture("hw:1", stall_seconds=0.3) as capture,
    ):
        received.extend(capture.blocks())
    assert len(received) == 2


def test_process_can_end_while_its_device_hangs(alsa_microphone: Any) -> None:
    alsa_microphone(ramp(512, 1).astype(np.int16))
    program = """
from edgeae.runtime.capture.capture import Capture
with Capture("hw:1", stall_seconds=0.2) as capture:
    for block in capture.blocks():
        pass
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert "hw:1 is open but delivered no audio" in ended.stderr


@pytest.mark.parametrize(
    "faults",
    [
        {"snd_pcm_readi": [0, 0, errno.EPIPE]},
        {"snd_pcm_readi": [0, 0, errno.EAGAIN], "snd_pcm_wait": [0, errno.EPIPE]},
    ],
)
def test_overrun_is_a_gap_of_at_least_the_buffer(
    alsa_device: Any, faults: dict[str, list[int]]
) -> None:
    values = ramp(4 * 512, 1)
    alsa_device(values.astype(np.int16))
    with Capture("hw:1", library=FaultyAlsa(**faults)) as capture:
        items = list(itertools.islice(capture.blocks(), 5))
    gap = items.pop(2)
    assert isinstance(gap, Gap)
    assert gap.frames >= capture.buffer
    assert gap.reason == "overrun"
    np.testing.assert_array_equal(np.concatenate(items), values[:, 0] / 2**15)


def test_suspend_is_a_gap(alsa_device: Any) -> None:
    alsa_device(bytes(4096))
    with Capture("hw:1", library=FaultyAlsa(snd_pcm_readi=[0, errno.ESTRPIPE])) as capture:
        items = list(itertools.islice(capture.blocks(), 3))
    assert [isinstance(item, Gap) for item in items] == [False, True, False]
    assert items[1].reason == "suspended"


def test_overruns_without_end_are_one_gap_each(alsa_device: Any) -> None:
    alsa_device(bytes(4096))
    with Capture(
        "hw:1", library=FaultyAlsa(snd_pcm_readi=itertools.cycle([errno.EPIPE]))
    ) as capture:
        assert all(isinstance(item, Gap) for item in itertools.islice(capture.blocks(), 20))


def test_short_reads_and_interruptions_lose_nothing(alsa_device: Any) -> None:
    class ShortReads(FaultyAlsa):
        def call(self, name: str, *arguments: Any) -> int:
            if name == "snd_pcm_readi":
                arguments = (*arguments[:2], min(arguments[2], 100))
            return super().call(name, *arguments)

    values = ramp(3 * 512, 2)
    alsa_device(values.astype(np.int16))
    faults = itertools.cycle([0, errno.EAGAIN, 0, errno.EINTR])
    with Capture("hw:1", channels=[1], library=ShortReads(snd_pcm_readi=faults)) as capture:
        np.testing.assert_array_equal(read(capture, 3), values[:, 1] / 2**15)


def test_a_device_is_waited_for_when_its_ring_is_empty_and_then_for_many_periods(
    alsa_device: Any,
) -> None:
    calls = []

    class Counted(FaultyAlsa):
        def call(self, name: str, *arguments: Any) -> int:
            calls.append((name, arguments[-1:]))
            return super().call(name, *arguments)

    alsa_device(bytes(4096))
    empty = itertools.cycle([*[0] * 8, errno.EAGAIN])
    with Capture("hw:1", library=Counted(snd_pcm_readi=empty)) as capture:
        list(itertools.islice(capture.blocks(), 32))
    names = [name for name, _ in calls]
    assert names.count("snd_pcm_readi") >= 36
    assert names.count("snd_pcm_wait") == pytest.approx(names.count("snd_pcm_readi") / 9, abs=1)
    assert dict(calls)["snd_pcm_sw_params_set_avail_min"] == (7 * capture.period,)


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EIO, errno.EBADFD])
def test_unplugging_is_an_error_that_names_the_device(alsa_device: Any, code: int) -> None:
    alsa_device(bytes(4096))
    received = []
    with (
        pytest.raises(DeviceError, match=r"hw:1 stopped working .* unplugged"),
        Capture(
            "hw:1", library=FaultyAlsa(snd_pcm_readi=[0, 0, code], snd_pcm_close=[code])
        ) as capture,
    ):
        received.extend(capture.blocks())
    assert len(received) == 2


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


def test_unknown_device_is_an_error_of_libasound_itself(alsa_device: Any, capfd: Any) -> None:
    alsa_device(bytes(4096))
    with pytest.raises(DeviceError, match="there is no capture device nonsense"):
        Capture("nonsense")
    assert capfd.readouterr().err == ""


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
def test_refused_setup_is_an_error(alsa_device: Any, faults: dict[str, Any], sentence: str) -> None:
    alsa_device(bytes(4096))
    with pytest.raises(DeviceError, match=sentence):
        Capture("hw:1", library=FaultyAlsa(**faults))


def test_missing_libasound_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(DeviceError, match="apt-get install libasound2"):
        Capture("hw:1")


def test_missing_device_names_those_that_exist() -> None:
    class NoSuchDevice(FakeCards):
        def snd_pcm_open(self, *_: Any) -> int:
            raise AlsaError(errno.ENOENT, "No such file or directory")

    with pytest.raises(
        DeviceError, match=r"hw:7: there are hw:1,0 \(hw:CARD=Device,DEV=0, USB PnP"
    ):
        Capture("hw:7", library=NoSuchDevice())
