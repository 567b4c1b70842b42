"""One source: what its sound, its gaps and its end become on the outputs."""

from pathlib import Path

import numpy as np
import pytest

from edgeae.runtime.errors import AudioError
from edgeae.runtime.live import source as module
from edgeae.runtime.live.source import Source, publish_pending
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.clock import now
from tests.runtime.live.fakes import KeptOutputs

RATE = 16000
WINDOW = 4.096  # seconds
PATCH = 1.024  # seconds


def cut(samples: Float32, seconds: float) -> Float32:
    """The first seconds, and two frames more, which the features look ahead."""
    return samples[: round(seconds * RATE) + 1024]


@pytest.fixture
def outputs() -> KeptOutputs:
    return KeptOutputs()


def started(detector: Detector, outputs: KeptOutputs, duration: float | None = None) -> Source:
    source = Source("hw:1", detector, outputs, model=Path("pump.onnx"), duration=duration)
    source.start(RATE, 1, "S16_LE")
    return source


def push(source: Source, samples: Float32) -> None:
    source.push(samples, now())
    publish_pending([source])


def test_three_high_windows_are_an_alarm(
    alarmed: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(alarmed, outputs)
    push(source, cut(samples, WINDOW + 2 * PATCH))
    assert [line.anomaly for line in outputs.scores()] == [True] * 3
    assert [line.phase for line in outputs.events()] == ["start"]


def test_windows_before_a_gap_do_not_count_for_an_alarm_after_it(
    alarmed: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(alarmed, outputs)
    push(source, cut(samples, WINDOW + PATCH))
    source.push_gap(3600 * RATE, "unplugged")
    push(source, cut(samples, WINDOW))
    assert [line.anomaly for line in outputs.scores()] == [True] * 3
    assert outputs.events() == []


def test_a_gap_is_published_behind_the_windows_before_it_and_the_time_goes_on(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(detector, outputs)
    source.push(samples[: 5 * RATE], now())
    source.push_gap(2 * RATE, "overrun")
    [gap] = outputs.gaps()
    assert (gap.t, gap.frames, gap.seconds, gap.reason) == (7.0, 2 * RATE, 2.0, "overrun")
    assert outputs.lines[-1] is gap
    assert len(outputs.scores()) == 1
    push(source, cut(samples, WINDOW))
    assert outputs.scores()[-1].t == pytest.approx(7.0 + WINDOW, abs=0.032)


def test_the_age_of_each_window_of_a_block_counts_from_its_own_end(
    detector: Detector, outputs: KeptOutputs, samples: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "now", lambda: 1000.0)
    source = started(detector, outputs)
    block = cut(samples, WINDOW + PATCH)
    source.push(block, 999.5)
    publish_pending([source])
    older, newer = (line.age for line in outputs.scores())
    assert older is not None and newer is not None
    assert older - newer == pytest.approx(PATCH, abs=2e-3)
    seconds_after_the_last_window = len(block) / RATE - outputs.scores()[1].t
    assert newer == pytest.approx(0.5 + seconds_after_the_last_window, abs=2e-3)


def test_the_service_manager_is_told_of_each_scored_window_and_each_status(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(detector, outputs)
    push(source, cut(samples, WINDOW + PATCH))
    assert outputs.counted.n_scored == len(outputs.scores()) == 2
    assert outputs.counted.statuses == ["hw:1       0.0 s  listening"]


def test_while_sound_is_not_judged_no_other_report_hides_that_from_the_service_manager(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(detector, outputs)
    push(source, cut(samples, WINDOW))
    source.publish_status("learning", sentence="an hour has passed")
    assert "learning" in outputs.counted.statuses[-1]
    push(source, np.zeros(3 * RATE, np.float32))
    source.publish_status("learning", sentence="an hour has passed")
    assert "silence" in outputs.counted.statuses[-1]
    source.publish_status("lost", sentence="the device is gone")
    assert "lost" in outputs.counted.statuses[-1]


def test_windows_wait_until_they_are_published_for_all_sources(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    sources = [started(detector, outputs), started(detector, outputs)]
    for source in sources:
        source.push(cut(samples, WINDOW), now())
    assert outputs.scores() == []
    publish_pending(sources)
    assert len(outputs.scores()) == 2
    assert len({line.score for line in outputs.scores()}) == 1


def test_a_duration_ends_with_the_frame_and_gaps_count(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(detector, outputs, duration=5.0)
    source.push(samples[: 3 * RATE], now())
    source.push_gap(RATE, "overrun")
    assert not source.done()
    assert source.done(silent_seconds=1.0)
    source.push(samples[: 3 * RATE], now())
    assert (source.t, source.done()) == (5.0, True)


def test_the_end_sums_up(detector: Detector, outputs: KeptOutputs, samples: Float32) -> None:
    source = started(detector, outputs)
    push(source, cut(samples, WINDOW))
    source.push_gap(8000, "overrun")
    source.push_gap(4000, "overrun")
    source.finish()
    assert outputs.states() == ["listening", "stopped"]
    assert outputs.lines[-1].to_dict() | {"time": "", "synced": None} == {
        **{"type": "status", "t": source.t, "time": "", "source": "hw:1", "state": "stopped"},
        **{"windows": 1, "gaps": 2, "lost_seconds": 0.75, "alarm": False},
        **{"machine": "id_03", "seq": len(outputs.lines) - 1, "synced": None},
    }


def test_less_than_a_window_is_scored_only_if_nothing_else_was(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    short = started(detector, outputs)
    push(short, samples[: 2 * RATE])
    short.finish()
    assert (short.n_windows, short.too_short) == (1, None)
    long = started(detector, outputs)
    push(long, cut(samples, WINDOW))
    long.push_gap(RATE, "overrun")
    push(long, samples[: 2 * RATE])
    long.finish()
    assert long.n_windows == 1


def test_too_little_sound_names_its_source(detector: Detector, outputs: KeptOutputs) -> None:
    source = started(detector, outputs)
    push(source, np.zeros(100, np.float32))
    source.finish()
    assert source.n_windows == 0
    assert str(source.too_short).startswith("hw:1: only 0.0")


def test_a_source_that_never_published_does_not_stop(
    detector: Detector, outputs: KeptOutputs
) -> None:
    Source("hw:1", detector, outputs, model=Path("pump.onnx")).finish()
    assert outputs.lines == []


def test_sound_that_is_not_numbers_is_refused(detector: Detector, outputs: KeptOutputs) -> None:
    source = started(detector, outputs)
    with pytest.raises(AudioError, match="not numbers"):
        source.push(np.full(10, np.nan, np.float32), now())
    assert source.t == 0.0


def test_the_seconds_of_a_gap_are_those_of_the_device_s_rate(
    detector: Detector, outputs: KeptOutputs
) -> None:
    source = started(detector, outputs)
    source.start(3 * RATE, 1, "S16_LE")
    source.push_gap(3 * RATE, "overrun")
    source.finish()
    [gap] = outputs.gaps()
    assert (gap.t, gap.frames, gap.seconds) == (1.0, 3 * RATE, 1.0)
    stopped = outputs.lines[-1].to_dict()
    assert (stopped["gaps"], stopped["lost_seconds"]) == (1, 1.0)


def test_a_pause_is_a_gap_and_no_window_contains_its_sound(
    alarmed: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(alarmed, outputs)
    push(source, cut(samples, WINDOW + PATCH))
    source.pause("mqtt")
    source.pause("mqtt")
    n_scored = outputs.counted.n_scored
    for _ in range(6):
        push(source, samples[:RATE])
    assert outputs.counted.n_scored == n_scored + 6, "the watchdog waits for sound, not scores"
    assert source.t == pytest.approx(WINDOW + PATCH + 6, abs=0.1)
    assert len(outputs.scores()) == 2
    assert outputs.gaps() == []
    source.resume("mqtt")
    source.resume("mqtt")
    push(source, cut(samples, WINDOW))
    assert len(outputs.scores()) == 3
    assert outputs.events() == [], "windows before the pause do not count for an alarm after it"
    [gap] = outputs.gaps()
    assert (gap.seconds, gap.reason) == (6.0, "paused")
    assert outputs.states() == ["listening", "paused", "resumed"]


def test_a_pause_lasts_while_the_microphone_is_opened_again_and_ends_with_the_source(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(detector, outputs)
    push(source, cut(samples, WINDOW))
    source.pause("mqtt")
    push(source, samples[: 2 * RATE])
    source.push_gap(RATE, "unplugged")
    source.start(2 * RATE, 1, "S16_LE")
    push(source, samples[: 2 * RATE])
    source.finish()
    assert len(outputs.scores()) == 1
    assert [(gap.seconds, gap.reason) for gap in outputs.gaps()] == [
        (1.0, "unplugged"),
        (3.0, "paused"),
    ]
    assert outputs.states()[-1] == "stopped"


def test_the_duration_goes_on_during_a_pause(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = started(detector, outputs, duration=6.0)
    push(source, samples[: 5 * RATE])
    source.pause("mqtt")
    push(source, samples[: 2 * RATE])
    assert source.done()
    source.finish()
    assert [gap.seconds for gap in outputs.gaps()] == [1.0]
