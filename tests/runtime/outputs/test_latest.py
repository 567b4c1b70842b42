"""The state of a source, line by line."""

import pytest
from example_lines import event, gap, score, status

from edgeae.runtime.outputs.latest import CAPTURE_STATES, OUTPUT_STATES, Latest, is_about_source
from edgeae.runtime.outputs.lines import RunLine


def latest_after(*lines: RunLine) -> Latest:
    latest = Latest("hw:1", "pump-3")
    for line in lines:
        latest.update(line)
    return latest


def test_all_values_are_none_before_the_first_line() -> None:
    latest = latest_after()
    assert (latest.state, latest.score, latest.alarm, latest.last_event) == (None,) * 4


def test_a_score_means_that_the_source_is_captured_and_has_no_alarm() -> None:
    latest = latest_after(score(1.5))
    assert (latest.state, latest.score, latest.threshold, latest.alarm) == (
        "listening",
        1.5,
        0.8,
        False,
    )
    assert (latest.anomaly, latest.level_dbfs, latest.health) == (True, -31.2, "ok")


@pytest.mark.parametrize(
    "line", [score(-9.0), gap(1.0), status("lost"), status("silence")], ids=type
)
def test_an_alarm_lasts_until_an_event_ends_it(line: RunLine) -> None:
    latest = latest_after(event("start"), line)
    assert latest.alarm
    latest.update(event("update"))
    assert latest.alarm
    latest.update(event("end"))
    assert latest.alarm is False
    assert latest.last_event == "2 to 3 kHz: 6.0 dB louder"


@pytest.mark.parametrize("state", CAPTURE_STATES)
def test_a_state_of_the_capture_is_the_state_of_the_source(state: str) -> None:
    assert latest_after(score(0.0), status(state)).state == state


def test_a_burst_starts_no_alarm_and_ends_none() -> None:
    latest = Latest("hw:1", "pump-3")
    latest.update(score(0.1))
    latest.update(event("burst", kind="burst"))
    assert latest.alarm is False
    latest.update(event("start"))
    latest.update(event("burst", kind="burst"))
    assert latest.alarm is True


def test_a_state_of_the_sound_does_not_end_the_capture() -> None:
    assert latest_after(status("listening"), status("clipping")).state == "listening"


@pytest.mark.parametrize("state", OUTPUT_STATES)
def test_a_line_about_an_output_is_about_no_source(state: str) -> None:
    assert not is_about_source(status(state))


@pytest.mark.parametrize("line", [score(0.0), event("start"), gap(1.0), status("lost")], ids=type)
def test_all_other_lines_are_about_a_source(line: RunLine) -> None:
    assert is_about_source(line)


def test_a_pause_lasts_until_it_is_resumed_whatever_the_microphone_does() -> None:
    latest = latest_after(score(), status("paused"))
    assert (latest.state, latest.paused, latest.is_scored) == ("listening", True, False)
    latest.update(status("lost"))
    latest.update(status("listening"))
    assert latest.paused
    latest.update(status("resumed"))
    assert latest.is_scored
    latest.update(status("lost"))
    assert not latest.is_scored
