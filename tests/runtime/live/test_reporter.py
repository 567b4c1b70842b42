"""From windows to lines."""

from collections.abc import Sequence

import numpy as np
import pytest

from edgeae.runtime.live.reporter import SourceReporter
from edgeae.runtime.live.stream import Stream
from edgeae.runtime.outputs.lines import EventLine, ScoreLine, StatusLine
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

RATE = 16000


@pytest.fixture
def windows(detector: Detector, samples: Float32) -> Sequence[Window]:
    return Stream(detector, RATE).push(samples)


def test_each_window_has_one_score_line(detector: Detector, windows: Sequence[Window]) -> None:
    reporter = SourceReporter(detector, "hw:1")
    lines = [line for line in reporter.lines(windows) if isinstance(line, ScoreLine)]
    assert [line.t for line in lines] == [window.end for window in windows]
    assert [line.score for line in lines] == [detector.result(window).score for window in windows]
    assert {line.source for line in lines} == {"hw:1"}
    assert reporter.n_windows == len(windows)
    assert reporter.any_anomaly == any(line.anomaly for line in lines)


def test_an_alarm_stands_behind_the_score_that_starts_it(
    alarmed: Detector, windows: Sequence[Window]
) -> None:
    reporter = SourceReporter(alarmed, "hw:1")
    lines = list(reporter.lines(windows[:4]))
    assert [type(line) for line in lines] == [ScoreLine] * 3 + [EventLine, ScoreLine]
    assert reporter.alarm_active


def test_windows_before_a_reset_do_not_count_for_an_alarm(
    alarmed: Detector, windows: Sequence[Window]
) -> None:
    reporter = SourceReporter(alarmed, "hw:1")
    lines = list(reporter.lines(windows[:2]))
    reporter.reset_alarm()
    lines += reporter.lines(windows[2:4])
    assert {type(line) for line in lines} == {ScoreLine}
    assert not reporter.alarm_active


def test_silence_is_reported_once_and_not_judged(alarmed: Detector) -> None:
    silence = Stream(alarmed, RATE).push(np.zeros(16 * RATE, np.float32))
    reporter = SourceReporter(alarmed, "hw:1")
    lines = list(reporter.lines(silence))
    assert [line.state for line in lines if isinstance(line, StatusLine)] == ["silence"]
    scores = [line for line in lines if isinstance(line, ScoreLine)]
    assert {(line.health, line.anomaly) for line in scores[1:]} == {("silence", False)}
    assert not any(isinstance(line, EventLine) for line in lines)


def test_windows_before_silence_do_not_count_for_an_alarm_after_it(
    alarmed: Detector, windows: Sequence[Window]
) -> None:
    """Of the three windows after the silence, the third ends that state and is judged."""
    silence = Stream(alarmed, RATE).push(np.zeros(16 * RATE, np.float32))
    reporter = SourceReporter(alarmed, "hw:1")
    lines = list(reporter.lines([*windows[:2], silence[-1], *windows[:3]]))
    judged = [line.anomaly for line in lines if isinstance(line, ScoreLine)]
    assert judged == [True, True, False, False, False, True]
    assert not any(isinstance(line, EventLine) for line in lines)
