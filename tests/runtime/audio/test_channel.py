"""Which channel is used."""

import numpy as np
import pytest

from edgeae.runtime.audio.channel import Channel, parse_channel, select_channel
from edgeae.runtime.errors import AudioError

THREE = np.tile(np.array([0.25, -0.5, 0.125], np.float32), (500, 1))


@pytest.mark.parametrize("text", ["-1", "", "left", "1.0", "all", "²"])
def test_a_channel_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(AudioError, match="give a number counted from 0, or 'mix'"):
        parse_channel(text)


def test_channels_are_numbers_or_mix() -> None:
    assert [parse_channel(text) for text in ("0", "3", "mix")] == [0, 3, "mix"]


def test_mixing_mono_changes_nothing() -> None:
    np.testing.assert_array_equal(select_channel(THREE[:, :1], "mix"), THREE[:, 0])


@pytest.mark.parametrize(("channel", "expected"), [(0, 0.25), (1, -0.5), ("mix", -0.125 / 3)])
def test_one_channel_is_selected_or_all_are_mixed(channel: Channel, expected: float) -> None:
    samples = select_channel(THREE, channel)
    assert samples.flags.c_contiguous
    np.testing.assert_allclose(samples, np.full(500, expected), rtol=1e-6)
