"""A viewer receives the history first and then what is new, in bounded memory."""

from typing import Any

import pytest
from example_lines import N_BANDS, about, bands, column, event, gap, score, status

from edgeae.runtime.outputs.page import history, source_history
from edgeae.runtime.outputs.page.history import OTHER_SOURCES_INTERVAL, History, Viewer
from edgeae.runtime.outputs.page.history_store import HistoryStore
from edgeae.runtime.outputs.page.source_history import MAX_WINDOWS
from edgeae.runtime.system.identity import SourceIdentity


class Clock:
    """A monotonic clock that a test sets."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return 1.7e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(history, "time", clock)
    monkeypatch.setattr(source_history, "time", clock)
    return clock


@pytest.fixture
def page_history(clock: Clock) -> History:
    """The history of one calibrated source."""
    made = History()
    for line in (about(), status("listening")):
        made.deliver(line)
    return made


def add_scores(to: History, clock: Clock, *scores: float, source: str = "hw:1") -> None:
    """A window a second."""
    for value in scores:
        clock.seconds += 1
        to.deliver(bands(round(100 + 10 * value), source=source))
        to.deliver(score(value, source))


def test_a_viewer_receives_the_history_first_and_then_what_is_new(
    page_history: History, clock: Clock
) -> None:
    viewer = Viewer(page_history, 0, HistoryStore())
    add_scores(page_history, clock, -1.0, 0.5)
    past = viewer.message()
    assert past["selected"] == 0
    assert past["windows"] == [(1001000, -1.0, -31.2), (1002000, 0.5, -31.2)]
    assert column(past["columns"]) == [90] * N_BANDS + [105] * N_BANDS
    assert past["about"]["windows"] == 60
    assert "windows" not in viewer.message()
    add_scores(page_history, clock, 1.0)
    message = viewer.message()
    assert "selected" not in message
    assert message["windows"] == [(1003000, 1.0, -31.2)]
    assert message["minute"] == [
        1001000 if 1001000 // 60000 == 1003000 // 60000 else 1003000,
        -1.0,
        0.17,
        1.0,
    ]


def test_a_window_has_the_time_of_its_sound(page_history: History, clock: Clock) -> None:
    page_history.deliver(score(0.1, age=2.5))
    assert Viewer(page_history, 0, HistoryStore()).message()["windows"][0][0] == 997500


def test_a_minute_has_the_lowest_mean_and_highest_score(
    page_history: History, clock: Clock
) -> None:
    clock.seconds = 1019.0  # the next is a minute's first
    add_scores(page_history, clock, *[0.0] * 30, *[1.0] * 29, 4.0, 7.0)
    assert Viewer(page_history, 0, HistoryStore()).message()["minutes"] == [
        [1020000, 0.0, 0.55, 4.0],
        [1080000, 7.0, 7.0, 7.0],
    ]


def test_a_viewer_receives_an_event_when_it_starts_and_when_it_ends(
    page_history: History, clock: Clock
) -> None:
    viewer = Viewer(page_history, 0, HistoryStore())
    add_scores(page_history, clock, 1.0)
    viewer.message()
    page_history.deliver(event("start", clip="/a/path.flac"))
    message = viewer.message()
    assert message["sources"][0]["alarm"]
    assert message["sources"][0]["since"] == message["events"][0]["at"] == 1001000
    assert "clip" not in message["events"][0], "its path stays here"
    clock.seconds += 30
    page_history.deliver(event("end", duration=30.0, clip="/a/path.flac"))
    message = viewer.message()
    assert (message["events"][0]["end"], message["events"][0]["duration"]) == (1031000, 30.0)
    assert not message["sources"][0]["alarm"]
    assert page_history.source(0) == SourceIdentity("hw:1", "pump-3")
    assert page_history.source(1) is None
    assert page_history.source(None) is None


def test_gaps_health_and_drift_are_part_of_the_state(page_history: History, clock: Clock) -> None:
    add_scores(page_history, clock, 1.0)
    page_history.deliver(gap(1.5))
    page_history.deliver(gap(0.5))
    page_history.deliver(status("tracking", drift=0.25))
    page_history.deliver(status("clipping", sentence="turn the gain down"))
    state = Viewer(page_history, 0, HistoryStore()).message()["sources"][0]
    assert (state["gaps"], state["lost"], state["drift"], state["reason"]) == (
        2,
        2.0,
        0.25,
        "turn the gain down",
    )
    page_history.deliver(status("ok", sentence="the sound can be judged again"))
    assert Viewer(page_history, 0, HistoryStore()).message()["sources"][0]["reason"] is None


def test_a_viewer_receives_other_sources_seldom_unless_they_change(
    page_history: History, clock: Clock
) -> None:
    page_history.deliver(about("hw:2", "fan-2"))
    viewer = Viewer(page_history, 0, HistoryStore())
    assert set(viewer.message()["sources"]) == {0, 1}
    add_scores(page_history, clock, 0.1, source="hw:2")  # of machine pump-3: yet another source
    seen: list[Any] = []
    for _ in range(OTHER_SOURCES_INTERVAL + 1):
        add_scores(page_history, clock, 0.1)
        seen.append(set(viewer.message()["sources"]))
    assert seen[1:] == [{0}] * (OTHER_SOURCES_INTERVAL - 2) + [{0, 1, 2}] + [{0}]
    page_history.deliver(event("start", "hw:2", machine="fan-2"))
    assert set(viewer.message()["sources"]) == {0, 1}


def test_a_viewer_may_connect_before_its_source_has_a_line(clock: Clock) -> None:
    made = History()
    viewer = Viewer(made, 0, HistoryStore())
    assert viewer.message()["sources"] == {}
    made.deliver(about())
    assert viewer.message()["selected"] == 0


def test_the_memory_is_bounded(page_history: History, clock: Clock) -> None:
    add_scores(page_history, clock, *[0.0] * (MAX_WINDOWS + 50))
    for _ in range(200):
        page_history.deliver(gap(0.1))
        page_history.deliver(event("start"))
    for k in range(200):
        page_history.deliver(status("listening", source=f"hw:{k + 2}"))
    message = Viewer(page_history, 0, HistoryStore()).message()
    assert len(message["windows"]) == MAX_WINDOWS
    assert (len(message["events"]), len(message["gap_list"]), len(message["sources"])) == (
        20,
        100,
        64,
    )
    assert message["sources"][0]["gaps"] == 200


def test_a_viewer_that_sleeps_misses_only_what_is_not_kept(
    page_history: History, clock: Clock
) -> None:
    viewer = Viewer(page_history, 0, HistoryStore())
    viewer.message()
    add_scores(page_history, clock, *[0.0] * MAX_WINDOWS, *[1.0] * 10)
    message = viewer.message()
    assert len(message["windows"]) == MAX_WINDOWS
    assert message["windows"][-1][1] == 1.0
    assert "windows" not in viewer.message()


def test_lines_about_outputs_are_not_wanted(page_history: History) -> None:
    assert not page_history.wants(status("degraded", source="edgeae", machine=None))
