"""Queries about days, and their answers."""

from datetime import UTC, datetime, timedelta

import pytest
from example_lines import event, score

from edgeae.runtime.outputs.page.history_query import (
    MAX_EVENTS,
    MAX_POINTS,
    events_answer,
    number,
    parameters,
    scores_answer,
)
from edgeae.runtime.outputs.page.history_store import HistoryLimits, HistoryStore

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_numbers_and_words_of_a_query_are_read() -> None:
    values = parameters("source=1&kind=alarm&since=1700000000000")
    assert (number(values, "source"), values["kind"]) == (1, "alarm")
    assert number(values, "since") == 1_700_000_000_000
    assert number(values, "kind") is None


@pytest.mark.parametrize("query", ["source=-1", "source=1e9", "source=%00", "source=", "x" * 999])
def test_anything_else_is_ignored(query: str) -> None:
    assert number(parameters(query), "source") is None


def test_an_answer_is_limited_and_says_that_there_are_more() -> None:
    store = HistoryStore()
    for _ in range(MAX_EVENTS + 1):
        store.deliver(event("burst", kind="burst"))
    answer = events_answer(store, {})
    assert (len(answer["events"]), answer["more"]) == (MAX_EVENTS, True)
    last = {"before": str(answer["events"][-1]["id"])}
    answer = events_answer(store, last)
    assert (len(answer["events"]), answer["more"]) == (1, False)


def test_the_path_of_a_clip_is_not_shown() -> None:
    store = HistoryStore()
    store.deliver(event("start", clip="/secret/place/clip.flac"))
    answer = events_answer(store, {})
    assert answer["events"][0]["clip"] is True
    assert answer["events"][0]["clip_name"] == "clip.flac"
    assert "secret" not in str(answer)


def test_an_unknown_kind_is_no_filter() -> None:
    store = HistoryStore()
    store.deliver(event("start"))
    assert len(events_answer(store, {"kind": "nonsense"})["events"]) == 1


def test_a_chart_of_a_month_has_a_limited_number_of_points() -> None:
    store = HistoryStore(limits=HistoryLimits(flush_seconds=0.0))
    for minute in range(0, 30 * 1440, 7):
        time = (START + timedelta(minutes=minute)).isoformat()
        store.deliver(score(1.0, time=time))
    since = round(1000 * START.timestamp())
    values = {"since": str(since), "until": str(since + 30 * 86_400_000)}
    answer = scores_answer(store, "hw:1", "pump-3", values)
    assert 1000 < len(answer["points"]) <= MAX_POINTS + 1
    assert answer["seconds"] == 60 * 29
    at, *values_of_point = answer["points"][0]
    assert since - 60_000 * 29 < at <= since
    assert values_of_point == [1.0, 1.0, 1.0]
    assert scores_answer(store, "hw:9", None, values)["points"] == []


def test_a_chart_has_a_limited_number_of_points_whatever_is_asked() -> None:
    store = HistoryStore(limits=HistoryLimits(flush_seconds=0.0))
    for minute in range(0, 2 * MAX_POINTS):
        time = (START + timedelta(minutes=minute)).isoformat()
        store.deliver(score(1.0, time=time))
    since = round(1000 * START.timestamp())
    until = since + 60_000 * 2 * MAX_POINTS
    backwards = {"since": str(until), "until": str(since)}
    queries: list[dict[str, str]] = [{}, {"since": str(since)}, backwards]
    for query in queries:
        assert len(scores_answer(store, "hw:1", "pump-3", query)["points"]) <= MAX_POINTS + 1
    values = {"since": str(since), "until": str(since + 10 * 60_000)}
    points = scores_answer(store, "hw:1", "pump-3", values)["points"]
    assert [at for at, *_ in points] == [since + 60_000 * minute for minute in range(11)]
