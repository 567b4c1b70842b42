"""What a sink and a tap do unless an output says otherwise."""

import numpy as np
import pytest
from example_lines import event

from edgeae.runtime.errors import EdgeaeError
from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.sink import OutputError, Sink, SourceTap


class Plain(Sink[RunLine]):
    name = "plain"

    def wants(self, line: RunLine) -> bool:
        return False

    def deliver(self, line: RunLine) -> None:
        raise OutputError("no paper")

    def close(self) -> None:
        pass


def test_a_sink_works_and_has_lost_nothing() -> None:
    sink = Plain()
    assert sink.trouble is None
    assert sink.lost == 0
    sink.abort()


def test_a_line_that_was_not_taken_is_an_expected_error() -> None:
    with pytest.raises(EdgeaeError, match="no paper"):
        Plain().deliver(event())


def test_a_sink_without_its_methods_is_none() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Sink()  # type: ignore[abstract]


def test_a_tap_changes_no_event_and_needs_no_sound() -> None:
    tap = SourceTap()
    line = event()
    tap.push(np.zeros(10, np.float32), 16000)
    tap.gap()
    assert tap.add_to_event(line) is line
    assert not tap.wants_sound
    tap.close()
