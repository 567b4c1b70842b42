"""Copies have similar fingerprints, other recordings do not."""

import numpy as np
import pytest

from edgeae.evaluate.dataset.fingerprint import (
    N_FRAMES,
    N_WORDS,
    distances,
    fingerprint,
    similar_groups,
)
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.system.arrays import Float64

RATE = 16000


def _noise(seed: int, seconds: float = 2.0) -> Float64:
    return np.random.default_rng(seed).normal(0, 0.05, round(RATE * seconds))


def test_only_copies_are_alike() -> None:
    sounds = [_noise(seed) for seed in range(40)]
    quieter = 0.1 * sounds[3]
    later = sounds[5][8:]
    noisy = sounds[7] + 0.1 * _noise(99)
    prints = [fingerprint(log_mel(sound)) for sound in (*sounds, quieter, later, noisy)]
    assert similar_groups(prints) == [[3, 40], [5, 41], [7, 42]]


@pytest.mark.parametrize(
    "sound", [np.zeros(2 * RATE), _noise(0, 1.0)], ids=["silence", "too short"]
)
def test_what_does_not_change_or_is_too_short_has_no_fingerprint(sound: Float64) -> None:
    assert fingerprint(log_mel(sound)) is None
    assert similar_groups([None, None]) == []


def test_the_first_frames_alone_decide() -> None:
    frames = log_mel(_noise(0))
    assert fingerprint(frames[:N_FRAMES]) == fingerprint(frames)
    assert fingerprint(frames[: N_FRAMES - 1]) is None
    assert fingerprint(frames[1:]) != fingerprint(frames)


def test_a_distance_is_the_share_of_the_bits_that_differ() -> None:
    one = np.zeros((N_WORDS, 1), np.uint64)
    others = np.zeros((N_WORDS, 3), np.uint64)
    others[0, 1] = 0b1011
    others[:, 2] = ~np.uint64(0)
    assert distances(one, others).tolist() == [[0, 3 / 512, 1]]


def test_a_chain_of_similar_fingerprints_is_one_group() -> None:
    """The first and the last differ in more bits than copies do, but both resemble the middle."""
    ends = [bytes(64), b"\xff" * 16 + bytes(48), b"\xff" * 32 + bytes(32)]
    other = b"\x0f" * 64
    assert similar_groups([ends[0], None, other, ends[2], ends[1]]) == [[0, 3, 4]]
