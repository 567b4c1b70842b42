"""The windows of a capture device."""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import pytest

from edgeae.calibrate.excerpt import ExcerptBudget
from edgeae.calibrate.from_device import record_device
from edgeae.runtime.capture.blocks import Gap
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32

RATE = 16000
Item = Float32 | Gap


class FakeCapture:
    """A device that gives the items of a test."""

    samplerate = RATE

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def blocks(self) -> Iterator[Item]:
        yield from self._items


def give(monkeypatch: pytest.MonkeyPatch, *items: Item) -> None:
    """Let every device give these items."""
    monkeypatch.setattr(
        "edgeae.calibrate.from_device.open_capture", lambda *_, **__: FakeCapture(items)
    )


def noise(seconds: float) -> Float32:
    samples = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return (0.05 * samples).astype(np.float32)


def test_the_windows_are_those_of_a_file(fresh: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, *np.split(noise(12), 24))
    [recording] = record_device(fresh, "hw:1", 12.0, 0)
    expected = list(fresh.windows([noise(12)], RATE))
    assert (recording.name, recording.samplerate) == ("hw:1", RATE)
    assert [window.end for window in recording.windows] == [window.end for window in expected]
    np.testing.assert_array_equal(
        [window.features for window in recording.windows], [window.features for window in expected]
    )


def test_a_gap_begins_a_new_recording(fresh: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, noise(6), Gap(RATE, "overrun"), noise(6))
    first, second = record_device(fresh, "hw:1", 60.0, 0)
    assert first.start == 0.0
    assert second.start == pytest.approx(7.0, abs=0.1)
    assert second.windows[0].end > second.start


def test_half_a_minute_of_the_sound_is_kept(
    fresh: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, noise(6), Gap(RATE, "overrun"), *np.split(noise(40), 40))
    budget = ExcerptBudget(fresh)
    recordings = record_device(fresh, "hw:1", 60.0, 0, budget=budget)
    assert [each.excerpt.seconds for each in recordings if each.excerpt] == [6.0, 24.0]


def test_no_more_is_recorded_than_was_asked_for(
    fresh: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, *[noise(1)] * 60)
    [recording] = record_device(fresh, "hw:1", 10.0, 0)
    assert recording.windows[-1].end == pytest.approx(10.0, abs=0.1)


def test_sound_that_is_too_short_gives_nothing(
    fresh: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    items: list[Item] = [noise(0.5), Gap(100, "overrun")]
    give(monkeypatch, *items * 3)
    assert record_device(fresh, "hw:1", 60.0, 0) == []
