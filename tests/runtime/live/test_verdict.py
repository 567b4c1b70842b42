"""What the lines of a recording come to."""

import pytest

from edgeae.runtime.live.verdict import Verdict, unjudged_recordings, unjudged_source


def verdict(n_judged: int, *unjudged: str) -> Verdict:
    """Of so many judged windows, and one in each of these states."""
    result = Verdict()
    for health in ["ok"] * n_judged + list(unjudged):
        result.add_window(health, anomaly=False)
    return result


def test_one_window_above_the_threshold_is_an_anomaly() -> None:
    result = verdict(3)
    assert not result.any_anomaly
    result.add_window("ok", anomaly=True)
    result.add_window("ok", anomaly=False)
    assert result.any_anomaly


@pytest.mark.parametrize(
    ("phase", "anomaly"), [("start", True), ("burst", False), ("update", False), ("end", False)]
)
def test_an_alarm_is_an_anomaly_also_without_a_window_above(phase: str, anomaly: bool) -> None:
    result = verdict(3)
    result.add_event(phase)
    assert result.any_anomaly is anomaly


def test_recordings_that_were_all_judged_need_no_sentence() -> None:
    assert unjudged_recordings([verdict(2), verdict(1)]) is None
    assert unjudged_recordings([]) is None


def test_recordings_that_were_not_judged_are_counted_with_the_reason() -> None:
    verdicts = [verdict(2), verdict(0, "silence"), verdict(1, "stuck"), verdict(0, "silence")]
    assert unjudged_recordings(verdicts) == (
        "of 4 recordings: 2 not judged, 1 judged only in part (silence, stuck); "
        "a fault in what is not judged is missed"
    )


def test_a_run_in_which_nothing_was_judged_says_so() -> None:
    assert unjudged_recordings([verdict(0, "silence")] * 2) == (
        "not one of 2 recordings was judged (silence): nothing is known about the machine"
    )
    assert unjudged_source("hw:1", verdict(0, "stuck", "stuck")) == (
        "hw:1: none of its 2 windows was judged (stuck): nothing is known about the machine"
    )


@pytest.mark.parametrize("source", [verdict(0), verdict(1, "silence")])
def test_a_source_without_windows_or_with_judged_ones_needs_no_sentence(source: Verdict) -> None:
    assert unjudged_source("hw:1", source) is None
