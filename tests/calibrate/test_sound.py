"""What the raw samples of a recording tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.calibrate.sound import Samples


def counted(samples: np.ndarray, cuts: list[int]) -> Samples:
    counts = Samples()
    list(counts.watch(np.split(samples.astype(np.float32), sorted(cuts)), 16000))
    return counts


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.5, -1.0]), min_size=1, max_size=60),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_counts_do_not_depend_on_the_blocks(values: list[float], cuts: list[int]) -> None:
    samples = np.array(values)
    assert counted(samples, cuts) == counted(samples, [])


def test_the_longest_run_of_equal_samples_is_found_across_blocks() -> None:
    samples = np.sin(np.arange(1000.0))
    samples[300:450] = 0
    samples[700:750] = 0.25
    found = counted(samples, [100, 310, 400])
    assert (found.stuck, found.stuck_from) == (150, 300)


@pytest.mark.parametrize(("full", "share"), [(1.0, 10), (32767 / 32768, 10), (-1.0, 10), (0.99, 0)])
def test_samples_at_full_scale_are_counted(full: float, share: int) -> None:
    samples = np.sin(np.arange(1000.0)) / 2
    samples[::100] = full
    assert counted(samples, [7, 500]).clipped == share


def test_the_blocks_go_on_as_they_came() -> None:
    blocks = [np.arange(3, dtype=np.float32), np.zeros(0, np.float32), np.ones(2, np.float32)]
    assert [list(block) for block in Samples().watch(blocks, 8000)] == [list(block) for block in blocks]
