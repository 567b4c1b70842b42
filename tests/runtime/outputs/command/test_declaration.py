"""`--on-event` and its options."""

import time
from pathlib import Path

import pytest
from example_lines import event
from opened_output import opened_output, sink_names

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.command.declaration import OUTPUT


def test_without_a_command_nothing_opens() -> None:
    with opened_output(OUTPUT) as opened:
        assert opened is None


def test_the_command_runs_for_an_event(tmp_path: Path) -> None:
    with opened_output(OUTPUT, "--on-event", f"tee {tmp_path}/line") as opened:
        assert opened
        assert sink_names(opened) == ["on-event"]
        [outbox] = opened.outboxes
        outbox.put(event())
        assert outbox.drain(20)
    assert (tmp_path / "line").read_text() == event().to_json() + "\n"


def test_the_time_limit_reaches_the_command() -> None:
    began = time.monotonic()
    arguments = ("--on-event", "sleep 60", "--on-event-timeout", "0.05")
    with opened_output(OUTPUT, *arguments) as opened:
        assert opened
        [outbox] = opened.outboxes
        outbox.put(event())
        assert outbox.drain(20)
        assert outbox.trouble == "sleep: was killed after 0.05 s"
    assert time.monotonic() - began < 60


def test_a_program_that_is_missing_is_refused() -> None:
    with pytest.raises(ConfigError), opened_output(OUTPUT, "--on-event", "no-such-program"):
        pass
