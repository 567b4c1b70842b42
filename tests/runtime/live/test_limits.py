"""The limits of a live run, which tests replace."""

from dataclasses import fields, is_dataclass, replace

from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.outputs.declaration import OutputLimits


def test_runs_have_the_same_limits_unless_a_test_passes_others() -> None:
    assert RunLimits() == RunLimits()
    hurried = RunLimits(outputs=OutputLimits(close_seconds=0.5))
    assert hurried.outputs.close_seconds == 0.5
    assert hurried.queue == RunLimits().queue
    assert replace(hurried, outputs=OutputLimits()) == RunLimits()


def test_each_part_is_a_dataclass() -> None:
    parts = [getattr(RunLimits(), field.name) for field in fields(RunLimits)]
    assert all(is_dataclass(part) for part in parts)
