"""The number of notifications is limited."""

from edgeae.runtime.outputs.notify.storm import HOUR_SECONDS, StormLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_source_sends_so_many_an_hour_and_then_again() -> None:
    clock = Clock()
    limit = StormLimit(2, clock)
    assert [limit.allows("a") for _ in range(5)] == [True, True, False, False, False]
    assert limit.allows("b"), "another source"
    clock.now += HOUR_SECONDS + 1
    assert limit.allows("a")
    assert limit.pop_left_out("a") == 3
    assert limit.pop_left_out("a") == 0


def test_all_sources_together_are_limited() -> None:
    limit = StormLimit(2, Clock())
    assert sum(limit.allows(f"source {number}") for number in range(20)) == 6
