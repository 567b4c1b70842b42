"""Lines become events and minutes that survive restarts, within limits."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from example_lines import event, score, status

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.database import DamagedError
from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.page.history_database import (
    ChartFilter,
    EventFilter,
    HistoryDatabase,
    NewEvent,
    StoredEvent,
)
from edgeae.runtime.outputs.page.history_store import HistoryLimits, HistoryStore

Open = Callable[..., HistoryStore]
START = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = HistoryLimits(flush_seconds=0.0)


def at(seconds: float) -> str:
    """The time of a line."""
    return (START + timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@pytest.fixture
def open_store(path: Path) -> Iterator[Open]:
    """``open_store(*lines, **options)``: a store in the file, which the test may close."""
    stores: list[HistoryStore] = []

    def make(*lines: RunLine, limits: HistoryLimits = QUICK, synced: bool = False) -> HistoryStore:
        store = HistoryStore(path, limits, clock_is_right=lambda: synced)
        stores.append(store)
        for line in lines:
            store.deliver(line)
        return store

    yield make
    for store in stores:
        store._release()


def events(store: HistoryStore) -> list[StoredEvent]:
    """All events, the oldest first."""
    return store.events(EventFilter(), 1000)[::-1]


def test_an_alarm_is_one_event_from_start_to_end(open_store: Open) -> None:
    store = open_store(
        event("start", time=at(10), clip="/a/b.flac"),
        event("update", time=at(70), duration=60.0, peak=4.0),
        event("end", time=at(100), duration=90.0, peak=4.0, sentence="normal again"),
    )
    [stored] = events(store)
    assert (stored.kind, stored.machine, stored.clip) == ("alarm", "pump-3", "/a/b.flac")
    assert stored.start_ms == round(1000 * START.timestamp()) + 10_000
    assert stored.end_ms == stored.start_ms + 90_000
    assert (stored.peak, stored.sentence) == (4.0, "normal again")


def test_a_burst_is_an_event_of_its_own_and_leaves_the_alarm(open_store: Open) -> None:
    store = open_store(event("start"), event("burst", kind="burst", duration=0.5))
    alarm, burst = events(store)
    assert (alarm.kind, alarm.end_ms) == ("alarm", None)
    assert burst.kind == "burst"
    assert burst.end_ms == burst.start_ms + 500


def test_a_lost_microphone_is_an_event_until_it_is_back(open_store: Open) -> None:
    store = open_store(
        status("lost", time=at(0), sentence="unplugged"),
        status("lost", time=at(5), sentence="there is no device"),
        status("listening", time=at(60)),
    )
    [stored] = events(store)
    assert (stored.kind, stored.sentence) == ("microphone", "there is no device")
    assert stored.end_ms == stored.start_ms + 60_000


def test_each_state_of_the_sound_is_an_event(open_store: Open) -> None:
    store = open_store(
        status("silence", sentence="muted"),
        status("silence", sentence="muted"),
        status("clipping", sentence="too loud"),
        status("ok"),
    )
    stored = events(store)
    assert [one.sentence for one in stored] == ["muted", "too loud"]
    assert all(one.kind == "sound" and one.end_ms is not None for one in stored)


def test_the_history_survives_a_restart(open_store: Open) -> None:
    first = open_store(
        event("start", time=at(0)),
        event("end", time=at(9), duration=9.0),
        event("start", time=at(20)),
        event("update", time=at(80), duration=60.0),
        *(score(k, time=at(k)) for k in range(0, 180, 10)),
    )
    first.judge(1, "fault")
    first.close()
    second = open_store()
    assert second.is_lasting
    done, cut_off = events(second)
    assert (done.verdict, done.interrupted) == ("fault", 0)
    assert (cut_off.interrupted, cut_off.end_ms) == (1, cut_off.updated_ms)
    points = second.scores("hw:1", "pump-3", ChartFilter())
    assert [point[1:] for point in points] == [(0, 25, 50), (60, 85, 110), (120, 145, 170)]


def test_a_kill_loses_no_event(open_store: Open, path: Path) -> None:
    store = open_store(event("start", time=at(0)))
    store._release()  # the lock ends with a process; the database is not closed
    [stored] = events(open_store())
    assert stored.interrupted == 1


def test_a_damaged_file_is_set_aside_with_a_sentence(
    open_store: Open, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(b"rubbish" * 500)
    store = open_store(event("start"))
    assert len(events(store)) == 1
    aside = path.with_name("history.sqlite3.damaged")
    assert aside.read_bytes() == b"rubbish" * 500
    assert f"{path}: was damaged" in capsys.readouterr().err


def test_a_file_that_is_damaged_while_it_is_used_is_set_aside(
    open_store: Open,
    path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = open_store(event("start", sentence="earlier"))

    def damaged(new: NewEvent) -> int:
        raise DamagedError("database disk image is malformed")

    monkeypatch.setattr(store._database, "add_event", damaged)
    store.deliver(event("start", sentence="later"))
    assert [one.sentence for one in events(store)] == ["later"]
    assert path.with_name("history.sqlite3.damaged").exists()
    assert "malformed" in capsys.readouterr().err


def test_a_file_that_is_deleted_is_begun_again(open_store: Open, path: Path) -> None:
    store = open_store(event("start"), limits=HistoryLimits())
    path.unlink()
    store.deliver(event("start", sentence="later"))
    assert path.exists()
    assert [one.sentence for one in events(store)] == ["later"]
    assert "moved or deleted" in str(store.trouble)


def test_while_the_folder_is_away_the_history_is_in_memory_and_then_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "history.sqlite3"
    store = HistoryStore(path, HistoryLimits())
    store.deliver(event("start", sentence="earlier", source="hw:0"))
    away = folder.rename(tmp_path / "away")
    store.deliver(score(3.0, time=at(0)))
    store.deliver(event("start", time=at(1), sentence="meanwhile"))
    store._flush()
    assert [one.sentence for one in events(store)] == ["meanwhile"]
    assert store.judge(1, "fault")
    assert "events are kept in memory" in str(store.trouble)
    assert f"{path}: cannot be written" in capsys.readouterr().err

    away.rename(folder)
    store.deliver(score(5.0, time=at(2)))
    store._flush()
    assert store.trouble is None
    assert store.is_lasting
    store.deliver(event("end", time=at(61), duration=60.0, sentence="over"))
    store.close()
    with closing(HistoryDatabase(path)) as database:
        earlier, later = database.events(EventFilter(), 9)[::-1]
        assert (earlier.sentence, earlier.interrupted) == ("earlier", 1)
        assert (later.sentence, later.interrupted, later.verdict) == ("over", 0, "fault")
        assert later.end_ms == later.start_ms + 60_000
        [point] = database.scores(later.source_id, ChartFilter())
        assert point[1:] == (3.0, 4.0, 5.0)


def test_one_process_at_a_time_keeps_a_file(open_store: Open) -> None:
    open_store()
    with pytest.raises(ConfigError, match="another process"):
        open_store()


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--page-history .*cannot be written \(No such file"):
        HistoryStore(tmp_path / "no-folder" / "h.sqlite3")


def test_old_events_are_deleted_only_while_the_clock_is_right(open_store: Open) -> None:
    old = (event("start", time=at(0)), event("end", time=at(9), duration=9.0))
    store = open_store(*old, limits=HistoryLimits(days=1.0, flush_seconds=0.0))
    assert len(events(store)) == 1
    store.close()
    store = open_store(score(), limits=HistoryLimits(days=1.0, flush_seconds=0.0), synced=True)
    assert events(store) == []


def test_events_and_bytes_are_limited(open_store: Open, path: Path) -> None:
    limits = HistoryLimits(max_events=50, megabytes=0.3, flush_seconds=0.0)
    store = open_store(limits=limits)
    for k in range(400):
        store.deliver(event("burst", kind="burst", sentence="x" * 2000, time=at(k)))
    assert len(events(store)) <= 51
    assert path.stat().st_size <= 300_000
    assert store.trouble is None


def test_the_revision_changes_with_the_events_and_not_with_scores(open_store: Open) -> None:
    store = open_store(event("start"))
    revision = store.revision
    store.deliver(score())
    assert store.revision == revision
    store.acknowledge(1, is_seen=True)
    assert store.revision > revision


def test_without_a_file_the_history_is_in_memory() -> None:
    store = HistoryStore()
    store.deliver(event("start"))
    assert len(events(store)) == 1
    assert not store.is_lasting
