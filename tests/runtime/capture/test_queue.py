"""Sound that waits: its order, its bound, and what stands in the place of what was dropped."""

from threading import Condition, Thread

from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.audio.pcm import decode
from edgeae.runtime.capture.blocks import Block, Gap
from edgeae.runtime.capture.queue import (
    CaptureFailed,
    CaptureQueue,
    CaptureStarted,
    QueueItem,
    QueueLimits,
)

RATE = 1000


def started() -> CaptureStarted:
    return CaptureStarted(RATE, 1, "S16_LE", lambda raw: decode(raw, "S16_LE", 1))


def block(number: int, frames: int = 100, end_time: float | None = None) -> Block:
    """The block of that number, of a device that keeps time."""
    on_time = frames * (number + 1) / RATE
    return Block(bytearray([number % 256]), frames, on_time if end_time is None else end_time)


def running_queue(max_seconds: float = 1.0) -> CaptureQueue:
    """The queue of a device that has started."""
    queue = CaptureQueue(Condition(), QueueLimits(max_seconds=max_seconds))
    queue.put(started())
    queue.pop_all()
    return queue


def numbers(items: list[QueueItem]) -> list[int]:
    return [item.raw[0] for item in items if isinstance(item, Block)]


def put_all(queue: CaptureQueue, blocks: list[Block]) -> None:
    for item in blocks:
        queue.put(item)


def test_items_are_popped_in_the_order_they_were_put() -> None:
    queue = running_queue()
    items: list[QueueItem] = [
        block(0),
        Gap(5, "overrun"),
        block(1),
        CaptureFailed("lost", "why"),
        block(2),
    ]
    for item in items:
        queue.put(item)
    assert queue.pop_all() == items
    assert queue.pop_all() == []


def test_the_oldest_sound_makes_room_and_a_gap_stands_in_its_place() -> None:
    queue = running_queue()
    for number in range(13):
        queue.put(block(number))
    taken = queue.pop_all()
    assert taken[0] == Gap(300, "backlog")
    assert numbers(taken) == list(range(3, 13))


@given(st.lists(st.sampled_from(["block", "gap", "take"]), max_size=60))
def test_no_frame_is_unaccounted(steps: list[str]) -> None:
    queue = running_queue()
    n_given = 0
    taken: list[QueueItem] = []
    for number, step in enumerate(steps):
        if step == "take":
            taken += queue.pop_all()
            continue
        n_given += 100
        queue.put(block(number) if step == "block" else Gap(100, "overrun"))
        assert queue._queued_frames <= RATE
    queue.close()
    taken += queue.pop_all()
    assert sum(item.frames for item in taken if isinstance(item, Block | Gap)) == n_given


def test_gaps_that_follow_each_other_are_one_and_wait_for_sound() -> None:
    queue = running_queue()
    for _ in range(3):
        queue.put(Gap(10, "overrun"))
        assert queue.pop_all() == []
    queue.put(block(0))
    assert queue.pop_all() == [Gap(30, "overrun"), block(0)]


def test_a_file_that_plays_as_a_device_waits_for_room_and_loses_nothing() -> None:
    limits = QueueLimits()
    # Otherwise the first sound would be dropped before it is known to come from a file.
    assert limits.max_seconds > limits.max_ahead_seconds
    queue = running_queue(limits.max_seconds)
    count = 300
    blocks = [block(number, end_time=1.0) for number in range(count)]
    player = Thread(target=put_all, args=(queue, blocks))
    player.start()
    taken: list[QueueItem] = []
    while player.is_alive():
        taken += queue.pop_all()
        player.join(0.01)
    taken += queue.pop_all()
    assert not any(isinstance(item, Gap) for item in taken)
    assert numbers(taken) == [n % 256 for n in range(count)]


def test_nobody_waits_for_room_once_it_is_closed() -> None:
    queue = running_queue()
    blocks = [block(number, end_time=1.0) for number in range(200)]
    player = Thread(target=put_all, args=(queue, blocks))
    player.start()
    queue.close()
    player.join(30)
    assert not player.is_alive()


def test_a_queue_is_ready_once_it_holds_a_batch_or_a_change_of_state() -> None:
    queue = running_queue()
    queue.put(block(0))
    assert not queue.ready
    for number in range(1, 9):
        queue.put(block(number))
    assert not queue.ready
    queue.put(block(9))
    assert queue.ready
    queue.pop_all()
    assert not queue.ready
    queue.put(CaptureFailed("lost", "why"))
    assert queue.ready


def test_a_sound_card_half_a_percent_fast_is_not_taken_for_a_file() -> None:
    fast = 1.005
    queue = running_queue()
    for number in range(36_000):  # an hour
        queue.put(block(number, end_time=(number + 1) * 0.1 / fast))
        queue.pop_all()
    # Nobody pops any more, so a queue that took it for a file would wait for room.
    blocks = [block(number, end_time=(number + 1) * 0.1 / fast) for number in range(36_000, 36_020)]
    device = Thread(target=put_all, args=(queue, blocks))
    device.start()
    device.join(10)
    waits = device.is_alive()
    queue.close()
    device.join()
    assert not waits
    assert queue.pop_all()[0] == Gap(1000, "backlog")


def test_gaps_that_are_joined_keep_the_reason_of_the_first() -> None:
    queue = running_queue()
    queue.put(Gap(10, "overrun"))
    queue.put(Gap(20, "suspended"))
    queue.put(block(0))
    assert queue.pop_all() == [Gap(30, "overrun"), block(0)]
