"""A person says that the last event was normal: with a file, or through an output."""

from pathlib import Path
from typing import Any

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.live.feedback import FeedbackFile, handle_feedback
from edgeae.runtime.outputs.feedback import FeedbackQueue, FeedbackWay, NormalMessage, PauseMessage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "normal"


def test_the_file_is_a_message_once_and_removed(path: Path) -> None:
    feedback = FeedbackFile(path, check_seconds=0.0)
    assert not feedback.poll()
    path.touch()
    assert feedback.poll()
    assert not path.exists()
    assert not feedback.poll()


def test_it_is_looked_for_once_a_second(path: Path) -> None:
    feedback = FeedbackFile(path, check_seconds=1000.0)
    assert not feedback.poll()
    path.touch()
    assert not feedback.poll()
    assert path.exists()


def test_a_message_from_before_the_start_is_removed(path: Path) -> None:
    path.touch()
    feedback = FeedbackFile(path, check_seconds=0.0)
    assert not feedback.poll()
    assert not path.exists()


def test_a_file_with_content_is_refused_and_kept(path: Path) -> None:
    path.write_text("my notes")
    with pytest.raises(ConfigError, match="is not empty, and would be removed"):
        FeedbackFile(path)
    assert path.read_text() == "my notes"


def test_a_link_is_refused_and_kept(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="name a file that does not exist yet"):
        FeedbackFile(path)
    assert path.is_symlink()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose another place"):
        FeedbackFile(tmp_path / "missing" / "normal")


def test_what_cannot_be_removed_is_no_message_and_reported_once(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feedback = FeedbackFile(path, check_seconds=0.0)
    path.mkdir()
    assert not feedback.poll()
    assert not feedback.poll()
    assert capsys.readouterr().err.count("cannot be removed") == 1


class _Source:
    """A source with an alarm or an event."""

    def __init__(
        self, *, name: str = "hw:1", alarm: bool = False, event_time: float = float("-inf")
    ) -> None:
        self.name = name
        self.alarm_active = alarm
        self.last_event_time = event_time
        self.accepted: list[FeedbackWay] = []

        self.calls: list[str] = []

    def accept(self, way: FeedbackWay) -> None:
        self.accepted.append(way)

    def pause(self, way: FeedbackWay) -> None:
        self.calls.append(f"pause {way}")

    def resume(self, way: FeedbackWay) -> None:
        self.calls.append(f"resume {way}")


@pytest.mark.parametrize(
    ("sources", "accepted"),
    [
        ([_Source(alarm=True, event_time=1.0), _Source(event_time=2.0)], [True, False]),
        ([_Source(event_time=1.0), _Source(event_time=2.0), _Source()], [False, True, False]),
        ([_Source(), _Source()], [True, True]),
    ],
)
def test_a_file_is_about_alarms_else_the_last_event_else_all(
    sources: list[Any], accepted: list[bool], path: Path
) -> None:
    file = FeedbackFile(path, check_seconds=0.0)
    path.touch()
    handle_feedback(sources, file, FeedbackQueue())
    assert [source.accepted == ["file"] for source in sources] == accepted


def test_a_message_of_an_output_is_about_its_source_alone() -> None:
    sources: list[Any] = [_Source(name="hw:1", alarm=True), _Source(name="hw:2")]
    queue = FeedbackQueue()
    queue.put(NormalMessage("hw:2", "mqtt"))
    queue.put(NormalMessage("gone", "page"))
    handle_feedback(sources, None, queue)
    handle_feedback(sources, None, queue)
    assert [source.accepted for source in sources] == [[], ["mqtt"]]


def test_a_source_is_paused_and_resumed() -> None:
    sources: list[Any] = [_Source(name="hw:1"), _Source(name="hw:2")]
    queue = FeedbackQueue()
    for is_paused in (True, False):
        queue.put(PauseMessage("hw:2", "mqtt", is_paused))
        handle_feedback(sources, None, queue)
    assert [source.calls for source in sources] == [[], ["pause mqtt", "resume mqtt"]]
