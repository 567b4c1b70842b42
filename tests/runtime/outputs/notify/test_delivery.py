"""The queue of one service: order, time, attempts."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Condition

import pytest

from edgeae.runtime.outputs.notify.delivery import Delivery, DeliveryLimits, Notification
from edgeae.runtime.outputs.notify.message import Message
from edgeae.runtime.outputs.sink import OutputError

QUICK = DeliveryLimits(
    clip_seconds=20.0, check_seconds=0.01, first_pause_seconds=0.01, max_pause_seconds=0.02
)


class KeptSender:
    """Keeps what it is sent; fails so many times first."""

    name = "kept"
    takes_files = True

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[tuple[str, bool]] = []
        self.changed = Condition()

    def send(self, message: Message, *, with_files: bool) -> None:
        with self.changed:
            if self.failures:
                self.failures -= 1
                raise OutputError("kept: it is down")
            self.sent.append((message.title, with_files))
            self.changed.notify_all()

    def wait_for(self, n: int) -> list[tuple[str, bool]]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sent) >= n, 30)
            return self.sent


@pytest.fixture
def sender() -> KeptSender:
    return KeptSender()


@pytest.fixture
def delivery(sender: KeptSender) -> Iterator[Delivery]:
    made = Delivery(sender, QUICK)
    yield made
    made.end()
    made.join(10)


def text(title: str, **fields: object) -> Notification:
    return Notification(lambda: Message(title, "", "failure"), **fields)  # type: ignore[arg-type]


def test_notifications_are_sent_in_order(delivery: Delivery, sender: KeptSender) -> None:
    for title in ("one", "two", "three"):
        delivery.put(text(title))
    assert [title for title, _ in sender.wait_for(3)] == ["one", "two", "three"]


def test_a_failure_is_tried_again_and_later_without_files(
    delivery: Delivery, sender: KeptSender
) -> None:
    sender.failures = 3
    delivery.put(text("one"))
    assert sender.wait_for(1) == [("one", False)]
    delivery.put(text("two"))
    assert sender.wait_for(2)[1] == ("two", True)
    assert (delivery.lost, delivery.trouble) == (0, None)


def test_a_notification_that_is_not_wanted_any_more_is_not_sent(
    delivery: Delivery, sender: KeptSender
) -> None:
    delivery.put(Notification(lambda: None, due_at=time.monotonic() + 0.05))
    delivery.put(text("two"))
    assert [title for title, _ in sender.wait_for(1)] == ["two"]


def test_a_notification_that_is_not_due_yet_delays_no_other(
    delivery: Delivery, sender: KeptSender
) -> None:
    now = time.monotonic()
    delivery.put(text("in a day", due_at=now + 86_400))
    delivery.put(text("later", due_at=now + 0.3))
    delivery.put(text("now"))
    assert [title for title, _ in sender.wait_for(2)] == ["now", "later"]


def test_a_notification_that_is_not_due_at_the_end_is_dropped(sender: KeptSender) -> None:
    made = Delivery(sender, QUICK)
    made.put(text("in a day", due_at=time.monotonic() + 86_400))
    made.put(text("now"))
    made.end()
    made.join(10)
    assert [title for title, _ in sender.sent] == ["now"]
    assert made.lost == 0


def test_the_clip_is_waited_for(delivery: Delivery, sender: KeptSender, tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    delivery.put(text("one", clip=clip))
    time.sleep(0.1)
    assert sender.sent == []
    clip.touch()
    sender.wait_for(1)


def test_what_is_too_old_is_dropped(sender: KeptSender) -> None:
    sender.failures = 10**6
    made = Delivery(sender, DeliveryLimits(first_pause_seconds=0.01, max_age_seconds=0.05))
    made.put(text("one"))
    deadline = time.monotonic() + 30
    while not made.lost:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "it is down; it is tried again" in str(made.trouble)
    made.end()
    made.join(10)


def test_the_queue_is_limited_and_its_end_needs_no_service() -> None:
    sender = KeptSender(failures=10**6)
    made = Delivery(sender, DeliveryLimits(max_waiting=3))
    for number in range(9):
        made.put(text(str(number)))
    made.end()
    made.join(20)
    assert made.lost == 9
