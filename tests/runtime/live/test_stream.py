"""Blocks and gaps in, windows out; a limited duration; a clean stop."""

import os
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.capture.blocks import Gap
from edgeae.runtime.errors import AudioError
from edgeae.runtime.live.stream import Stream, limited, stopping
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32

RATE = 16000


def test_blocks_of_any_length_give_the_windows_of_the_whole(
    detector: Detector, samples: Float32
) -> None:
    whole = Stream(detector, RATE)
    expected = whole.push(samples) + whole.flush()
    stream = Stream(detector, RATE)
    windows = []
    for start in range(0, len(samples), 5000):
        windows += stream.push(samples[start : start + 5000])
    windows += stream.flush()
    assert [window.end for window in windows] == [window.end for window in expected]
    for window, other in zip(windows, expected, strict=True):
        np.testing.assert_allclose(window.features, other.features, atol=1e-4)


def test_time_counts_blocks_gaps_and_what_came_before(detector: Detector, samples: Float32) -> None:
    stream = Stream(detector, 8000, start=10.0)
    stream.push(samples[:4000])
    assert stream.t == 10.5
    stream.gap(8000)
    assert (stream.seconds, stream.t) == (11.5, 11.5)


def test_no_window_reaches_over_a_gap(detector: Detector, samples: Float32) -> None:
    stream = Stream(detector, RATE)
    assert stream.push(samples[: 4 * RATE]) == []
    stream.gap(RATE)
    assert stream.push(samples[4 * RATE : 8 * RATE]) == []
    assert not stream.full
    [window] = stream.push(samples[8 * RATE : 9 * RATE])
    assert window.end == pytest.approx(5.0 + 4.096, abs=0.032)
    assert stream.full


def test_sound_that_is_not_valid_adds_nothing(detector: Detector) -> None:
    stream = Stream(detector, RATE)
    with pytest.raises(AudioError):
        stream.push(np.array([0.0, np.inf], np.float32))
    assert stream.t == 0.0


def test_the_end_of_too_little_sound_is_an_error(detector: Detector) -> None:
    stream = Stream(detector, RATE)
    stream.push(np.zeros(160, np.float32))
    with pytest.raises(AudioError, match=r"only 0\.\d+ s of sound"):
        stream.flush()


@given(st.lists(st.integers(-500, 500).filter(bool), max_size=10), st.integers(1, 2000))
def test_a_limit_counts_sound_and_gaps_and_cuts_the_last_block(
    lengths: list[int], max_frames: int
) -> None:
    """Positive lengths are blocks, negative ones gaps."""
    items = [
        np.zeros(length, np.float32) if length > 0 else Gap(-length, "overrun")
        for length in lengths
    ]
    kept = list(limited(items, max_frames))
    n_frames = sum(item.frames if isinstance(item, Gap) else len(item) for item in kept)
    total = sum(map(abs, lengths))
    assert n_frames >= min(total, max_frames)
    if kept and not isinstance(kept[-1], Gap):
        assert n_frames <= max_frames


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stops: list[str] = []
    with stopping(lambda: stops.append("stopped")) as received:
        os.kill(os.getpid(), number)
    assert (received, stops) == ([number], ["stopped"])
    assert signal.getsignal(number) is before


def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stopping() as received:
        os.kill(os.getpid(), signal.SIGHUP)
    assert received == []
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    signal.signal(signal.SIGHUP, before)


def test_no_sound_before_a_gap_is_in_the_resampled_sound_after_it(
    detector: Detector, samples: Float32
) -> None:
    rate = 44100
    block = np.resize(samples, 5 * rate)
    interrupted = Stream(detector, rate)
    interrupted.push(np.full(1001, 0.5, np.float32))
    interrupted.gap(rate)
    [window] = interrupted.push(block)
    [expected] = Stream(detector, rate).push(block)
    np.testing.assert_array_equal(window.features, expected.features)
