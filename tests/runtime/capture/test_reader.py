"""Reading a device without losing sound, and the gaps where it is lost."""

import errno
import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from edgeae.runtime.capture.blocks import Block, Gap
from edgeae.runtime.capture.capture import Capture
from edgeae.runtime.capture.negotiate import PcmSetup, negotiate
from edgeae.runtime.capture.opening import open_pcm
from edgeae.runtime.capture.reader import MAX_RECOVERIES, PcmReader
from edgeae.runtime.errors import DeviceError
from tests.runtime.capture.fakes import AlsaDevice, FaultyAlsa, ramp, read


@pytest.mark.parametrize(
    "faults",
    [
        {"snd_pcm_readi": [0, 0, errno.EPIPE]},
        {"snd_pcm_readi": [0, 0, errno.EAGAIN], "snd_pcm_wait": [0, errno.EPIPE]},
    ],
)
def test_overrun_is_a_gap_of_at_least_the_buffer(
    alsa_device: AlsaDevice, faults: dict[str, Sequence[int]]
) -> None:
    values = ramp(4 * 512, 1)
    alsa_device(values.astype(np.int16))
    with Capture("hw:1", library=FaultyAlsa(**faults)) as capture:
        items = list(itertools.islice(capture.blocks(), 5))
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert items[2] is gap
    assert gap.frames >= capture.buffer
    assert gap.reason == "overrun"
    blocks = [item for item in items if not isinstance(item, Gap)]
    np.testing.assert_array_equal(np.concatenate(blocks), values[:, 0] / 2**15)


def test_suspend_is_a_gap(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    with Capture("hw:1", library=FaultyAlsa(snd_pcm_readi=[0, errno.ESTRPIPE])) as capture:
        items = list(itertools.islice(capture.blocks(), 3))
    assert [isinstance(item, Gap) for item in items] == [False, True, False]
    gap = items[1]
    assert isinstance(gap, Gap)
    assert gap.reason == "suspended"


def test_overruns_without_end_are_one_gap_each(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(65536))
    with Capture(
        "hw:1", library=FaultyAlsa(snd_pcm_readi=itertools.cycle([0, errno.EPIPE]))
    ) as capture:
        items = list(itertools.islice(capture.blocks(), 20))
    assert [isinstance(item, Gap) for item in items] == 10 * [False, True]


def test_a_device_that_is_recovered_again_and_again_without_sound_has_failed(
    alsa_device: AlsaDevice,
) -> None:
    """As ALSA's plug-in of PipeWire is when its server ends."""
    alsa_device(bytes(4096))
    items: list[object] = []
    with (
        Capture(
            "hw:1", library=FaultyAlsa(snd_pcm_readi=itertools.cycle([errno.EPIPE]))
        ) as capture,
        pytest.raises(DeviceError, match="hw:1 stopped working"),
    ):
        items.extend(capture.blocks())
    assert len(items) == MAX_RECOVERIES
    assert all(isinstance(item, Gap) for item in items)


def test_short_reads_and_interruptions_lose_nothing(alsa_device: AlsaDevice) -> None:
    class ShortReads(FaultyAlsa):
        def call(self, name: str, *arguments: object) -> int:
            if name == "snd_pcm_readi":
                arguments = (*arguments[:2], min(int(str(arguments[2])), 100))
            return super().call(name, *arguments)

    values = ramp(3 * 512, 2)
    alsa_device(values.astype(np.int16))
    faults = itertools.cycle([0, errno.EAGAIN, 0, errno.EINTR])
    with Capture("hw:1", channels=[1], library=ShortReads(snd_pcm_readi=faults)) as capture:
        np.testing.assert_array_equal(read(capture, 3), values[:, 1] / 2**15)


def test_a_device_is_waited_for_when_its_ring_is_empty_and_then_for_many_periods(
    alsa_device: AlsaDevice,
) -> None:
    calls: list[tuple[str, tuple[object, ...]]] = []

    class Counted(FaultyAlsa):
        def call(self, name: str, *arguments: object) -> int:
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


def opened(alsa: FaultyAlsa) -> tuple[PcmReader, PcmSetup]:
    pcm = open_pcm(alsa, "hw:1")
    setup = negotiate(alsa, pcm, "hw:1", 16000, [0], wake_seconds=0.25)
    return PcmReader(alsa, pcm, setup, wait_ms=10), setup


def test_a_block_is_a_period_of_raw_frames(alsa_device: AlsaDevice) -> None:
    values = ramp(512, 1).astype(np.int16)
    alsa_device(values)
    reader, setup = opened(FaultyAlsa())
    reader.start()
    block = reader.read()
    reader.release()
    assert isinstance(block, Block)
    assert (block.frames, bytes(block.raw)) == (setup.period, values.tobytes())


def test_a_reader_that_is_stopped_returns_at_once(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    reader, _ = opened(FaultyAlsa(snd_pcm_wait=itertools.cycle([errno.EAGAIN])))
    reader.start()
    reader.stop()
    reader.read()
    reader.release()


def test_a_device_can_be_released_twice(alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(4096))
    reader, _ = opened(FaultyAlsa(snd_pcm_close=[0, errno.ENODEV]))
    reader.release()
    reader.release()
