"""How an output declares its options, and how it opens."""

from dataclasses import dataclass

import click
import pytest
from example_lines import score
from kept_lines import Kept

from edgeae.runtime.outputs.declaration import (
    OpenOutput,
    OutputContext,
    OutputDeclaration,
    OutputLimits,
    RunOption,
    run_option,
)
from edgeae.runtime.outputs.lines import RunLine


@dataclass(frozen=True)
class KeptOptions:
    keep: bool
    keep_days: float


def open_kept(options: KeptOptions, context: OutputContext) -> OpenOutput | None:
    return OpenOutput([context.outbox(Kept())]) if options.keep else None


OUTPUT = OutputDeclaration(
    (run_option("--keep", is_flag=True), run_option("--keep-days", default=2.0)),
    KeptOptions,
    open_kept,
)


def test_an_output_opens_with_its_own_values_among_all() -> None:
    context = OutputContext(live=True)
    assert OUTPUT.open_with({"keep": False, "keep_days": 1.0, "other": 3}, context) is None
    opened = OUTPUT.open_with({"keep": True, "keep_days": 1.0, "other": 3}, context)
    assert opened
    [outbox] = opened.outboxes
    outbox.put(score())
    assert outbox.drain(20)
    outbox.close()
    assert isinstance(outbox.sink, Kept)
    assert outbox.sink.lines == [score()]


def test_a_field_without_an_option_is_a_defect() -> None:
    with pytest.raises(KeyError, match="keep_days"):
        OUTPUT.open_with({"keep": True}, OutputContext(live=True))


def test_an_option_says_what_a_service_must_allow() -> None:
    command = click.Command("run")
    run_option("--log", value_kind="output-file", keeps_lines=True)(command)
    run_option("--days", type=float)(command)
    log, days = command.params
    assert isinstance(log, RunOption) and isinstance(days, RunOption)
    assert (log.value_kind, log.keeps_lines) == ("output-file", True)
    assert (days.value_kind, days.keeps_lines) == (None, False)


@pytest.mark.parametrize(("limit", "n_dropped"), [(None, 7), (4, 5)])
def test_the_queue_is_as_long_as_the_limits_say_or_the_sink(
    limit: int | None, n_dropped: int
) -> None:
    from threading import Event

    free = Event()
    started = Event()

    class Stuck(Kept):
        def deliver(self, line: RunLine) -> None:
            started.set()
            free.wait(20)

    context = OutputContext(live=True, limits=OutputLimits(max_waiting_lines=2))
    outbox = context.outbox(Stuck(), limit)
    outbox.put(score())
    assert started.wait(20)
    for _ in range(9):
        outbox.put(score())
    assert outbox.dropped == n_dropped
    free.set()
    assert outbox.close(20) == 0
