"""Number and time of the lines of one process."""

from datetime import UTC, datetime, timedelta

import pytest
from example_lines import event, gap, score
from kept_lines import Kept

from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.publisher import LinePublisher


@pytest.fixture
def shown() -> list[RunLine]:
    return []


@pytest.fixture
def publisher(shown: list[RunLine]) -> LinePublisher:
    return LinePublisher(shown.append, [])


def test_lines_are_numbered_in_their_order(publisher: LinePublisher, shown: list[RunLine]) -> None:
    for line in (score(), event(), gap()):
        publisher.publish(line, "pump-3")
    assert [line.sequence for line in shown] == [0, 1, 2]
    assert [type(line) for line in shown] == [type(score()), type(event()), type(gap())]
    assert {line.machine for line in shown} == {"pump-3"}


def test_the_time_of_a_line_is_that_of_its_sound(publisher: LinePublisher) -> None:
    new = datetime.fromisoformat(publisher.add_sequence_and_time(gap()).time)
    old = datetime.fromisoformat(publisher.add_sequence_and_time(gap(), age=3600.0).time)
    assert new.utcoffset() == timedelta(0)
    assert timedelta(minutes=50) < new - old < timedelta(minutes=70)
    assert new <= datetime.now(UTC)


def test_only_a_score_says_its_age(publisher: LinePublisher) -> None:
    assert publisher.add_sequence_and_time(score(age=None), age=0.12345).age == 0.123
    assert "age" not in publisher.add_sequence_and_time(gap(), age=0.12345).to_dict()


def test_a_line_that_is_not_sent_is_seen_by_nobody(
    publisher: LinePublisher, shown: list[RunLine]
) -> None:
    line = publisher.add_sequence_and_time(score())
    assert shown == []
    publisher.send(line)
    assert shown == [line]


def test_every_output_gets_every_line() -> None:
    sinks = [Kept(), Kept()]
    outboxes = [Outbox(sink) for sink in sinks]
    publisher = LinePublisher(None, outboxes)
    publisher.publish(score())
    publisher.publish(gap())
    for outbox in outboxes:
        assert outbox.close(20) == 0
    assert [[line.sequence for line in sink.lines] for sink in sinks] == [[0, 1], [0, 1]]


def test_sound_of_a_file_waits_for_a_slow_output() -> None:
    sink = Kept()
    outbox = Outbox[RunLine](sink, 1)
    publisher = LinePublisher(None, [outbox], waits=True)
    for _ in range(50):
        publisher.publish(score())
    assert outbox.close(20) == 0
    assert (outbox.dropped, len(sink.lines)) == (0, 50)
