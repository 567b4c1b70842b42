"""From windows to lines."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from monitored_sound import monitored_windows

from edgeae.runtime.live.reporter import SourceReporter
from edgeae.runtime.live.stream import Stream
from edgeae.runtime.monitoring.charts_file import ChartsFile
from edgeae.runtime.outputs.lines import EventLine, RunLine, ScoreLine, StatusLine
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
    assert reporter.verdict.n_windows == len(windows)
    assert reporter.verdict.any_anomaly == any(line.anomaly for line in lines)


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


def test_sound_that_is_not_judged_is_reported_for_as_long_as_it_lasts(alarmed: Detector) -> None:
    [silence] = Stream(alarmed, RATE).push(np.zeros(16 * RATE, np.float32))[-1:]
    silent = [replace(silence, end=float(second)) for second in range(20, 20 + 1801, 60)]
    lines = SourceReporter(alarmed, "hw:1").lines(silent)
    reports = [line for line in lines if isinstance(line, StatusLine) and line.state == "silence"]
    assert [line.t for line in reports] == [20, 620, 1220, 1820]


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


def statuses(lines: Sequence[RunLine]) -> list[StatusLine]:
    return [line for line in lines if isinstance(line, StatusLine)]


def test_a_further_time_scale_is_reported(detector: Detector) -> None:
    reporter = SourceReporter(detector, "hw:1")
    [line] = statuses(list(reporter.lines(monitored_windows(detector, 10))))
    assert line.state == "learning"
    assert line.details["active_scales"] == 2
    assert "2 of 4 time scales are active" in line.describe()


def test_charts_that_do_not_learn_report_nothing_new(detector: Detector) -> None:
    reporter = SourceReporter(detector, "hw:1", learns=False)
    assert statuses(list(reporter.lines(monitored_windows(detector, 10)))) == []


def test_an_alarm_of_a_chart_is_an_anomaly_without_a_window_above_the_threshold(
    detector: Detector,
) -> None:
    unreachable = replace(detector.threshold, value=1e3)
    reporter = SourceReporter(detector.with_sections(threshold=unreachable), "long.wav")
    normal = monitored_windows(detector, 10)
    changed = monitored_windows(detector, 10, start=normal[-1].end, shift=3.0)
    lines = list(reporter.lines([*normal, *changed]))
    assert not any(line.anomaly for line in lines if isinstance(line, ScoreLine))
    starts = [line for line in lines if isinstance(line, EventLine) and line.phase == "start"]
    assert starts[0].chart is not None
    assert reporter.verdict.any_anomaly


def test_without_an_alarm_and_a_window_above_the_threshold_there_is_no_anomaly(
    detector: Detector,
) -> None:
    unreachable = replace(detector.threshold, value=1e3)
    reporter = SourceReporter(detector.with_sections(threshold=unreachable), "short.wav")
    lines = list(reporter.lines(monitored_windows(detector, 0.9)))
    assert not any(isinstance(line, EventLine) for line in lines)
    assert not reporter.verdict.any_anomaly
    assert (reporter.verdict.n_windows, reporter.verdict.n_unjudged) == (53, 0)


def test_what_is_learned_is_kept(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with ChartsFile(path, detector) as memory:
        reporter = SourceReporter(detector, "hw:1", memory=memory)
        list(reporter.lines(monitored_windows(detector, 10)))
        n_learned = memory.charts.sound.n_learned
    assert n_learned > 3
    assert ChartsFile(path, detector).charts.sound.n_learned == n_learned


def test_sound_that_is_called_normal_ends_the_alarm_and_is_learned(
    detector: Detector, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    with ChartsFile(path, detector) as memory:
        reporter = SourceReporter(detector, "hw:1", memory=memory)
        list(reporter.lines(monitored_windows(detector, 5, shift=5.0)))
        assert reporter.alarm_active
        end, status = reporter.accept("file")
        assert isinstance(end, EventLine)
        assert end.phase == "end"
        assert isinstance(status, StatusLine)
        assert status.state == "accepted"
        assert status.details["minutes"] == 5
        assert not reporter.alarm_active
        # It is in the file at once.
        assert ChartsFile(path, detector).charts.sound.n_learned == 5


def test_at_most_an_hour_a_day_is_learned_on_a_word(alarmed: Detector, tmp_path: Path) -> None:
    with ChartsFile(tmp_path / "state.json", alarmed) as memory:
        state = memory.charts.state()
        memory.charts.restore(replace(state, accepted=[(state.monitored_minutes, 57)]))
        reporter = SourceReporter(alarmed, "hw:1", memory=memory)
        list(reporter.lines(monitored_windows(alarmed, 5)))
        first = statuses(list(reporter.accept("page")))[0]
        second = statuses(list(reporter.accept("page")))[0]
    assert (first.details["minutes"], second.details["minutes"]) == (3, 0)
    assert "60 minutes were learned so in a day" in second.describe()
