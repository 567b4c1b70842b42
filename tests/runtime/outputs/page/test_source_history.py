"""The history of one source: its windows, minutes, events and gaps."""

from base64 import b64decode

import pytest
from example_lines import N_BANDS, about, bands, event, gap, score, status

from edgeae.runtime.outputs.latest import Latest
from edgeae.runtime.outputs.page.source_history import (
    MAX_GAPS,
    MAX_WINDOWS,
    MinutePoint,
    SourceHistory,
)


@pytest.fixture
def source() -> SourceHistory:
    return SourceHistory(Latest("hw:1", "pump-3"))


def test_a_minute_is_its_lowest_mean_and_highest_score() -> None:
    minute = MinutePoint(60_000, lowest=2.0, highest=2.0)
    for value in (2.0, -1.0, 3.5):
        minute.add(value)
    assert minute.message() == [60_000, -1.0, 1.5, 3.5]


def test_the_calibration_is_without_what_names_the_source(source: SourceHistory) -> None:
    source.add(about())
    assert source.past()["about"]["windows"] == 60
    assert not {"type", "source", "machine"} & set(source.past()["about"])


def test_a_window_has_the_spectrum_that_came_before_its_score(source: SourceHistory) -> None:
    source.add(bands(7, 130))
    source.add(score(0.5))
    message = source.since(0, 0)
    assert [window[1] for window in message["windows"]] == [0.5]
    assert b64decode(message["columns"]) == bytes([7] * N_BANDS)
    assert b64decode(message["residual"]) == bytes([130] * N_BANDS)


def test_only_what_is_new_is_sent(source: SourceHistory) -> None:
    source.add(score(0.5))
    source.add(gap(1.5, "stall"))
    assert source.since(1, 1) == {}
    assert set(source.since(1, 0)) == {"events", "gap_list", "accepted"}
    source.add(score(0.7))
    assert [window[1] for window in source.since(1, 1)["windows"]] == [0.7]


def test_the_last_time_that_the_sound_was_called_normal_is_kept(source: SourceHistory) -> None:
    source.add(status("accepted", sentence="3 of its last 60 minutes are learned"))
    at, sentence = source.past()["accepted"]
    assert at > 0
    assert sentence == "3 of its last 60 minutes are learned"


def test_windows_and_gaps_are_bounded(source: SourceHistory) -> None:
    for _ in range(MAX_WINDOWS + 5):
        source.add(score(0.0))
    for _ in range(MAX_GAPS + 5):
        source.add(gap(0.5))
    assert len(source.windows) == MAX_WINDOWS
    assert len(source.gaps) == MAX_GAPS
    assert source.state()["gaps"] == MAX_GAPS + 5
    assert source.state()["lost"] == (MAX_GAPS + 5) * 0.5


def test_a_burst_is_no_alarm_and_changes_none(source: SourceHistory) -> None:
    source.add(event("start"))
    source.add(event("end", duration=30.0))
    source.add(event("burst", kind="burst", sentence="a bang"))
    [shown] = source.past()["events"]
    assert shown["sentence"] == "2 to 3 kHz: 6.0 dB louder"
    assert not source.state()["alarm"]


def test_an_alarm_is_one_event_from_start_to_end(source: SourceHistory) -> None:
    source.add(event("start"))
    assert source.state()["alarm"]
    assert source.state()["sentence"] == "2 to 3 kHz: 6.0 dB louder"
    source.add(event("end", duration=30.0))
    [shown] = source.past()["events"]
    assert (shown["duration"], shown["end"] is not None) == (30.0, True)
    assert source.state()["sentence"] is None


def test_the_reason_is_that_of_the_last_state(source: SourceHistory) -> None:
    source.add(status("silence", sentence="check the microphone"))
    assert source.state()["reason"] == "check the microphone"
    source.add(status("ok", sentence="the sound can be judged again"))
    assert source.state()["reason"] is None
