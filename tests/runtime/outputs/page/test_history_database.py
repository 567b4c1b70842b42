"""Days of events and scores in SQLite."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeae.runtime.outputs.database import DamagedError, DatabaseError, DiskError
from edgeae.runtime.outputs.page.history_database import (
    ChartFilter,
    EventFilter,
    HistoryDatabase,
    NewEvent,
    StoredMinute,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[HistoryDatabase]:
    with closing(HistoryDatabase(path)) as database:
        yield database


def alarm(source_id: int = 1, start_ms: int = 1000, end_ms: int | None = None) -> NewEvent:
    return NewEvent(source_id, "alarm", start_ms, start_ms, "louder", end_ms=end_ms)


def test_a_source_keeps_its_number(database: HistoryDatabase, path: Path) -> None:
    number = database.source_id("hw:1", "pump-3")
    assert database.source_id("hw:1", "fan-2") != number
    with closing(HistoryDatabase(path)) as again:
        assert again.source_id("hw:1", "pump-3") == number


def test_events_are_filtered_and_the_newest_comes_first(database: HistoryDatabase) -> None:
    one = database.source_id("hw:1", "pump-3")
    two = database.source_id("hw:2", "")
    first = database.add_event(alarm(one, 1000, 2000))
    second = database.add_event(alarm(two, 3000))
    burst = database.add_event(NewEvent(one, "burst", 4000, 4000, "a bang", end_ms=4000))
    database.acknowledge(first, 9000)

    def ids(**wanted: int | str | bool) -> list[int]:
        return [event.id for event in database.events(EventFilter(**wanted), 10)]  # type: ignore[arg-type]

    assert ids() == [burst, second, first]
    assert ids(source_id=one) == [burst, first]
    assert ids(kind="alarm") == [second, first]
    assert ids(since_ms=2500) == [burst, second]
    assert ids(before_id=burst) == [second, first]
    assert ids(is_open=True) == [burst, second]
    assert [event.id for event in database.events(EventFilter(), 1)] == [burst]


def test_a_verdict_is_stored_and_taken_back(database: HistoryDatabase) -> None:
    number = database.add_event(alarm(database.source_id("hw:1", "")))
    assert database.judge(number, "fault", 5000)
    event = database.event(number)
    assert event and (event.verdict, event.verdict_ms) == ("fault", 5000)
    assert database.judge(number, None, 6000)
    event = database.event(number)
    assert event and (event.verdict, event.verdict_ms) == (None, None)
    assert not database.judge(number + 1, "fault", 1)
    assert not database.acknowledge(number + 1, 1)


def test_an_event_that_went_on_at_the_end_is_interrupted(database: HistoryDatabase) -> None:
    number = database.add_event(alarm(database.source_id("hw:1", "")))
    database.update_event(number, now_ms=7000, peak=3.0, cause="machine", sentence="louder")
    database.interrupt_events()
    event = database.event(number)
    assert event and (event.end_ms, event.interrupted, event.peak) == (7000, 1, 3.0)


def test_points_of_a_chart_join_minutes(database: HistoryDatabase) -> None:
    source = database.source_id("hw:1", "")
    database.add_minutes([StoredMinute(source, k, -1.0 - k, k, 1.0 + k) for k in range(6)])
    assert len(database.scores(source, ChartFilter())) == 6
    chart = ChartFilter(since_minute=2, minutes_per_point=2)
    assert database.scores(source, chart) == [(2, -4.0, 2.5, 4.0), (4, -6.0, 4.5, 6.0)]


def test_a_chart_ends_at_a_time_and_has_the_newest_points(database: HistoryDatabase) -> None:
    source = database.source_id("hw:1", "")
    database.add_minutes([StoredMinute(source, k, 0.0, 0.0, 0.0) for k in range(9)])

    def minutes(chart: ChartFilter) -> list[int]:
        return [point[0] for point in database.scores(source, chart)]

    assert minutes(ChartFilter(since_minute=2, until_minute=4)) == [2, 3, 4]
    assert minutes(ChartFilter(until_minute=6, max_points=2)) == [5, 6]


def test_a_minute_that_a_restart_divides_is_joined(database: HistoryDatabase) -> None:
    source = database.source_id("hw:1", "")
    database.add_minutes([StoredMinute(source, 5, -1.0, 0.0, 1.0)])
    database.add_minutes([StoredMinute(source, 5, -3.0, 1.0, 0.5)])
    assert database.scores(source, ChartFilter()) == [(5, -3.0, 0.5, 1.0)]


def test_the_mean_of_a_minute_and_of_a_point_counts_each_window_once(
    database: HistoryDatabase,
) -> None:
    source = database.source_id("hw:1", "")
    database.add_minutes([StoredMinute(source, 4, 0.0, 1.0, 2.0, n_windows=50)])
    database.add_minutes([StoredMinute(source, 4, 0.0, 7.0, 9.0, n_windows=10)])
    database.add_minutes([StoredMinute(source, 5, 0.0, 6.0, 6.0, n_windows=20)])
    assert database.scores(source, ChartFilter(until_minute=4)) == [(4, 0.0, 2.0, 9.0)]
    assert database.scores(source, ChartFilter(minutes_per_point=2)) == [(4, 0.0, 3.0, 9.0)]


def test_a_database_without_numbers_of_windows_is_continued(path: Path) -> None:
    HistoryDatabase(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE minutes DROP COLUMN n_windows")
        other.execute("INSERT INTO minutes VALUES (1, 5, 0.0, 1.0, 2.0)")
        other.execute("PRAGMA user_version = 1")
        other.commit()
    for _ in range(2):
        with closing(HistoryDatabase(path)) as database:
            assert database.scores(1, ChartFilter()) == [(5, 0.0, 1.0, 2.0)]


def test_what_is_old_is_deleted_but_not_an_event_that_goes_on(database: HistoryDatabase) -> None:
    source = database.source_id("hw:1", "")
    database.add_event(alarm(source, 1000, 2000))
    lasting = database.add_event(alarm(source, 1000))
    database.add_minutes([StoredMinute(source, k, 0, 0, 0) for k in (0, 5)])
    database.delete_before(120_000)
    assert [event.id for event in database.events(EventFilter(), 9)] == [lasting]
    assert [point[0] for point in database.scores(source, ChartFilter())] == [5]


def test_the_file_never_becomes_larger_than_its_limit(
    database: HistoryDatabase, path: Path
) -> None:
    source = database.source_id("hw:1", "")
    database.limit_bytes(200_000)
    with pytest.raises(DiskError):
        for start in range(0, 10**6, 500):
            minutes = [StoredMinute(source, start + k, 0.5, 0.5, 0.5) for k in range(500)]
            database.add_minutes(minutes)
    assert path.stat().st_size <= 200_000
    database.delete_oldest(0, 3000)
    database.add_minutes([StoredMinute(source, 10**7, 0, 0, 0)])


def test_each_change_is_on_the_disk_and_survives_a_kill(path: Path) -> None:
    with closing(HistoryDatabase(path)) as database:
        execute = database._connection.execute
        assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        database.add_event(alarm(database.source_id("hw:1", "")))
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT sentence FROM events").fetchall() == [("louder",)]


def test_a_file_that_is_no_database_is_damaged(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(DamagedError, match="not a database"):
        HistoryDatabase(path)


def test_a_database_of_another_format_is_damaged(path: Path) -> None:
    HistoryDatabase(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(DamagedError, match="format 99"):
        HistoryDatabase(path)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="another program") as refusal:
        HistoryDatabase(path)
    assert not isinstance(refusal.value, DamagedError)
    assert path.read_bytes() == before
