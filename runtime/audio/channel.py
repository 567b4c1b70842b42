"""Which channel of a recording or a device is used."""

from typing import Literal

import numpy as np

from ..errors import AudioError
from ..system.arrays import Float32

Channel = int | Literal["mix"]


def parse_channel(text: str) -> Channel:
    """``"mix"`` or a channel number counted from 0; AudioError for anything else."""
    if text == "mix":
        return "mix"
    if text.isdecimal():
        return int(text)
    raise AudioError(f"channel {text!r}: give a number counted from 0, or 'mix'")


def select_channel(samples: Float32, channel: Channel) -> Float32:
    """(n, channels) -> (n,): one channel, or the mean of all."""
    if channel == "mix":
        return np.asarray(samples.mean(axis=1, dtype=np.float32))
    return np.ascontiguousarray(samples[:, channel])
