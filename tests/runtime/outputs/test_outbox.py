"""What an outbox tells of its sink."""

from threading import Semaphore
from time import sleep

from example_lines import score

from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.sink import OutputError, Sink

GOOD = score(0.0)
BAD = score(9.0)


class Fails(Sink[RunLine]):
    name = "fails"

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        if line == BAD:
            raise OutputError("no paper")

    def close(self) -> None:
        pass


class Keeps(Fails):
    """A sink that keeps lines: it fails, recovers and loses while none comes."""

    trouble: str | None = None
    lost = 0


def test_a_failed_line_is_counted_and_reported_until_one_is_delivered() -> None:
    outbox = Outbox(Fails())
    outbox.put(BAD)
    assert outbox.drain(20) and outbox.trouble == "no paper"
    outbox.put(GOOD)
    assert (
        outbox.drain(20) and outbox.trouble is None and (outbox.delivered, outbox.failed) == (1, 1)
    )
    outbox.close()


def test_the_outbox_reports_the_trouble_and_losses_of_its_sink() -> None:
    sink = Keeps()
    outbox = Outbox(sink)
    outbox.put(GOOD)
    assert outbox.drain(20) and outbox.trouble is None
    sink.trouble, sink.lost = "the server is down", 2
    assert outbox.trouble == "the server is down" and (outbox.delivered, outbox.failed) == (1, 2)
    sink.trouble = None
    assert outbox.trouble is None
    outbox.close()


class Slow(Fails):
    """A sink that takes a line when it may."""

    def __init__(self) -> None:
        self.may = Semaphore(0)

    def deliver(self, line: RunLine) -> None:
        self.may.acquire()


def test_an_outbox_that_dropped_lines_is_behind_until_nothing_waits() -> None:
    sink = Slow()
    outbox = Outbox(sink, limit=2)
    for _ in range(3):  # one is being delivered, or all wait
        outbox.put(GOOD)
    outbox.put(GOOD)
    assert outbox.behind and outbox.dropped >= 1
    sink.may.release()
    while not outbox.delivered:
        sleep(0.001)
    assert outbox.behind
    sink.may.release(2)
    assert outbox.drain(20) and not outbox.behind
    outbox.close()


class IsWrong(Fails):
    def deliver(self, line: RunLine) -> None:
        if line == BAD:
            raise KeyError("a mistake of ours")


def test_after_a_defect_in_a_sink_the_next_line_is_delivered() -> None:
    outbox = Outbox(IsWrong())
    outbox.put(BAD)
    assert outbox.drain(20) and outbox.trouble == "KeyError: 'a mistake of ours'"
    outbox.put(GOOD)
    assert outbox.drain(20) and outbox.trouble is None and outbox.delivered == 1
    outbox.close()


class FailsAtTheEnd(Fails):
    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_sink_that_cannot_be_closed_is_reported_without_a_traceback() -> None:
    outbox = Outbox(FailsAtTheEnd())
    outbox.close()
    assert outbox.trouble == "No space left on device"
