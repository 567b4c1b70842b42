"""Opens, checks and closes the outputs of one process."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from ..scoring.detector import Detector
from ..system.identity import SourceIdentity
from ..system.progress import draws_over
from ..system.watchdog import ServiceManager
from .declaration import OptionValues, OutputContext, OutputLimits
from .feedback import FeedbackQueue
from .lines import PROGRAM, RunLine, StatusLine
from .outbox import Outbox
from .publisher import LinePublisher
from .registry import open_outputs
from .sink import Sink, SourceTap
from .stdout import StandardOutput
from .terminal import Terminal

TOO_SLOW = "too slow, the oldest lines are dropped"
DEFAULT_LIMITS = OutputLimits()


class Outputs:
    """All outputs of one process, and its service manager.

    A context manager: at its end it delivers the lines that wait.
    """

    def __init__(
        self,
        values: OptionValues,
        *,
        as_json: bool,
        live: bool,
        paced: bool,
        limits: OutputLimits = DEFAULT_LIMITS,
        feedback: FeedbackQueue | None = None,
        sources: Sequence[SourceIdentity] = (),
    ) -> None:
        """Open the outputs that the options request; ConfigError for values that cannot work.

        live: the sound comes from a microphone or a pipe.
        paced: the sound comes from a microphone, which cannot wait for an output or for stdout.
        feedback: receives what people say to an output; None: nothing is learned.
        sources: all sources of live sound; none: they are not known.
        """
        self.notify = ServiceManager()
        self._live = live
        self._limits = limits
        stdout_sink = _stdout_sink(as_json=as_json, live=live)
        self._opened = list(open_outputs(values, OutputContext(live, limits, feedback, sources)))
        self._outboxes = [outbox for output in self._opened for outbox in output.outboxes]
        self._stdout: Outbox[RunLine] | None = None
        self._closers = [output.close for output in self._opened if output.close]
        if paced:
            self._stdout = Outbox(stdout_sink, limits.max_stdout_lines)
            self._outboxes.append(self._stdout)
        else:
            self._closers.append(stdout_sink.close)
        show = None if paced else stdout_sink.deliver
        self.publisher = LinePublisher(show, self._outboxes, waits=not live)
        self._reporter = TroubleReporter(self.publisher)
        self._check_at = 0.0  # monotonic, s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        limits = self._limits
        seconds = limits.close_seconds if self._live else limits.offline_close_seconds
        self._close_outboxes(time.monotonic() + seconds)
        for close in self._closers:
            close()
        self.notify.close()

    def taps(self, source: str, detector: Detector, model: Path) -> list[SourceTap]:
        """The taps of all outputs for a source; model: path of the artifact."""
        return [
            output.make_tap(source, detector, model) for output in self._opened if output.make_tap
        ]

    def tick(self) -> None:
        """Report outputs that fail or work again; the caller calls it about once a second.

        Raises BrokenPipeError if the reader of stdout has closed it.
        """
        if self._stdout and self._stdout.gone:
            raise BrokenPipeError
        now = time.monotonic()
        if now < self._check_at:
            return
        self._check_at = now + self._limits.check_seconds
        for outbox in self._outboxes:
            self._reporter.check(outbox)

    def _close_outboxes(self, deadline: float) -> None:
        """Deliver the waiting lines, and report on stderr those that are left.

        deadline: monotonic, s.
        """
        last = [
            outbox for output in self._opened if output.closes_last for outbox in output.outboxes
        ]
        for outbox in self._outboxes:
            if outbox not in last:
                outbox.end()
        for outbox in self._outboxes:
            name = outbox.sink.name
            remaining_lines = outbox.close(deadline - time.monotonic())
            if outbox.trouble and not outbox.gone:
                click.echo(f"edgeae: {name}: {outbox.trouble}", err=True)
            if outbox.sink.lost:
                click.echo(f"edgeae: {name}: {outbox.sink.lost} lines were lost", err=True)
            if remaining_lines:
                click.echo(
                    f"edgeae: {name}: {remaining_lines} lines were not delivered in time", err=True
                )


class TroubleReporter:
    """Publishes a status line when an output begins to fail, and when it works again."""

    def __init__(self, publisher: LinePublisher) -> None:
        self._publisher = publisher
        self._began = time.monotonic()
        self._reported: dict[str, str | None] = {}  # trouble by output
        self._dropped: dict[str, int] = {}  # lines by output, at the last check

    def check(self, outbox: Outbox[RunLine]) -> None:
        """Publish a line if the output fails or works again since the last report."""
        name = outbox.sink.name
        dropped = outbox.dropped
        drops_now = dropped > self._dropped.get(name, 0) or outbox.behind
        self._dropped[name] = dropped
        trouble = outbox.trouble or (TOO_SLOW if drops_now else None)
        if (trouble is None) == (self._reported.get(name) is None):
            return
        self._reported[name] = trouble
        sentence = f"{name}: {trouble}" if trouble else f"{name} works again"
        line = StatusLine(
            source=PROGRAM,
            t=round(time.monotonic() - self._began, 3),
            state="degraded" if trouble else "restored",
            details={
                "output": name,
                "sentence": sentence,
                "dropped": dropped,
                "failed": outbox.failed,
            },
        )
        self._publisher.publish(line)


def _stdout_sink(*, as_json: bool, live: bool) -> Sink[RunLine]:
    """The sink of standard output: lines, or one line that is redrawn on a terminal."""
    if as_json or not live or not draws_over(sys.stdout):
        return StandardOutput(as_json=as_json)
    return Terminal()
