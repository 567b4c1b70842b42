"""The types with which an output declares its options, what systemd must allow, and how it opens.

The module ``declaration.py`` in the folder of an output defines ``OUTPUT``, an `OutputDeclaration`.
Every `edgeae run` imports these modules for their options, so slow imports stand inside the
function that opens the output.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import click

from ..scoring.detector import Detector
from ..system.identity import SourceIdentity
from .feedback import FeedbackQueue
from .lines import RunLine
from .outbox import Outbox
from .sink import LineType_contra, Sink, SourceTap

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
POSITIVE = click.FloatRange(min=0, min_open=True)

# What the value of an option is, and so what a service has to be allowed:
#   output-file, output-folder   written to
#   public-file                  written to, and read by other users
#   input-file                   read
#   secret-file                  read, and nobody else may
#   url                          a server to connect to; its user and password are secrets
#   address                      where a port is opened, HOST:PORT
#   program                      a command that is run
ValueKind = Literal[
    "output-file",
    "public-file",
    "output-folder",
    "input-file",
    "secret-file",
    "url",
    "address",
    "program",
]
OptionValues = Mapping[str, Any]  # of all options of `edgeae run`, by parameter name


class RunOption(click.Option):
    """An option of `edgeae run`."""

    def __init__(
        self,
        *arguments: Any,
        value_kind: ValueKind | None = None,
        keeps_lines: bool = False,
        needs_network: bool = False,
        **attributes: Any,
    ) -> None:
        """value_kind: what a service must allow for the value; None: nothing.

        keeps_lines: True if lines are stored or sent, so that a service need not log them.
        needs_network: True if any other computer may be connected to.
        """
        super().__init__(*arguments, **attributes)
        self.value_kind = value_kind
        self.keeps_lines = keeps_lines
        self.needs_network = needs_network


Command = TypeVar("Command", bound=Callable[..., Any])


def run_option(name: str, **attributes: Any) -> Callable[[Command], Command]:
    """A decorator that adds a `RunOption`, as `click.option` adds an option."""
    return click.option(name, cls=RunOption, **attributes)


@dataclass(frozen=True)
class OutputLimits:
    """Time limits and lengths of queues; tests pass others."""

    # Between two checks of the outputs; less than between two wakes of the scoring.
    check_seconds: float = 0.5
    max_waiting_lines: int = 1000  # in each queue; beyond that, the oldest are dropped
    max_stdout_lines: int = 10_000  # in the queue of stdout
    # Between two metrics files, as often as Prometheus usually scrapes.
    metrics_file_seconds: float = 15.0
    close_seconds: float = 5.0  # to deliver the waiting lines at the end
    offline_close_seconds: float = 600.0  # the same, while no sound is lost


@dataclass(frozen=True)
class OutputContext:
    """The properties of a run that an output can use when it opens."""

    live: bool  # the sound comes from a microphone or a pipe, not from files
    limits: OutputLimits = field(default_factory=OutputLimits)
    feedback: FeedbackQueue | None = None  # for what people say; None: nothing is learned
    sources: Sequence[SourceIdentity] = ()  # of live sound; none: they are not known
    opened: Sequence[
        Outbox[RunLine]
    ] = ()  # the outputs opened before this one, for metrics about them

    def outbox(
        self, sink: Sink[LineType_contra], limit: int | None = None
    ) -> Outbox[LineType_contra]:
        """Start the queue and the thread of a sink; limit: maximum number of waiting lines."""
        return Outbox(sink, limit or self.limits.max_waiting_lines)


MakeTap = Callable[[str, Detector, Path], SourceTap]  # of (source, detector, path of the artifact)


@dataclass(frozen=True)
class OpenOutput:
    """An output that is open."""

    outboxes: Sequence[Outbox[RunLine]]
    closes_last: bool = False  # True: it reports how the other outputs ended
    make_tap: MakeTap | None = None  # for an output that also needs the sound or the windows
    close: Callable[[], None] | None = None  # called after all lines are delivered


OptionsType = TypeVar("OptionsType")


@dataclass(frozen=True)
class OutputDeclaration(Generic[OptionsType]):
    """The declaration of an output."""

    options: Sequence[Callable[[Any], Any]]  # decorators, see `run_option`
    options_type: type[OptionsType]  # a dataclass; a field for each option
    open: Callable[[OptionsType, OutputContext], OpenOutput | None]  # None: not requested
    # Options of others that it also reads, as fields of its own; None if the command has none such.
    other_options: Sequence[str] = ()

    def open_with(self, values: OptionValues, context: OutputContext) -> OpenOutput | None:
        """Open the output if its options request it; ConfigError for values that cannot work."""
        names = [item.name for item in fields(self.options_type)]  # type: ignore[arg-type]
        given = dict.fromkeys(self.other_options) | dict(values)
        return self.open(self.options_type(**{name: given[name] for name in names}), context)
