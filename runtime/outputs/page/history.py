"""The history of all sources, and what each viewer of the live page has not received yet.

    lines --deliver--> SourceHistory of each source: ten minutes of windows, a day of minutes,
                       the last events and gaps
                       --message--> what is new for one viewer

Nothing waits for a viewer. Each asks once a second for what is new; one that asks too seldom misses
what the history does not keep any more.
"""

import time
from threading import Lock

from ...system.identity import SourceIdentity
from ..latest import MAX_SOURCES, Latest, is_about_source
from ..lines import Line, RunLine
from ..sink import Sink
from .history_store import HistoryStore
from .source_history import Message, SourceHistory, monotonic_milliseconds

OTHER_SOURCES_INTERVAL = 5  # messages; one in so many has the state of every source


class History(Sink[Line]):
    """The sink of `--page`; its viewers read it."""

    name = "page"

    def __init__(self) -> None:
        self._sources: dict[tuple[str | None, str], SourceHistory] = {}
        self.lock = Lock()

    def wants(self, line: Line) -> bool:
        return not isinstance(line, RunLine) or is_about_source(line)

    def deliver(self, line: Line) -> None:
        key = (line.machine, line.source)
        with self.lock:
            if key not in self._sources and len(self._sources) < MAX_SOURCES:
                self._sources[key] = SourceHistory(Latest(line.source, line.machine))
            if key in self._sources:
                self._sources[key].add(line)

    def close(self) -> None:
        """Keep the history: viewers read it until the process ends."""

    def source(self, index: int | None) -> SourceIdentity | None:
        """A source by its index; None if there is none."""
        with self.lock:
            identities = list(self.identities())
            return identities[index] if index is not None and index < len(identities) else None

    def identities(self) -> list[SourceIdentity]:
        """The sources that are listened to, in the order of their first line."""
        return [SourceIdentity(source, machine) for machine, source in list(self._sources)]

    def sources(self) -> list[SourceHistory]:
        """The sources in the order of their first line; the caller holds `lock`."""
        return list(self._sources.values())


class Viewer:
    """One open page: it receives all of one source, and the state of the others."""

    def __init__(self, history: History, source: int, store: HistoryStore) -> None:
        """source: index of the source that is selected.

        store: the events of days, which a viewer asks for when their revision changes.
        """
        self._store = store
        self._history = history
        self._source = source
        self._n_messages = 0
        self._n_windows = 0  # of the selected source, received so far
        self._n_changes: dict[int, int] = {}  # by source, received so far

    def message(self) -> Message:
        """What is new since the last call; at the first call, the whole history."""
        message: Message = {
            "now": monotonic_milliseconds(),
            "clock": round(time.time() * 1000),
            "revision": self._store.revision,
            "sources": {},
        }
        with self._history.lock:
            sources = self._history.sources()
            if self._source < len(sources):
                message |= self._selected(sources[self._source])
            for index, source in enumerate(sources):
                if self._is_due(index, source):
                    message["sources"][index] = source.state()
                self._n_changes[index] = source.n_changes
        self._n_messages += 1
        return message

    def _is_due(self, index: int, source: SourceHistory) -> bool:
        """True if this message has the state of the source."""
        return (
            index == self._source
            or self._n_messages % OTHER_SOURCES_INTERVAL == 0
            or source.n_changes != self._n_changes.get(index)
        )

    def _selected(self, source: SourceHistory) -> Message:
        n_changes = self._n_changes.get(self._source)
        n_windows = self._n_windows
        self._n_windows = source.n_windows
        if n_changes is None:
            return {**source.past(), "selected": self._source}
        return source.since(n_windows, n_changes)
