"""Answers of the page about days: events by source, kind and time, and the points of a chart."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from .history_database import EVENT_KINDS, ChartFilter, EventFilter, StoredEvent
from .history_store import HistoryStore
from .source_history import MILLISECONDS_PER_MINUTE

MAX_QUERY_CHARACTERS = 200
MAX_EVENTS = 50  # in one answer
MAX_POINTS = 1500  # of a chart

Parameters = Mapping[str, str]


def parameters(query: str) -> dict[str, str]:
    """The parameters of a query: numbers and words; anything else in it is ignored."""
    given = parse_qs(query[:MAX_QUERY_CHARACTERS])
    return {
        name: values[0]
        for name, values in given.items()
        if re.fullmatch(r"\d{1,15}|[a-z]{1,20}", values[0])
    }


def number(values: Parameters, name: str) -> int | None:
    """A number of a query; None without it."""
    text = values.get(name, "")
    return int(text) if text.isdigit() else None


def events_answer(store: HistoryStore, values: Parameters) -> dict[str, Any]:
    """The newest events that fit the query, and the sources that can be chosen."""
    kind = values.get("kind")
    wanted = EventFilter(
        source_id=number(values, "source"),
        kind=kind if kind in EVENT_KINDS else None,
        since_ms=number(values, "since"),
        before_id=number(values, "before"),
        is_open=values.get("open") == "yes",
    )
    events = store.events(wanted, MAX_EVENTS + 1)
    return {
        "events": [_shown(event) for event in events[:MAX_EVENTS]],
        "more": len(events) > MAX_EVENTS,
        "sources": [source._asdict() for source in store.sources()],
        "days": store.limits.days if store.is_lasting else None,
    }


def scores_answer(
    store: HistoryStore, source: str, machine: str | None, values: Parameters
) -> dict[str, Any]:
    """The points of a chart of a time; each is one minute, or several of a long time.

    Without `until` the time ends now.
    """
    since_ms = number(values, "since") or 0
    until_ms = number(values, "until") or round(1000 * time.time())
    n_minutes = max(1, (until_ms - since_ms) // MILLISECONDS_PER_MINUTE)
    minutes_per_point = max(1, -(-n_minutes // MAX_POINTS))
    chart = ChartFilter(
        since_minute=since_ms // MILLISECONDS_PER_MINUTE,
        until_minute=until_ms // MILLISECONDS_PER_MINUTE,
        minutes_per_point=minutes_per_point,
        max_points=MAX_POINTS + 1,
    )
    points = store.scores(source, machine, chart)
    return {
        "seconds": 60 * minutes_per_point,
        "points": [
            [minute * MILLISECONDS_PER_MINUTE, lowest, round(mean, 2), highest]
            for minute, lowest, mean, highest in points
        ],
    }


def _shown(event: StoredEvent) -> dict[str, Any]:
    """An event for the page; the path of its clip stays here."""
    clip = Path(event.clip) if event.clip else None
    return {
        **event._asdict(),
        "clip": clip is not None,
        "clip_name": clip.name if clip else None,
    }
