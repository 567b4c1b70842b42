"""What a page is told, first and later, and that its memory ends."""

from typing import Any

import pytest
from example_lines import N_BANDS, about, bands, column, event, gap, score, status

from edgeae.runtime.outputs.page import history
from edgeae.runtime.outputs.page.history import OTHERS, WINDOWS, History, Viewer


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
    return clock


@pytest.fixture
def told(clock: Clock) -> History:
    """Of one source that was calibrated and is heard."""
    made = History()
    for line in (about(), status("listening")):
        made.deliver(line)
    return made


def hear(to: History, clock: Clock, *scores: float, source: str = "hw:1") -> None:
    """A window a second."""
    for value in scores:
        clock.seconds += 1
        to.deliver(bands(round(100 + 10 * value), source=source))
        to.deliver(score(value, source))


def test_a_viewer_is_told_the_past_first_and_then_what_is_new(told: History, clock: Clock) -> None:
    viewer = Viewer(told, 0)
    hear(told, clock, -1.0, 0.5)
    past = viewer.news()
    assert past["looked_at"] == 0
    assert past["windows"] == [(1001000, -1.0, -31.2), (1002000, 0.5, -31.2)]
    assert column(past["columns"]) == [90] * N_BANDS + [105] * N_BANDS
    assert past["about"]["windows"] == 60
    assert "windows" not in viewer.news()
    hear(told, clock, 1.0)
    news = viewer.news()
    assert "looked_at" not in news
    assert news["windows"] == [(1003000, 1.0, -31.2)]
    assert news["minute"] == [
        1001000 if 1001000 // 60000 == 1003000 // 60000 else 1003000,
        -1.0,
        0.17,
        1.0,
    ]


def test_the_age_of_sound_places_it_in_time(told: History, clock: Clock) -> None:
    told.deliver(score(0.1, age=2.5))
    assert Viewer(told, 0).news()["windows"][0][0] == 997500


def test_a_minute_keeps_least_mean_and_most(told: History, clock: Clock) -> None:
    clock.seconds = 1019.0  # the next is a minute's first
    hear(told, clock, *[0.0] * 30, *[1.0] * 29, 4.0, 7.0)
    assert Viewer(told, 0).news()["minutes"] == [
        [1020000, 0.0, 0.55, 4.0],
        [1080000, 7.0, 7.0, 7.0],
    ]


def test_an_event_is_told_when_it_starts_and_ends(told: History, clock: Clock) -> None:
    viewer = Viewer(told, 0)
    hear(told, clock, 1.0)
    viewer.news()
    told.deliver(event("start", clip="/a/path.flac"))
    news = viewer.news()
    assert news["sources"][0]["alarm"]
    assert news["sources"][0]["since"] == news["events"][0]["at"] == 1001000
    assert news["events"][0]["clip"] is True, "its path stays here"
    clock.seconds += 30
    told.deliver(event("end", duration=30.0, clip="/a/path.flac"))
    news = viewer.news()
    assert (news["events"][0]["end"], news["events"][0]["duration"]) == (1031000, 30.0)
    assert not news["sources"][0]["alarm"]
    assert told.clip(0, 1) == "/a/path.flac"
    assert [told.clip(0, 2), told.clip(1, 1), told.clip(-1, 1)] == [None] * 3


def test_gaps_health_and_drift_are_part_of_the_state(told: History, clock: Clock) -> None:
    hear(told, clock, 1.0)
    told.deliver(gap(1.5))
    told.deliver(gap(0.5))
    told.deliver(status("tracking", drift=0.25))
    told.deliver(status("clipping", sentence="turn the gain down"))
    state = Viewer(told, 0).news()["sources"][0]
    assert (state["gaps"], state["lost"], state["drift"], state["why"]) == (
        2,
        2.0,
        0.25,
        "turn the gain down",
    )
    told.deliver(status("ok", sentence="the sound can be judged again"))
    assert Viewer(told, 0).news()["sources"][0]["why"] is None


def test_other_sources_are_told_seldom_unless_something_happens(
    told: History, clock: Clock
) -> None:
    told.deliver(about("hw:2", "fan-2"))
    viewer = Viewer(told, 0)
    assert set(viewer.news()["sources"]) == {0, 1}
    hear(told, clock, 0.1, source="hw:2")  # of machine pump-3: yet another source
    seen: list[Any] = []
    for _ in range(OTHERS + 1):
        hear(told, clock, 0.1)
        seen.append(set(viewer.news()["sources"]))
    assert seen[1:] == [{0}] * (OTHERS - 2) + [{0, 1, 2}] + [{0}]
    told.deliver(event("start", "hw:2", machine="fan-2"))
    assert set(viewer.news()["sources"]) == {0, 1}


def test_a_viewer_may_come_before_its_source(clock: Clock) -> None:
    made = History()
    viewer = Viewer(made, 0)
    assert viewer.news()["sources"] == {}
    made.deliver(about())
    assert viewer.news()["looked_at"] == 0


def test_memory_ends(told: History, clock: Clock) -> None:
    hear(told, clock, *[0.0] * (WINDOWS + 50))
    for _ in range(200):
        told.deliver(gap(0.1))
        told.deliver(event("start"))
    for k in range(200):
        told.deliver(status("listening", source=f"hw:{k + 2}"))
    news = Viewer(told, 0).news()
    assert len(news["windows"]) == WINDOWS
    assert (len(news["events"]), len(news["gap_list"]), len(news["sources"])) == (20, 100, 64)
    assert news["sources"][0]["gaps"] == 200


def test_a_viewer_that_sleeps_misses_what_is_gone_and_no_more(told: History, clock: Clock) -> None:
    viewer = Viewer(told, 0)
    viewer.news()
    hear(told, clock, *[0.0] * WINDOWS, *[1.0] * 10)
    news = viewer.news()
    assert len(news["windows"]) == WINDOWS
    assert news["windows"][-1][1] == 1.0
    assert "windows" not in viewer.news()


def test_lines_of_outputs_are_not_wanted(told: History) -> None:
    assert not told.wants(status("degraded", source="edgeae", machine=None))
