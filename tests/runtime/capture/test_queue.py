"""Sound that waits: its order, its bound, and what stands in the place of what was dropped."""

from threading import Condition, Thread

from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.capture.capture import Block, Gap
from edgeae.runtime.capture.queue import AHEAD_SECONDS, SECONDS, CaptureQueue, Item, Lost, Setup

RATE = 1000


def setup() -> Setup:
    return Setup(RATE, 1, "S16_LE", lambda raw: raw)  # type: ignore[arg-type, return-value]


def block(number: int, frames: int = 100, heard: float | None = None) -> Block:
    """The block of that number, of a device that keeps time."""
    return Block(
        bytearray([number % 256]), frames, frames * (number + 1) / RATE if heard is None else heard
    )


def begun(seconds: float = 1.0) -> CaptureQueue:
    backlog = CaptureQueue(Condition(), seconds)
    backlog.put(setup())
    backlog.take()
    return backlog


def numbers(items: list[Item]) -> list[int]:
    return [item.raw[0] for item in items if isinstance(item, Block)]


def test_what_is_put_is_taken_in_its_order() -> None:
    backlog = begun()
    items: list[Item] = [block(0), Gap(5, "overrun"), block(1), Lost("lost", "why"), block(2)]
    for item in items:
        backlog.put(item)
    assert backlog.take() == items
    assert backlog.take() == []


def test_the_oldest_sound_makes_room_and_a_gap_stands_in_its_place() -> None:
    backlog = begun()
    for number in range(13):
        backlog.put(block(number))
    taken = backlog.take()
    assert taken[0] == Gap(300, "backlog")
    assert numbers(taken) == list(range(3, 13))


@given(st.lists(st.sampled_from(["block", "gap", "take"]), max_size=60))
def test_no_frame_is_unaccounted(steps: list[str]) -> None:
    backlog, given_, taken = begun(), 0, list[Item]()
    for number, step in enumerate(steps):
        if step == "take":
            taken += backlog.take()
            continue
        given_ += 100
        backlog.put(block(number) if step == "block" else Gap(100, "overrun"))
        assert backlog._frames <= RATE
    backlog.close()
    taken += backlog.take()
    assert sum(item.frames for item in taken if isinstance(item, Block | Gap)) == given_


def test_gaps_that_follow_each_other_are_one_and_wait_for_sound() -> None:
    backlog = begun()
    for _ in range(3):
        backlog.put(Gap(10, "overrun"))
        assert backlog.take() == []
    backlog.put(block(0))
    assert backlog.take() == [Gap(30, "overrun"), block(0)]


def test_a_file_that_plays_as_a_device_waits_for_room_and_loses_nothing() -> None:
    assert (
        SECONDS > AHEAD_SECONDS
    )  # or the first sound would be dropped before it is known to be a file
    backlog, count = begun(SECONDS), 300
    player = Thread(target=lambda: [backlog.put(block(n, heard=1.0)) for n in range(count)])
    player.start()
    taken: list[Item] = []
    while player.is_alive():
        taken += backlog.take()
        player.join(0.01)
    taken += backlog.take()
    assert not any(isinstance(item, Gap) for item in taken)
    assert numbers(taken) == [n % 256 for n in range(count)]


def test_nobody_waits_for_room_once_it_is_closed() -> None:
    backlog = begun()
    player = Thread(target=lambda: [backlog.put(block(n, heard=1.0)) for n in range(200)])
    player.start()
    backlog.close()
    player.join(30)
    assert not player.is_alive()


def test_sound_wakes_the_listening_once_it_is_worth_it() -> None:
    backlog = begun()
    backlog.put(block(0))
    assert not backlog.ready
    for number in range(1, 5):
        backlog.put(block(number))
    assert backlog.ready
    backlog.take()
    assert not backlog.ready
    backlog.put(Lost("lost", "why"))
    assert backlog.ready
